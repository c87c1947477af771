"""Tensors: conversion, sharing of memory, operators, indexing."""

from __future__ import annotations

import copy
import pickle
import sys
import weakref
from typing import Any

import numpy as np
import pytest
from helpers import check_gradient

from pynn import Tensor, Variable, _native
from pynn._native import Recorder

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]


# --- conversion


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_shares_its_memory(dtype: str) -> None:
    a = np.arange(6).reshape(2, 3).astype(dtype)
    t = Tensor(a)
    assert (t.shape, t.dtype, t.ndim, t.size, t.nbytes) == ((2, 3), dtype, 2, 6, a.nbytes)
    assert np.shares_memory(t.numpy(), a)
    a[1, 2] = 0
    assert t[1, 2].item() == 0
    assert t.numpy().dtype == dtype


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2],
        lambda a: a[::-1, 1:],
        lambda a: a.T,
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[0], (4, 6)),
        lambda a: a[:, 2:2],
        lambda a: a[3, 5],
        lambda a: a.reshape(2, 2, 3, 2)[:, ::-1, :, 0],
    ],
)
def test_any_layout_is_taken(view: Any) -> None:
    a = view(np.arange(24.0).reshape(4, 6))
    t = Tensor(a)
    np.testing.assert_array_equal(t.numpy(), a)
    np.testing.assert_array_equal((t + 1).numpy(), a + 1)
    np.testing.assert_array_equal(t.copy().numpy(), a)


def test_memory_outlives_the_array() -> None:
    a = np.arange(1000.0)
    t = Tensor(a)[10:20]
    count = sys.getrefcount(a)
    view = t.numpy()
    del t
    assert sys.getrefcount(a) <= count
    del a
    np.testing.assert_array_equal(view, np.arange(10.0, 20.0))


@pytest.mark.parametrize(
    ("given", "held"),
    [("float16", "float32"), ("int8", "int32"), ("int16", "int32"), ("uint16", "int32"),
     ("uint32", "int64"), ("uint64", "int64"), ("longdouble", "float64"), (">f4", "float32"),
     (">i8", "int64")],
)  # fmt: skip
def test_other_number_types_are_converted(given: str, held: str) -> None:
    a = np.array([[0, 1], [2, 100]], dtype=given)
    t = Tensor(a)
    assert t.dtype == held
    np.testing.assert_array_equal(t.numpy(), a)


@pytest.mark.parametrize(
    "bad",
    [
        np.array([None]), np.array(["a"]), np.array([b"a"]), np.array([1j]), "text", b"bytes",
        object(), np.array(["2026-01-01"], dtype="datetime64[D]"), np.array([1], "timedelta64[s]"),
        np.zeros(2, dtype=[("x", "f4")]), 1j, [1.0, None], {"a": 1},
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"dtype \S.* is not supported; tensors hold float32"):
        Tensor(bad)


def test_python_numbers_and_lists() -> None:
    assert Tensor(2.0).dtype == "float32"
    assert Tensor(2).dtype == "int64"
    assert Tensor(True).dtype == "bool"
    assert Tensor([[1.0, 2.0]]).dtype == "float32"
    assert Tensor([[1, 2]]).dtype == "int64"
    assert Tensor(()).shape == (0,)
    assert Tensor([1, 2], dtype="float64").tolist() == [1.0, 2.0]
    assert Tensor(np.float64(2)).dtype == "float64"
    assert Tensor(np.ones(2)).dtype == "float64"
    assert Tensor(np.int64(2**53 + 1)).item() == 2**53 + 1
    with pytest.raises(ValueError, match="inhomogeneous"):
        Tensor([[1.0], [1.0, 2.0]])
    with pytest.raises(OverflowError):
        Tensor(300, dtype="uint8")
    with pytest.raises(ValueError, match="at most 8 dimensions"):
        Tensor(np.zeros((1,) * 9))


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32"), "f4", "<f4"])
def test_dtypes_are_given_as_in_numpy(dtype: Any) -> None:
    assert Tensor([1, 2], dtype).dtype == "float32"


@pytest.mark.parametrize("dtype", ["float16", "complex64", "O", "U3", "float31", 7, np.int8])
def test_unknown_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"tensors hold float32, float64, bfloat16"):
        Tensor([1.0], dtype)


