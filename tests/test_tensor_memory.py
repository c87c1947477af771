"""Tensors and the arrays they come from: conversion, shared memory, DLPack."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from pynn import Tensor
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


def test_jax_and_dlpack() -> None:
    jax = pytest.importorskip("jax")
    for dtype in ("float32", "int32", "uint8", "bool", "bfloat16"):
        x = jax.numpy.arange(12).reshape(3, 4).astype(dtype)
        t = Tensor(x)
        assert (t.dtype, t.tolist()) == (dtype, x.tolist())
        with pytest.raises(ValueError, match="read-only"):  # nobody may change an array of JAX
            t.copy_from(t * 2)
        back = jax.numpy.from_dlpack(Tensor(t, copy=True))
        assert back.dtype == x.dtype
        assert back.tolist() == x.tolist()
        assert jax.numpy.from_dlpack(t * 1).tolist() == x.tolist()


def test_what_does_not_say_that_it_is_writable_is_not_written() -> None:
    a = np.arange(3.0)
    Tensor(_OnlyDLPack(a, False)).copy_from([3.0, 4.0, 5.0])
    assert a.tolist() == [3.0, 4.0, 5.0]
    with pytest.raises(ValueError, match="read-only"):
        Tensor(_OnlyDLPack(a, True)).copy_from([0.0, 0.0, 0.0])


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
