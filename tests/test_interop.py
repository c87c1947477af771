"""NumPy's functions on tensors: tensors where pynn has the function too, arrays elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Tensor, Variable, ops

A = np.array([[0.5, -1.5, 2.0], [1.0, 3.0, -0.25]])
T = Tensor(A)

TENSORS: list[Callable[[Any], Any]] = [
    np.exp,
    np.absolute,
    np.negative,
    lambda x: np.add(A, x),
    lambda x: np.subtract(x, A),
    lambda x: np.maximum(0.0, x),
    lambda x: np.greater(x, A[0]),
    lambda x: np.remainder(x, 0.75),
    lambda x: np.matmul(x, A.T),
    lambda x: A + x,
    lambda x: A[0] ** 2 / x,
    lambda x: np.float64(2.0) * x,
    np.sum,
    lambda x: np.sum(x, axis=0),
    lambda x: np.mean(x, 1, keepdims=True),
    lambda x: np.max(x, axis=1),
    lambda x: np.std(x, axis=0, ddof=1),
    lambda x: np.concatenate([x, A], axis=1),
    lambda x: np.stack((A, x)),
    lambda x: np.where(x > 0, x, A),
    lambda x: np.reshape(x, (3, 2)),
    np.transpose,
    lambda x: np.clip(x, -1, 1),
    lambda x: np.cumsum(x, axis=1),
    lambda x: np.sort(x),
    lambda x: np.einsum("ij,kj->ik", x, A),
    np.zeros_like,
]
ARRAYS: list[Callable[[Any], Any]] = [
    np.arcsinh,
    lambda x: np.hypot(x, A),
    lambda x: np.add.reduce(x),
    lambda x: np.multiply.outer(x, A[0]),
    lambda x: np.add(x, A, dtype="float32"),
    np.argmax,
    np.median,
    lambda x: np.sum(x, where=A > 0),
    lambda x: np.linalg.norm(x),
    lambda x: np.dot(x, A.T),
    lambda x: np.quantile(x, 0.5, axis=0),
]


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("f", TENSORS)
def test_functions_that_pynn_has_give_tensors(f: Callable[[Any], Any], variable: bool) -> None:
    found = f(Variable(A) if variable else T)
    assert type(found) is Tensor and found.dtype == str(f(A).dtype)
    np.testing.assert_allclose(np.asarray(found), f(A), rtol=1e-12)


@pytest.mark.parametrize("f", ARRAYS)
def test_other_functions_give_arrays(f: Callable[[Any], Any]) -> None:
    found = f(T)
    assert isinstance(found, (np.ndarray, np.generic))
    np.testing.assert_allclose(found, f(A), rtol=1e-12)


def test_descriptions_and_comparisons() -> None:
    assert np.shape(T) == (2, 3) and np.ndim(T) == 2 and np.size(T) == 6
    assert np.allclose(T, A) and np.array_equal(A, T) and not np.array_equal(T, A + 1)


def test_arrays_change_in_place_and_tensors_do_not() -> None:
    x = A.copy()
    x += T
    assert type(x) is np.ndarray
    np.testing.assert_array_equal(x, 2 * A)
    np.multiply(T, 3.0, out=x)
    np.testing.assert_array_equal(x, 3 * A)
    with pytest.raises(TypeError):
        np.add(A, A, out=Variable(A))


def test_tapes_and_recordings_follow_what_gives_tensors() -> None:
    def f(x: Any) -> Any:
        assert np.shape(x) == (2, 3)
        return np.sum(np.multiply(A, np.sin(x)))

    expected = A * np.cos(A)
    np.testing.assert_allclose(pynn.grad(f)(T), expected)
    np.testing.assert_allclose(pynn.function(pynn.grad(f))(T), expected)
    with pytest.raises(TypeError, match="no values yet"):
        pynn.function(np.arcsinh)(T)


HARD = [(1.0, 0.1), (0.3, 0.1), (-0.3, 0.1), (6.0, 0.1), (1e15, 3.0), (5.0, np.inf), (-5.0, np.inf)]
HARD += [(-1e-20, 3.0), (0.0, 2.0), (-4.0, 2.0), (7.5, -2.5), (1.0, 0.0), (0.0, 0.0), (np.inf, 2.0)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floor_division_and_remainder_are_numpys(dtype: str) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(-1000, 1000, 2000)
    steps = np.repeat([0.1, -0.1, 0.3, 1e-3, 7.0], 400)
    a = np.concatenate([whole * steps, rng.normal(size=2000) * 100, *np.array(HARD).T[:1]])
    b = np.concatenate([steps, rng.normal(size=2000), *np.array(HARD).T[1:]])
    a, b = a.astype(dtype), b.astype(dtype)
    with np.errstate(all="ignore"):
        quotient, rest = a // b, a % b
    np.testing.assert_array_equal(Tensor(a) // b, quotient)
    np.testing.assert_array_equal(ops.mod(a, b), rest)


def test_the_remainder_has_the_gradients_of_its_formula() -> None:
    a, b = Tensor([7.3, -7.3, 1.0], "float64"), Tensor([2.0, 2.0, -0.3], "float64")
    da, db = pynn.grad(lambda a, b: ops.sum(a % b), argnums=(0, 1))(a, b)
    np.testing.assert_array_equal(da, np.ones(3))
    np.testing.assert_allclose(db, -np.floor(np.asarray(a) / np.asarray(b)))