def test_bfloat16_rounds_to_nearest_even() -> None:
    values = np.array([1.0, 1.0 + 2**-8, 1.0 + 3 * 2**-8, -3.14159, 1e30], dtype="float32")
    t = Tensor(values, "bfloat16")
    assert (t.dtype, t.nbytes) == ("bfloat16", 10)
    bits = values.view("uint32").astype("uint64")
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype("uint32").view("float32")
    np.testing.assert_array_equal(t.numpy(), rounded)
    assert t.numpy().dtype == np.float32


def test_ml_dtypes_arrays_share_memory() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    a = np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16)
    t = Tensor(a)
    a[0] = 4
    assert (t.dtype, t.tolist()) == ("bfloat16", [4.0, -2.0])


def test_array_protocol() -> None:
    a = np.arange(3.0)
    t = Tensor(a)
    assert np.shares_memory(np.asarray(t), a)
    assert not np.shares_memory(np.array(t), a)
    assert np.asarray(t, dtype="float32").dtype == np.float32
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError, match="needs a copy"):
            np.asarray(t, dtype="float32", copy=False)


# --- DLPack


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_and_dlpack(dtype: str) -> None:
    a = np.arange(12).reshape(3, 4).astype(dtype)
    t = Tensor(a[:, ::-2])
    back = np.from_dlpack(t)
    assert np.shares_memory(back, a)
    np.testing.assert_array_equal(back, a[:, ::-2])
    assert t.__dlpack_device__() == (1, 0)


class _OnlyDLPack:
    """An object that speaks DLPack and nothing else; in the version before 1.0 where asked."""

    def __init__(self, array: Any, old: bool) -> None:
        self.array, self.old = array, old

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __dlpack__(self, **arguments: Any) -> Any:
        if self.old and arguments:
            raise TypeError("unexpected argument")
        return self.array.__dlpack__(**arguments)


@pytest.mark.parametrize("old", [False, True])
def test_objects_with_dlpack_share_memory(old: bool) -> None:
    a = np.arange(12.0).reshape(3, 4)
    t = Tensor(_OnlyDLPack(a[::-1, 1:], old))
    np.testing.assert_array_equal(t.numpy(), a[::-1, 1:])
    assert np.shares_memory(t.numpy(), a)
    assert Tensor(_OnlyDLPack(a, old), "float32").dtype == "float32"
    assert Tensor(_OnlyDLPack(a.astype("float16"), old)).dtype == "float32"
    with pytest.raises(TypeError, match="complex64"):
        Tensor(_OnlyDLPack(a.astype("complex64"), old))


def test_capsules_that_nobody_takes_are_freed() -> None:
    a = np.arange(4.0)
    before = sys.getrefcount(a)
    Tensor(a).__dlpack__()
    Tensor(a).__dlpack__(max_version=(1, 0))
    np.from_dlpack(Tensor(a))
    Tensor(_OnlyDLPack(a, True))
    assert sys.getrefcount(a) == before


def test_torch_and_dlpack() -> None:
    torch = pytest.importorskip("torch")
    for dtype in (*DTYPES, "bfloat16"):
        x = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype))
        for view in (x, x.T, x[:, ::2], x[1:2].expand(3, 4), x[2, 3], x[:, :0]):
            t = Tensor(view)
            assert t.dtype == dtype
            assert t.tolist() == view.tolist()
            back = torch.from_dlpack(t)
            assert back.dtype == view.dtype
            assert torch.equal(back, view)
            assert back.data_ptr() == view.data_ptr() or view.numel() == 0
    x = torch.ones(2, dtype=torch.bfloat16)
    t = Tensor(x)
    x[0] = 3
    assert t.tolist() == [3.0, 1.0]


def test_read_only_memory_is_read_only() -> None:
    a = np.arange(3.0)
    a.flags.writeable = False
    t = Tensor(a)
    assert not t.numpy().flags.writeable
    assert not t[1:].numpy().flags.writeable
    np.testing.assert_array_equal((t * 2).numpy(), a * 2)
    with pytest.raises(ValueError, match="read-only"):
        t.copy_from([1.0, 2.0, 3.0])
    with pytest.raises(BufferError, match="read-only"):
        t.__dlpack__()
    assert not np.from_dlpack(t).flags.writeable
    with Recorder() as recorder, pytest.raises(ValueError, match="read-only"):
        recorder.assign(t, t * 2)
    writable = t.copy()
    writable.copy_from([1.0, 2.0, 3.0])
    assert writable.tolist() == [1.0, 2.0, 3.0]


