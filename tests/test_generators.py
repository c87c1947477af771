"""What users rely on when they generate data."""

from __future__ import annotations

import doctest
from collections.abc import Callable

import numpy as np
import pytest

from pynn.datasets import circles, generators, linear_regression, moons, spirals, xor
from pynn.datasets.generators import Points


def test_xor() -> None:
    x, y = xor()
    assert x.dtype == y.dtype == np.float32
    assert {(*row, *out) for row, out in zip(x.tolist(), y.tolist(), strict=True)} == {
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 1),
        (1, 1, 0),
    }


@pytest.mark.parametrize(("generator", "classes"), [(spirals, 3), (moons, 2), (circles, 2)])
def test_points_are_balanced_mixed_and_reproducible(
    generator: Callable[..., Points], classes: int
) -> None:
    x, y = generator(101, seed=3)
    assert (x.shape, y.shape) == ((101, 2), (101,))
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    counts = np.bincount(y)
    assert len(counts) == classes
    assert counts.max() - counts.min() <= 1
    assert set(y[:30]) == set(range(classes))  # any part holds all classes
    np.testing.assert_array_equal(x, generator(101, seed=3)[0])
    assert not np.array_equal(x, generator(101, seed=4)[0])
    np.testing.assert_array_equal(x, generator(101, seed=np.random.default_rng(3))[0])
    np.random.seed(0)  # noqa: NPY002 - the global generator is what is tested
    generator(10)
    untouched = np.random.RandomState(0).random()
    assert np.random.random() == untouched  # noqa: NPY002


def test_points_lie_where_the_docstrings_say() -> None:
    x, y = spirals(400, 4, noise=0, seed=0)
    t = np.hypot(*x.T)
    angle = 2 * np.pi * (y / 4 + 0.75 * t)
    np.testing.assert_allclose(x, np.stack([t * np.cos(angle), t * np.sin(angle)], 1), atol=1e-6)
    x, y = circles(50, noise=0, factor=0.25, seed=0)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 0, 1, 0.25), atol=1e-6)
    x, y = moons(50, noise=0, seed=0)
    centre = np.where(y[:, None] == 0, [0, 0], [1, 0.5])
    np.testing.assert_allclose(np.hypot(*(x - centre).T), 1, atol=1e-6)
    assert (x[y == 0, 1] >= -1e-6).all()
    assert (x[y == 1, 1] <= 0.5 + 1e-6).all()
    noisy, _ = circles(20000, noise=0.1, factor=0, seed=0)
    inner = noisy[circles(20000, noise=0.1, factor=0, seed=0)[1] == 1]
    np.testing.assert_allclose(inner.std(axis=0), 0.1, rtol=0.05)


def test_linear_regression_can_be_solved() -> None:
    x, y, coefficients = linear_regression(2000, 5, bias=3, noise=0.1, seed=1)
    assert x.dtype == y.dtype == coefficients.dtype == np.float32
    assert (x.shape, y.shape, coefficients.shape) == ((2000, 5), (2000, 1), (5, 1))
    solved, residual, *_ = np.linalg.lstsq(np.c_[x, np.ones(2000)], y, rcond=None)
    np.testing.assert_allclose(solved, np.r_[coefficients, [[3]]], atol=0.02)
    np.testing.assert_allclose(np.sqrt(residual / 2000), 0.1, rtol=0.1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: moons(1), ValueError, "n_samples must be at least 2, got 1"),
        (lambda: spirals(2, 3), ValueError, "n_samples must be at least 3, got 2"),
        (lambda: spirals(10, 0), ValueError, "n_classes must be at least 1"),
        (lambda: moons(10.5), TypeError, "n_samples must be an integer, got 10.5"),  # type: ignore[arg-type]
        (lambda: circles(10, noise=-1), ValueError, "noise must be .* got -1"),
        (lambda: circles(10, noise=float("nan")), ValueError, "noise must be .* got nan"),
        (lambda: circles(10, factor=1), ValueError, "factor must be .* got 1"),
        (lambda: linear_regression(10, 0), ValueError, "n_features must be at least 1"),
    ],
)
def test_generators_refuse(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_docstring_examples_run() -> None:
    failed, attempted = doctest.testmod(generators)
    assert attempted > 0
    assert failed == 0
