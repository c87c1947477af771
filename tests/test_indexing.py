"""Keys as NumPy's: reading, storing, gradients, errors; and what picks or sorts elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import check_gradient

import pynn
from pynn import Tensor, Variable, ops
from pynn._native import Recorder

A = np.random.default_rng(0).normal(size=(3, 4, 5))
I3, I4, I5 = np.array([2, 0, -3, 0]), np.array([1, -4, 3, 1]), np.array([4, 0, 0, -1])

VIEWS: list[Any] = [
    0, -1, 2, slice(None), slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(5, 9),
    slice(-2, None), None, ..., (), (0, 1), (0, ..., 2), (..., -1), (slice(1), None, 0),
    (None, 1, None),
    (slice(None), slice(None, None, -1), 1), (1, 2, 3), (..., slice(1, 1)), (slice(None),) * 3,
    np.int64(2), (np.int32(1), slice(2)),
]  # fmt: skip
ARRAYS: list[Any] = [
    I3, [2, 0], [], [[0, 1], [-1, 2]], I3.astype("uint8") % 3, (I3, I4), (I3, I4, I5),
    (I3[:, None], I4),
    (slice(None), I4), (..., I5), (slice(1), I4, slice(None, None, -2)), (slice(None), I4, I5),
    (I3, slice(None), I5), (I3, None, I4), (0, I4), (0, slice(None), I5), (slice(None), I4, 0),
    (slice(None), 0, I5), (I3, slice(1, 3), 0), (None, I3, ..., None), (I3, ..., I5), (0, ..., I5),
    (I3[:0], I4[:0]), (np.array(1), slice(None), np.array(2)),
    A[..., 0] > 0, A > 0.3, (slice(None), A[0, :, 0] > 0), (A[:, 0, 0] > 9, 1),
    (slice(1, 3), [True, False, True, True], I5[:3]),
]  # fmt: skip


def given(key: Any, convert: Any) -> Any:
    """Return the key with its arrays as tensors."""
    if isinstance(key, tuple):
        return tuple(given(k, convert) for k in key)
    return convert(key) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("key", VIEWS, ids=repr)
def test_basic_keys_give_views(key: Any) -> None:
    a = A.copy()
    t = Tensor(a)
    np.testing.assert_array_equal(t[key].numpy(), a[key])
    assert t[key].shape == a[key].shape
    assert a[key].size == 0 or np.shares_memory(t[key].numpy(), a)


@pytest.mark.parametrize("key", VIEWS + ARRAYS, ids=repr)
def test_reading_and_storing_is_numpys(key: Any) -> None:
    expected = A[key]
    values = np.random.default_rng(1).normal(size=expected.shape)
    stored = A.copy()
    stored[key] = values
    added = A.copy()
    np.add.at(added, key, values)
    for k in (key, given(key, Tensor)):
        variable = Variable(A)
        np.testing.assert_array_equal(variable[k].numpy(), expected)
        variable[k] = values
        np.testing.assert_array_equal(variable.numpy(), stored)
        variable[k] = 7
        assert (variable[k].numpy() == 7).all()
        np.testing.assert_array_equal(ops.index_put(A, k, values), stored)
        np.testing.assert_allclose(ops.index_add(A, k, values), added)
    variable = Variable(A)
    with Recorder() as recorder:
        x = recorder.input(A.shape, "float64")
        v = recorder.input(values.shape, "float64")
        variable[key] = v
        results = [x[key], ops.index_put(x, key, v), ops.index_add(x, key, v), variable + 0]
        executable = recorder.compile(results)
    for result, right in zip(executable(A, values), (expected, stored, added, stored), strict=True):
        assert result.shape == right.shape
        np.testing.assert_allclose(result, right)
    np.testing.assert_array_equal(variable.numpy(), stored)


@pytest.mark.parametrize("key", VIEWS + ARRAYS, ids=repr)
def test_gradients_through_keys(key: Any) -> None:
    def last_of_equals(x: Tensor, v: Tensor) -> Tensor:
        return ops.index_put(x, key, v) * x

    check_gradient(lambda x: x[key] * 2.0, A)
    values = A[key] + 0.5
    check_gradient(lambda x, v: ops.index_add(x, key, v * v), A, values)
    unique = np.zeros(A.shape)
    np.add.at(unique, key, 1)
    if unique.max(initial=0) <= 1:  # of equal indices only the last one counts
        check_gradient(last_of_equals, A, values)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "int64", "uint8", "bool"])
def test_keys_work_for_every_dtype(dtype: str) -> None:
    a = np.arange(12).reshape(4, 3)
    t = Tensor(a, dtype)
    order = [3, 0, 0]
    assert t[order].dtype == t[1:].dtype == ops.index_put(t, order, 1).dtype == dtype
    np.testing.assert_array_equal(t[order].numpy(), Tensor(a[order], dtype).numpy())
    v = Variable(a, dtype)
    v[1:, ::2] = [1, 0]
    v[[0, 3], 1] = 1
    b = a.copy()
    b[1:, ::2] = [1, 0]
    b[[0, 3], 1] = 1
    np.testing.assert_array_equal(v.numpy(), Tensor(b, dtype).numpy())
    assert ops.index_add(t, order, 1).dtype == dtype


def test_storing_what_overlaps() -> None:
    v, a = Variable(np.arange(6.0)), np.arange(6.0)
    v[1:] = v[:-1]
    a[1:] = a[:-1]
    np.testing.assert_array_equal(v.numpy(), a)
    v[::-1] = v
    np.testing.assert_array_equal(v.numpy(), a[::-1])
    with pytest.raises(ValueError, match="broadcast"):
        v[1:3] = [1.0, 2.0, 3.0]
    with pytest.raises(TypeError, match="item assignment"):
        Tensor([1.0])[0] = 2.0  # type: ignore[index]


def test_indices_that_are_recorded() -> None:
    with Recorder() as recorder:
        x = recorder.input(A.shape, "float64")
        i, j = recorder.input((), "int64"), recorder.input((2,), "int32")
        executable = recorder.compile([x[i], x[:, i, j], x[j, 1:, i]])
        mask = x > 0
        with pytest.raises(TypeError, match="mask picks is not known while it is being recorded"):
            x[mask]
    for result, right in zip(
        executable(A, 2, [1, -1]), (A[2], A[:, 2, [1, -1]], A[[1, -1], 1:, 2]), strict=True
    ):
        np.testing.assert_array_equal(result, right)
    with pytest.raises(IndexError, match="index 4 is out of range"):
        executable(A, 0, [4, 0])


@pytest.mark.parametrize(
    ("key", "error"),
    [(3, IndexError), (-4, IndexError), ((0, 4), IndexError), ((0,) * 4, IndexError),
     ((..., ...), IndexError), ("a", TypeError), (1.0, TypeError), (True, TypeError),
     (slice(None, None, 0), ValueError), ([3], IndexError), ([0.5], TypeError),
     ((0, [4]), IndexError), ((I3, I4[:3]), ValueError), (A[0] > 0, IndexError),
     (([0], [4]), IndexError), ((A > 0, 0), IndexError), (np.array(True), TypeError)],
    ids=repr,
)  # fmt: skip
def test_bad_keys(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Tensor(A)[key]
    v = Variable(A)
    with pytest.raises(error):
        v[key] = 0
    np.testing.assert_array_equal(v.numpy(), A)


# --- in place


def test_operators_in_place_change_variables() -> None:
    v = same = Variable([1.0, 2.0, 4.0])
    v += 1
    v *= [2, 2, 2]
    v -= np.ones(3)
    v /= 3
    v **= 2
    assert v is same
    np.testing.assert_allclose(v.numpy(), [1.0, 25 / 9, 9.0], rtol=1e-6)
    t = same_tensor = Tensor([1.0])
    t += 1
    assert (t.tolist(), same_tensor.tolist()) == ([2.0], [1.0])


# --- picking and sorting


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(7,), (3, 50), (2, 0), (0, 3), (2, 3, 4), (2, 700)], ids=str)
def test_sorting_is_numpys_and_stable(dtype: str, shape: tuple[int, ...]) -> None:
    a = np.random.default_rng(2).integers(0, 6, shape).astype(dtype)
    for axis in range(-1, len(shape)):
        np.testing.assert_array_equal(ops.sort(a, axis), np.sort(a, axis))
        order = np.argsort(a, axis, kind="stable")
        np.testing.assert_array_equal(ops.argsort(a, axis), order)
        down = np.argsort(-a.astype("int64"), axis, kind="stable")
        np.testing.assert_array_equal(ops.argsort(a, axis, descending=True), down)
        k = min(2, shape[axis])
        values, indices = ops.topk(a, k, axis)
        picked = np.take(down, range(k), axis)
        np.testing.assert_array_equal(indices, picked)
        np.testing.assert_array_equal(values, np.take_along_axis(a, picked, axis))
        assert values.dtype == a.dtype


def test_topk() -> None:
    x = np.random.default_rng(3).normal(size=(4, 30))
    values, indices = ops.topk(Tensor(x), 3)
    assert isinstance(values, Tensor)
    np.testing.assert_array_equal(indices.numpy(), np.argsort(-x, -1)[:, :3])
    check_gradient(lambda t: ops.topk(t, 3)[0] ** 2, x[:2])
    assert [v.shape for v in ops.topk(x, 0, 0)] == [(0, 30)] * 2
    for k in (31, -1):
        with pytest.raises(ValueError, match="topk"):
            ops.topk(x, k)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_long_rows_are_sorted(dtype: str) -> None:
    rng = np.random.default_rng(4)
    if dtype == "int64":
        x = rng.integers(-(2**62), 2**62, (3, 1000))
        x[0, :3] = np.iinfo("int64").min, np.iinfo("int64").max, -1
    else:
        x = (rng.normal(size=(3, 1000)) * 10.0 ** rng.integers(-30, 30, (3, 1000))).astype(dtype)
        x[0, :6] = np.nan, -np.inf, np.inf, 0.0, -0.0, -np.nan
    np.testing.assert_array_equal(ops.sort(x), np.sort(x))
    np.testing.assert_array_equal(ops.argsort(x), np.argsort(x, kind="stable"))
    down = ops.argsort(x, descending=True)
    np.testing.assert_array_equal(np.take_along_axis(x, down, 1), np.sort(x)[:, ::-1])
    np.testing.assert_array_equal(ops.topk(x, 9)[1], down[:, :9])
    np.testing.assert_array_equal(ops.topk(x, 400)[1], down[:, :400])


def test_nan_is_last() -> None:
    x = np.array([2.0, np.nan, -np.inf, np.inf, 1.0, np.nan])
    np.testing.assert_array_equal(ops.sort(x), np.sort(x))
    np.testing.assert_array_equal(ops.argsort(x), np.argsort(x, kind="stable"))
    assert np.isnan(ops.topk(x, 2)[0]).all()


def test_nonzero() -> None:
    for a in (A > 0, A * (A > 0), np.zeros((2, 3)), np.array([], bool)):
        for ours, numpys in zip(ops.nonzero(a), np.nonzero(a), strict=True):
            np.testing.assert_array_equal(ours, numpys)
    with Recorder() as recorder, pytest.raises(TypeError, match="being recorded"):
        ops.nonzero(recorder.input((3,)))


def test_indices_along_an_axis_must_fit() -> None:
    with pytest.raises(IndexError, match="index 5 is out of range"):
        ops.take_along_axis(A, np.full((3, 4, 1), 5))
    with pytest.raises(ValueError, match="as many axes"):
        ops.take_along_axis(A, [0, 1])
    with pytest.raises(ValueError, match="broadcast"):
        ops.take_along_axis(A, np.zeros((2, 4, 1), int))
    with pytest.raises(TypeError, match="float32"):
        ops.take_along_axis(A, np.zeros((3, 4, 1), "float32"))


def test_cumulative_products_with_zeros_have_gradients() -> None:
    x = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.0], [1.0, 2.0, -1.0]])
    for axis in (None, 0, 1):
        check_gradient(lambda t, axis=axis: ops.cumprod(t, axis), x)
    for dtype, result in (("int32", "int64"), ("bool", "int64"), ("float32", "float32")):
        assert ops.cumsum(np.ones(3, dtype)).dtype == result
    for shape in ((0,), (3, 0), (0, 3)):
        assert ops.cumsum(np.ones(shape), -1).shape == ops.cumprod(np.ones(shape), 0).shape == shape


KEYS = [
    [2, 0],
    ([3, 0], slice(1, 3)),
    (slice(1, 4), [0, 2, 2]),
    ([0, 1], slice(None), [1, 2]),
    (slice(None), 1, [0, 1]),
    slice(1, 3),
    (..., 0),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bfloat16"])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_what_is_stored_or_added_is_numpys(key: Any, dtype: str) -> None:
    numpy_dtype = "float32" if dtype == "bfloat16" else dtype
    x = np.arange(4 * 3 * 5).reshape(4, 3, 5).astype(numpy_dtype)
    value = (np.arange(x[key].size) % 7).reshape(x[key].shape).astype(numpy_dtype)
    v, w = Variable(x, dtype=dtype), Variable(x, dtype=dtype)
    read = v.copy()
    expected_add, expected = x.copy(), x.copy()
    expected[key] = value
    np.add.at(expected_add, key, value)
    v[key] = value
    assert w.scatter_add(key, value) is w
    np.testing.assert_array_equal(v.astype(numpy_dtype), expected)
    np.testing.assert_array_equal(w.astype(numpy_dtype), expected_add)
    np.testing.assert_array_equal(read.astype(numpy_dtype), x)

    @pynn.function
    def recorded(value: Any) -> Any:
        return r.scatter_add(key, value) * 1

    r = Variable(x, dtype=dtype)
    recorded(value)
    np.testing.assert_array_equal(r.astype(numpy_dtype), expected_add)


def test_a_store_that_fails_changes_nothing_and_reads_before_it_writes() -> None:
    v = Variable(np.arange(6.0))
    for call in (lambda: v.scatter_add([0, 6], 1.0), lambda: v.__setitem__([0, -7], 1.0)):
        with pytest.raises(IndexError, match="out of range"):
            call()
    assert v.tolist() == [0, 1, 2, 3, 4, 5]
    v[[1, 2, 3]] = v[0:3]
    assert v.tolist() == [0, 0, 1, 2, 4, 5]
    v[[0, 2]] += 10.0
    v.scatter_add(slice(1, None), v[:-1])
    assert v.tolist() == [10, 10, 11, 13, 6, 9]


def test_a_tape_keeps_what_a_store_overwrites() -> None:
    v = Variable([1.0, 2.0, 3.0])
    with pynn.GradientTape() as tape:
        y = ops.sum(v * v)
    v[[0, 2]] = 7.0
    assert tape.gradient(y, v).tolist() == [2.0, 4.0, 6.0]