# --- values


def test_copy_from_checks_and_casts() -> None:
    a = np.zeros((2, 2), "float32")
    t = Tensor(a)
    t.copy_from(np.arange(4).reshape(2, 2))
    np.testing.assert_array_equal(a, [[0, 1], [2, 3]])
    t.T.copy_from(t.copy())
    np.testing.assert_array_equal(a, [[0, 2], [1, 3]])
    with pytest.raises(ValueError, match=r"expected shape \(2, 2\), got \(2,\)"):
        t.copy_from([1.0, 2.0])


def test_numbers_of_one_element() -> None:
    t = Tensor([[2.5]])
    assert (float(t), int(t), bool(t), t.item()) == (2.5, 2, True, 2.5)
    assert range(5)[Tensor(3)] == 3
    with pytest.raises(TypeError):
        range(5)[Tensor(3.0)]
    with pytest.raises(ValueError, match="one element"):
        bool(Tensor([1.0, 2.0]))
    assert len(Tensor([1, 2])) == 2
    assert [x.item() for x in Tensor([1, 2])] == [1, 2]
    for use in (len, iter):
        with pytest.raises(TypeError, match="no length"):
            use(Tensor(1.0))


def test_copies_and_pickles() -> None:
    for dtype in (*DTYPES, "bfloat16"):
        t = Tensor([[0, 1], [1, 0]], dtype)
        others = [copy.copy(t), copy.deepcopy(t), pickle.loads(pickle.dumps(t)), t.copy()]
        others.append(Tensor(t, copy=True))
        for other in others:
            assert (other.dtype, other.tolist()) == (t.dtype, t.tolist())
    t = Tensor([1.0, 2.0])
    other = copy.deepcopy(t)
    other.copy_from([5.0, 6.0])
    assert t.tolist() == [1.0, 2.0]


def test_repr() -> None:
    assert repr(Tensor([[1.0, 2.0]])) == "Tensor([[1. 2.]], dtype=float32)"
    with Recorder() as recorder:
        x = recorder.input((3, 4))
        assert repr(x) == "Tensor(shape=(3, 4), dtype=float32, recording)"


def test_identity() -> None:
    a, b = Tensor([1.0]), Tensor([1.0])
    assert {a: 1, b: 2}[a] == 1
    assert weakref.ref(a)() is a


def test_a_value_of_a_recording_has_no_numbers() -> None:
    with Recorder() as recorder:
        x = recorder.input((2,))
        assert x.symbolic
        for ask in (float, bool, int, np.asarray, Tensor.numpy, Tensor.item, Tensor.tolist,
                    pickle.dumps):  # fmt: skip
            with pytest.raises(TypeError, match="being recorded"):
                ask(x)
        with pytest.raises(TypeError, match="being recorded"):
            x.copy_from([1.0, 2.0])
        assert [r.shape for r in x] == [(), ()]
        assert x.copy() is not None


# --- operators

VALUES = np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -2.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_operators_are_numpys(dtype: str) -> None:
    a = (VALUES * 4).astype(dtype)
    b = np.array([2, 3, 4], dtype)
    t, u = Tensor(a), Tensor(b)
    pairs = [
        (t + u, a + b), (t - u, a - b), (t * u, a * b), (t / u, a / b), (t**u, a**b), (-t, -a),
        (+t, a), (abs(t), abs(a)), (t == u, a == b), (t != u, a != b), (t < u, a < b),
        (t <= u, a <= b), (t > u, a > b), (t >= u, a >= b), (t @ u, a @ b), (t**2, a**2),
        ((t > 0) & (u > 2), (a > 0) & (b > 2)), ((t > 0) | (u > 2), (a > 0) | (b > 2)),
        ((t > 0) ^ (u > 2), (a > 0) ^ (b > 2)), (~(t > 0), ~(a > 0)),
    ]  # fmt: skip
    for ours, numpys in pairs:
        np.testing.assert_allclose(ours.numpy(), numpys, rtol=1e-6)
        expected = "float32" if numpys.dtype.kind == "f" and dtype != "float64" else numpys.dtype
        assert ours.dtype == str(expected)


