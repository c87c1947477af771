"""What users rely on when they encode, scale and split data."""

from __future__ import annotations

import doctest
import pickle
import tracemalloc
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from pynn.preprocessing import (
    MinMaxScaler,
    StandardScaler,
    encoding,
    one_hot,
    scaling,
    splitting,
    train_test_split,
    train_validation_test_split,
)

SCALERS = [StandardScaler, MinMaxScaler]
Scaler = StandardScaler | MinMaxScaler


@pytest.mark.parametrize("module", [encoding, scaling, splitting])
def test_docstring_examples_run(module: ModuleType) -> None:
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0


# One-hot


def test_one_hot_marks_the_label() -> None:
    encoded = one_hot([2, 0, 1])
    np.testing.assert_array_equal(encoded, np.eye(3, dtype=np.float32)[[2, 0, 1]], strict=True)
    assert one_hot(np.array([1], np.uint8), 4, np.int64).tolist() == [[0, 1, 0, 0]]
    assert one_hot([True, False]).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("shape", [(), (0,), (5,), (5, 1), (2, 3, 4)])
def test_one_hot_adds_an_axis(shape: tuple[int, ...]) -> None:
    labels = np.random.default_rng(0).integers(0, 6, shape)
    encoded = one_hot(labels, 6)
    assert encoded.shape == (*shape, 6)
    np.testing.assert_array_equal(encoded.argmax(-1), labels)
    np.testing.assert_array_equal(encoded.sum(-1), np.ones(shape))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: one_hot([0, 5, 9], 5), ValueError, "between 0 and 4, got 5 at index 1"),
        (lambda: one_hot([0, -1]), ValueError, "got -1 at index 1"),
        (lambda: one_hot([-1]), ValueError, "got -1 at index 0"),
        (lambda: one_hot([0.0, 1.0]), TypeError, "must be integers, got float64"),
        (lambda: one_hot(["cat"]), TypeError, "must be integers, got <U3"),
        (lambda: one_hot([]), ValueError, "num_classes must be given"),
        (lambda: one_hot([0], 0), ValueError, "num_classes must be at least 1, got 0"),
    ],
)
def test_one_hot_refuses(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# Scaling


@pytest.fixture
def rows() -> NDArray[np.float64]:
    """Return 500 samples of 4 features whose means and deviations differ by orders of magnitude."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(500, 4)) * [1, 100, 1e-3, 5] + [0, 1e6, 3, -2]


def test_standard_scaler(rows: NDArray[np.float64]) -> None:
    train, test = rows[:400], rows[400:]
    scaler = StandardScaler()
    scaled = scaler.fit_transform(train)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-12)
    expected = (test - train.mean(0)) / train.std(0)
    np.testing.assert_allclose(scaler.transform(test), expected, rtol=1e-9)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(test)), test, rtol=1e-12)
    np.testing.assert_allclose(scaler.mean_, train.mean(0), rtol=1e-12)
    np.testing.assert_allclose(scaler.scale_, train.std(0), rtol=1e-9)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (2, 5)])
def test_min_max_scaler(rows: NDArray[np.float64], low: float, high: float) -> None:
    train, test = rows[:400], rows[400:]
    scaler = MinMaxScaler((low, high))
    scaled = scaler.fit_transform(train)
    assert scaled.min(0).tolist() == [low] * 4  # exactly
    np.testing.assert_allclose(scaled.max(0), high, rtol=1e-15)
    span = train.max(0) - train.min(0)
    expected = (test - train.min(0)) / span * (high - low) + low
    np.testing.assert_allclose(scaler.transform(test), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(test)), test, rtol=1e-12)
    assert scaler.data_min_.tolist() == train.min(0).tolist()
    assert scaler.data_max_.tolist() == train.max(0).tolist()


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), MinMaxScaler((-1, 1))])
@pytest.mark.parametrize("shape", [(200, 7), (200,), (200, 5, 4), (3, 200_000)])
def test_scalers_agree_with_scikit_learn(scaler: Scaler, shape: tuple[int, ...]) -> None:
    peers = pytest.importorskip("sklearn.preprocessing")
    x = np.random.default_rng(1).normal(3, 2, shape)
    x[::2].flat[::7] = np.nan
    args = [scaler.feature_range] if isinstance(scaler, MinMaxScaler) else []
    peer = getattr(peers, type(scaler).__name__)(*args)
    expected = peer.fit_transform(x.reshape(len(x), -1)).reshape(shape)
    np.testing.assert_allclose(scaler.fit_transform(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("given", "result"),
    [
        *(("f4", "f4"), ("f8", "f8"), ("f2", "f4"), ("u1", "f4"), ("i8", "f4"), ("?", "f4")),
        (">f8", "f8"),
    ],
)
@pytest.mark.parametrize("scaler_type", SCALERS)
def test_scalers_keep_float64_and_give_float32_for_the_rest(
    scaler_type: type[Scaler], given: str, result: str
) -> None:
    x = (np.random.default_rng(0).normal(size=(50, 3)) * 20).astype(given)
    scaled = scaler_type().fit_transform(x)
    assert scaled.dtype == np.dtype(result)
    expected = scaler_type().fit_transform(x.astype(np.float64))
    np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scaler_type", SCALERS)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 / 3, -7e-20])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_feature_becomes_zero_and_comes_back(
    scaler_type: type[Scaler], value: float, dtype: type[np.floating[Any]]
) -> None:
    x = np.full((1000, 2), value, dtype)
    x[:, 1] = np.arange(1000)
    scaler = scaler_type()
    scaled = scaler.fit_transform(x)
    assert (scaled[:, 0] == 0).all()
    assert (scaler.inverse_transform(scaled)[:, 0] == x[:, 0]).all()


@pytest.mark.parametrize("scaler_type", SCALERS)
def test_nan_is_passed_over_and_kept(scaler_type: type[Scaler]) -> None:
    x = np.array([[1.0, 5], [np.nan, 7], [3, np.nan]])
    scaled = scaler_type().fit_transform(x)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(x))
    first = scaler_type().fit_transform(np.array([[1.0], [3]]))
    np.testing.assert_array_equal(scaled[[0, 2], 0], first[:, 0])


@pytest.mark.parametrize("scaler_type", SCALERS)
def test_scaling_leaves_the_data_alone_and_needs_no_big_copy(scaler_type: type[Scaler]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20_000, 784), np.uint8)
    x.flags.writeable = False
    scaler = scaler_type()
    tracemalloc.start()
    scaler.fit(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes  # a float64 copy would take 8 times as much


@pytest.mark.parametrize("scaler_type", SCALERS)
def test_a_fitted_scaler_can_be_pickled(
    scaler_type: type[Scaler], rows: NDArray[np.float64]
) -> None:
    scaler = scaler_type().fit(rows)
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(again.transform(rows), scaler.transform(rows))


@pytest.mark.parametrize("scaler_type", SCALERS)
def test_scalers_refuse(scaler_type: type[Scaler], rows: NDArray[np.float64]) -> None:
    name = scaler_type.__name__
    for method in "transform", "inverse_transform":
        with pytest.raises(RuntimeError, match=f"{name} is not fitted: call fit"):
            getattr(scaler_type(), method)(rows)
    fitted = scaler_type().fit(rows)
    with pytest.raises(ValueError, match=f"{name} was fitted on 4 features, got 3 features"):
        fitted.transform(rows[:, :3])
    with pytest.raises(ValueError, match=r"4 features, got features of shape \(2, 2\)"):
        fitted.inverse_transform(rows.reshape(500, 2, 2))
    for empty in np.empty((0, 4)), np.empty((4, 0)):
        with pytest.raises(ValueError, match="cannot fit to an empty array of shape"):
            scaler_type().fit(empty)
    for wrong in [["a"]], [[1j]], np.array([[object()]]):
        with pytest.raises(TypeError, match=f"{name} scales real numbers, got"):
            scaler_type().fit(wrong)
    with pytest.raises(ValueError, match="got a single number"):
        scaler_type().fit(1.0)
    for value, what in (np.nan, "only NaN"), (np.inf, "infinity"), (-np.inf, "infinity"):
        spoilt = rows.copy()
        spoilt[:, 2] = value
        with pytest.raises(ValueError, match=f"feature 2 of the data holds {what}"):
            scaler_type().fit(spoilt)
    assert fitted.transform(np.empty((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("wrong", [(1, 1), (2, 0), (0, np.inf), (np.nan, 1)])
def test_min_max_scaler_refuses_a_range(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="feature_range must be two increasing numbers"):
        MinMaxScaler(wrong)


# Splitting


@pytest.mark.parametrize(
    ("n", "size", "count"),
    [(10, 0.25, 3), (10, 0.24, 2), (150, 0.25, 38), (100, 0.07, 7), (10, 0.01, 1), (10, 4, 4)],
)
def test_test_size_is_rounded_to_the_nearest_count(n: int, size: float, count: int) -> None:
    train, test = train_test_split(np.arange(n), test_size=size, seed=0)
    assert (len(train), len(test)) == (n - count, count)
    assert sorted([*train, *test]) == list(range(n))


def test_arrays_are_split_alike_and_copied() -> None:
    x = np.arange(200).reshape(100, 2)
    y, names = x[:, 0] // 2, [str(i) for i in range(100)]
    parts = train_validation_test_split(x, y, names, validation_size=0.2, test_size=0.1, seed=1)
    assert [len(part) for part in parts] == [70, 20, 10] * 3
    for i in range(3):
        np.testing.assert_array_equal(parts[i][:, 0] // 2, parts[3 + i])
        assert [str(label) for label in parts[3 + i]] == parts[6 + i].tolist()
    everything = np.concatenate(parts[3:6])
    assert everything.tolist() != list(range(100))
    assert sorted(everything) == list(range(100))
    parts[0][:] = -1
    assert x.min() == 0


def test_the_seed_decides() -> None:
    x = np.arange(50)
    for stratify in None, x % 2:
        one, same, other = (
            train_test_split(x, stratify=stratify, seed=seed)[1].tolist() for seed in (0, 0, 1)
        )
        assert one == same != other


def test_without_shuffling_the_order_stays() -> None:
    x = np.arange(10)
    train, validation, test = train_validation_test_split(
        x, validation_size=2, test_size=0.3, shuffle=False
    )
    assert [train.tolist(), validation.tolist(), test.tolist()] == [[*range(5)], [5, 6], [7, 8, 9]]
    train[:] = 0
    assert x.tolist() == list(range(10))


@pytest.mark.parametrize("labels", [np.repeat([3, 7, 9], [600, 300, 100]), ["a"] * 40 + ["b"] * 60])
def test_stratified_parts_have_the_proportions_of_the_whole(labels: ArrayLike) -> None:
    labels = np.asarray(labels)
    n = len(labels)
    parts = train_validation_test_split(
        np.arange(n), validation_size=0.2, test_size=0.1, stratify=labels, seed=0
    )
    assert sorted(np.concatenate(parts)) == list(range(n))
    for part, fraction in zip(parts, (0.7, 0.2, 0.1), strict=True):
        _, whole = np.unique(labels, return_counts=True)
        _, counts = np.unique(labels[part], return_counts=True)
        assert counts.tolist() == [round(fraction * count) for count in whole]
        assert np.any(np.diff(labels[part] == labels[0]))  # mixed, not class by class


def test_stratified_parts_hold_every_class_whatever_the_sizes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        classes = rng.integers(1, 8)
        labels = np.repeat(np.arange(classes), rng.integers(3, 30, classes))
        n = len(labels)
        room = n - 3 * classes
        test_size = int(classes + rng.integers(0, room + 1))
        validation_size = int(classes + rng.integers(0, room - (test_size - classes) + 1))
        parts = train_validation_test_split(
            np.arange(n),
            validation_size=validation_size,
            test_size=test_size,
            stratify=labels[:, None],
            seed=rng,
        )
        assert [len(part) for part in parts[1:]] == [validation_size, test_size]
        assert sorted(np.concatenate(parts)) == list(range(n))
        for part in parts:
            assert len(np.unique(labels[part])) == classes


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: train_test_split(), ValueError, "give at least one array"),
        (lambda: train_test_split(3), ValueError, "got a single number"),
        (lambda: train_test_split([1, 2, 3], [1, 2]), ValueError, "differ in length: 3, 2"),
        (lambda: train_test_split([]), ValueError, "no sample to train on: there are 0"),
        (lambda: train_test_split([1]), ValueError, "no sample to train on: there are 1"),
        (lambda: train_test_split([1, 2], test_size=2), ValueError, "test_size=2 leave"),
        (lambda: train_test_split([1, 2], test_size=0), ValueError, "at least 1 sample, got 0"),
        (lambda: train_test_split([1, 2], test_size=1.0), ValueError, "between 0 and 1.*got 1.0"),
        (lambda: train_test_split([1, 2], test_size=-0.5), ValueError, "test_size must lie"),
        (lambda: train_test_split([1, 2], test_size=float("nan")), ValueError, "got nan"),
        (lambda: train_test_split([1, 2], test_size=True), TypeError, "got True"),
        (lambda: train_test_split([1, 2], test_size="half"), TypeError, "got 'half'"),  # type: ignore[arg-type]
        (
            lambda: train_validation_test_split([*range(10)], validation_size=0.5, test_size=0.5),
            ValueError,
            "validation_size=0.5 and test_size=0.5 leave no sample to train on: there are 10",
        ),
        (
            lambda: train_test_split([1, 2], stratify=[0, 1], shuffle=False),
            ValueError,
            "needs shuffle=True",
        ),
        (
            lambda: train_test_split([1, 2, 3], stratify=[0, 1]),
            ValueError,
            r"shape \(3,\), got \(2,\)",
        ),
        (
            lambda: train_test_split([*range(5)], stratify=["a", "b", "b", "b", "b"]),
            ValueError,
            "class a has 1 of the samples, too few for 2 parts",
        ),
        (
            lambda: train_test_split([*range(6)], test_size=2, stratify=[0, 0, 1, 1, 2, 2]),
            ValueError,
            "a part of 2 samples cannot hold all 3 classes",
        ),
    ],
)
def test_splitting_refuses(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
