"""Tensors: values, operators, methods, variables."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

from pynn import Tensor, Variable, _native
from pynn._native import Recorder

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]


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