def test_arrays_and_numbers_mix_in() -> None:
    a = np.array([1.0, 2.0], "float32")
    t = Tensor(a)
    for mixed in (a + t, t + a, 1 + t, t + 1, [1, 2] + t, t + np.float64(1), np.float32(1) + t):
        assert isinstance(mixed, Tensor)
        assert mixed.dtype == ("float32")
    assert (a - t).tolist() == [0.0, 0.0]
    assert (3 - t).tolist() == [2.0, 1.0]
    assert (2**t).tolist() == [2.0, 4.0]
    assert (a @ t).item() == 5.0
    assert (np.float64(3) - t).tolist() == [2.0, 1.0]
    assert (a < t).tolist() == [False, False]
    a *= 2
    a += np.asarray(t)
    assert a.tolist() == [4.0, 8.0]


def test_numbers_take_the_dtype_of_the_tensor() -> None:
    for dtype in ("float32", "float64", "bfloat16"):
        t = Tensor([1.0, 2.0], dtype)
        for x in (t + 1, t * 2.5, 1 / t, t + True, t - np.float64(0.5)):
            assert x.dtype == dtype
    assert (Tensor([1, 2], "int32") + 1).dtype == "int32"
    assert (Tensor([1, 2], "int32") + 0.5).dtype == "float32"
    assert (Tensor([1, 2]) / 2).dtype == "float32"
    assert (Tensor([True]) + 1).dtype == "int64"
    assert (Tensor([1.0]) + np.ones(1)).dtype == "float64"
    assert (Tensor([1], "uint8") + Tensor([1], "int32")).dtype == "int32"
    with pytest.raises(OverflowError, match="300 does not fit in uint8"):
        Tensor([1], "uint8") + 300


def test_operators_refuse_what_they_cannot_mix_with() -> None:
    t = Tensor([1.0])
    for other in (None, "a", object(), {}, 1j):
        with pytest.raises(TypeError):
            t + other
        with pytest.raises(TypeError):
            other * t
    assert (t == None) is False  # noqa: E711
    assert t != "a"
    assert (t in [None, t]) is True
    with pytest.raises(TypeError, match="bool tensors"):
        t & t
    with pytest.raises(ValueError, match=r"shapes \(1,\) and|cannot be broadcast|\(2,\)"):
        Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])


def test_powers_of_whole_numbers() -> None:
    assert (Tensor([2, 3]) ** 3).tolist() == [8, 27]
    with pytest.raises(ValueError, match="negative"):
        Tensor([2, 3]) ** -1
    with pytest.raises(ValueError, match="negative"):
        Tensor([2, 3]) ** Tensor([1, -2])
    assert (Tensor([2.0, 4.0]) ** -1).tolist() == [0.5, 0.25]


# --- indexing

KEYS: list[Any] = [
    0, -1, 2, slice(None), slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(5, 9),
    slice(-2, None), None, ..., (0, 1), (0, ..., 2), (..., -1), (slice(1), None, 0),
    (None, 1, None),
    (slice(None), slice(None, None, -1), 1), (1, 2, 3), (..., slice(1, 1)), (slice(None),) * 3,
    np.int64(2), (np.int32(1), slice(2)),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexing_is_numpys(key: Any) -> None:
    a = np.arange(60.0).reshape(3, 4, 5)
    t = Tensor(a)
    np.testing.assert_array_equal(t[key].numpy(), a[key])
    assert t[key].shape == a[key].shape
    assert a[key].size == 0 or np.shares_memory(t[key].numpy(), a)
    with Recorder() as recorder:
        x = recorder.input(a.shape, "float64")
        executable = recorder.compile([x[key]])
    np.testing.assert_array_equal(executable(a)[0], a[key])


def test_rows_by_an_array_of_ints() -> None:
    a = np.arange(12.0).reshape(4, 3)
    t = Tensor(a)
    for key in ([2, 0], np.array([[1, -1], [3, 3]]), Tensor([0, 3]), np.array([1], "uint8")):
        np.testing.assert_array_equal(t[key].numpy(), a[np.asarray(key)])
    with pytest.raises(IndexError):
        t[[4]]
    with pytest.raises(TypeError, match="arrays of ints, got dtype float32"):
        t[[0.5]]
    with pytest.raises(TypeError, match="arrays of ints, got dtype bool"):
        t[a[:, 0] > 1]


@pytest.mark.parametrize(
    ("key", "error"),
    [(3, IndexError), (-4, IndexError), ((0, 4), IndexError), ((0,) * 4, IndexError),
     ((..., ...), IndexError), ("a", TypeError), (1.0, TypeError), ((0, [1]), TypeError),
     (slice(None, None, 0), ValueError)],
)  # fmt: skip
def test_bad_keys(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Tensor(np.zeros((3, 4, 5)))[key]


def test_gradient_through_indexing() -> None:
    a = np.random.default_rng(0).normal(size=(4, 3))
    check_gradient(lambda x: x[1:, ::-2] * x[0, 0] + x[None, 2, :2], a)
    check_gradient(lambda x: x[np.array([0, 2, 2])] * x[0], a)


# --- methods


def test_methods_are_numpys() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    t = Tensor(a)
    pairs: list[tuple[Tensor, Any]] = [
        (t.reshape(4, 6), a.reshape(4, 6)), (t.reshape((4, -1)), a.reshape((4, -1))),
        (t.reshape(-1), a.ravel()), (t.transpose(), a.transpose()), (t.flatten(), a.ravel()),
        (t.transpose(0, 2, 1), a.transpose(0, 2, 1)), (t.T, a.T),
        (t.transpose((1, 0, 2)), a.transpose(1, 0, 2)),
        (t.transpose(-1, 0, 1), a.transpose(-1, 0, 1)), (t.astype("int32"), a.astype("int32")),
        (t.sum(), a.sum()), (t.sum(0), a.sum(0)), (t.sum((0, -1)), a.sum((0, -1))),
        (t.mean(axis=1, keepdims=True), a.mean(axis=1, keepdims=True)), (t.max(-1), a.max(-1)),
        (t.min(), a.min()), (t.prod(2), a.prod(2)), (t.argmax(), a.argmax()),
        (t.argmin(1), a.argmin(1)), (t.argmax(axis=-2), a.argmax(axis=-2)),
    ]  # fmt: skip
    for ours, numpys in pairs:
        np.testing.assert_allclose(ours.numpy(), numpys)
    for wrong in (lambda: t.reshape(5, 5), lambda: t.transpose(0, 0, 1), lambda: t.sum(3)):
        with pytest.raises(ValueError, match=r"reshape|transpose|axis|axes"):
            wrong()


# --- variables


def test_variables_own_their_memory() -> None:
    a = np.zeros(2, "float32")
    v = Variable(a, name="w", trainable=False)
    assert isinstance(v, Tensor)
    assert (v.name, v.trainable, v.dtype) == ("w", False, "float32")
    assert v.assign([1, 2]) is v
    v.assign_add([1, 1]).assign_sub(0.5)
    assert v.tolist() == [1.5, 2.5]
    assert a.tolist() == [0, 0]
    assert repr(v) == "Variable([1.5 2.5], dtype=float32, name='w')"
    with pytest.raises(ValueError, match=r"expected shape \(2,\), got \(3,\)"):
        v.assign([1, 2, 3])
    for other in (copy.copy(v), copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert isinstance(other, Variable)
        assert (other.name, other.trainable, other.tolist()) == ("w", False, v.tolist())
        other.assign([0, 0])
    assert v.tolist() == [1.5, 2.5]
    assert copy.deepcopy([v, v])[0] is not v
    pair = copy.deepcopy([v, v])
    assert pair[0] is pair[1]


def test_a_recorded_assignment_is_stored_at_every_replay() -> None:
    v = Variable([1.0, 2.0])
    with Recorder() as recorder:
        v.assign_add(v * 2)
        after = v + 0
        step = recorder.compile([after])
    assert v.tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(step()[0], [3.0, 6.0])
    np.testing.assert_array_equal(step()[0], [9.0, 18.0])
    assert v.tolist() == [9.0, 18.0]
    with Recorder(), pytest.raises(ValueError, match="shape"):
        v.assign([1.0])


def test_out_of_memory_is_a_memory_error() -> None:
    for shape in ((1 << 40, 1 << 40), (1 << 47,)):
        with pytest.raises(MemoryError):
            _native.ops.zeros(shape)
