"""Every op of the table against NumPy: values, dtypes, layouts, ``out=``, errors, docstrings.

A new row is tested because it is there; what a test cannot know of it stands in op_cases.py.
"""

from __future__ import annotations

import doctest
import inspect
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from op_cases import (
    BINARY,
    CASES,
    CREATION,
    NUMPY,
    POINTWISE,
    PUBLIC,
    SEVERAL,
    TABLE,
    UNARY,
    M,
    X,
    call,
    pair,
    points,
    reference,
)

import pynn
from pynn import Tensor, _native, ops


def test_every_public_function_has_a_test() -> None:
    tested = set(POINTWISE) | {case[0] for case in CASES} | CREATION | SEVERAL
    assert set(PUBLIC) == tested


# --- values


@pytest.mark.parametrize("name", UNARY)
def test_unary_values(name: str) -> None:
    function = PUBLIC[name]
    x = points(name, (7, 13))
    y = function(x)
    assert isinstance(y, np.ndarray)
    if name in NUMPY or hasattr(np, name):
        np.testing.assert_allclose(y, reference(name)(x), rtol=1e-12, atol=1e-14)
    single = function(x.astype("float32"))
    assert single.dtype == ("float32" if y.dtype == "float64" else y.dtype)
    np.testing.assert_allclose(single, y, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "shapes",
    [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 5), (3, 1)), ((), (3,)), ((0, 3), (3,)),
     ((1000, 33), (33,))],
    ids=str,
)  # fmt: skip
def test_binary_values(name: str, shapes: Any) -> None:
    a, b = pair(name, *shapes)
    b.flat[:1] = a.flat[:1]  # some elements are equal
    for x, y in ((a, b), (a.astype("float32"), b.astype("float32"))):
        result, expected = PUBLIC[name](x, y), reference(name)(x, y)
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result, expected, rtol=1e-6 if x.dtype == "float32" else 1e-13)


@pytest.mark.parametrize(("name", "numpys", "arguments", "options"), CASES)
def test_other_values(name: str, numpys: Any, arguments: Any, options: Any) -> None:
    expected = np.asarray(numpys(*arguments, **options))
    result = call(name, arguments, options)
    assert isinstance(result, np.ndarray)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-13)
    tensors = tuple(Tensor(a) if isinstance(a, np.ndarray) else a for a in arguments)
    again = call(name, tensors, options)
    assert isinstance(again, Tensor)
    np.testing.assert_array_equal(again.numpy(), result)


@pytest.mark.parametrize(
    "name",
    ["add", "subtract", "multiply", "maximum", "minimum", "equal", "less", "power", "negative",
     "sign", "sum", "max", "min", "prod"],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_whole_numbers(name: str, dtype: str) -> None:
    a = np.array([[1, 5, -3], [0, 7, 2]], dtype)
    b = np.array([[2, 5, 3], [1, 0, 4]], dtype)
    arguments = (a, b) if name in BINARY else (a,)
    result, expected = PUBLIC[name](*arguments), reference(name)(*arguments)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", ["maximum", "minimum", "max", "min", "sum", "mean", "relu", "add"])
def test_nan_is_not_lost(name: str) -> None:
    x = np.linspace(-1, 1, 300)
    x[177] = np.nan
    y = PUBLIC[name](x, np.zeros(300)) if name in BINARY else PUBLIC[name](x)
    assert np.isnan(y).any()


def test_softmax_of_large_numbers() -> None:
    x = np.array([[1000.0, 1001.0], [-1e30, 0.0]], "float32")
    np.testing.assert_allclose(ops.softmax(x), [[0.268941, 0.731059], [0, 1]], rtol=1e-5)
    np.testing.assert_allclose(ops.logsumexp(x), [1001.31326, 0], rtol=1e-6)


# --- arguments


@pytest.mark.parametrize("name", UNARY + BINARY)
def test_any_layout_and_type_is_taken(name: str) -> None:
    count = TABLE[name]["arity"]
    x = np.abs(points(name, (4, 6))) + 0.1
    layouts = [
        x[:, ::-2],
        x.T,
        np.asfortranarray(x),
        np.broadcast_to(x[0], (3, 6)),
        x.astype(">f8"),
    ]
    for view in layouts:
        expected = PUBLIC[name](*[np.ascontiguousarray(view).astype("float64")] * count)
        np.testing.assert_array_equal(PUBLIC[name](*[view] * count), expected)
        tensors = [Tensor(view)] * count
        np.testing.assert_array_equal(PUBLIC[name](*tensors).numpy(), expected)
    frozen = x.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(PUBLIC[name](*[frozen] * count), PUBLIC[name](*[x] * count))
    half = PUBLIC[name](*[x.astype("float16")] * count)
    assert half.dtype in ("float32", "bool")


@pytest.mark.parametrize("name", UNARY + BINARY)
def test_what_is_no_number_is_refused(name: str) -> None:
    count = TABLE[name]["arity"]
    for bad in (np.array([None]), np.array(["a"]), np.array([1j]), "text"):
        with pytest.raises(TypeError, match="not supported"):
            PUBLIC[name](*[bad] * count)


@pytest.mark.parametrize(
    "name", [n for n in PUBLIC if "out" in inspect.signature(PUBLIC[n]).parameters]
)
def test_out_is_filled_and_returned(name: str) -> None:
    arguments: tuple[Any, ...]
    if name in UNARY:
        arguments = (points(name, (3, 4)).astype("float32"),)
    elif name == "where":
        arguments = (X[0] > 0, X[0].copy(), X[1].copy())
    else:
        arguments = (np.ones((4, 4), "float32"), np.full((4, 4), 2, "float32"))
    expected = PUBLIC[name](*arguments)
    out = np.empty_like(expected)
    assert PUBLIC[name](*arguments, out=out) is out
    np.testing.assert_array_equal(out, expected)
    tensor = Tensor(np.empty_like(expected))
    assert PUBLIC[name](*arguments, out=tensor) is tensor
    np.testing.assert_array_equal(tensor.numpy(), expected)
    strided = np.empty((*expected.shape, 2), expected.dtype)[..., 0]
    assert PUBLIC[name](*arguments, out=strided) is strided
    np.testing.assert_array_equal(strided, expected)
    if expected.dtype == arguments[-1].dtype:  # in place
        PUBLIC[name](*arguments, out=arguments[-1])
        np.testing.assert_array_equal(arguments[-1], expected)
    frozen = np.empty_like(expected)
    frozen.flags.writeable = False
    wrong: list[tuple[Any, type[Exception]]] = [
        (np.empty((1, *expected.shape), expected.dtype), ValueError), (frozen, ValueError),
        (np.empty(expected.shape, "float16"), ValueError), ([[0.0] * 4] * 4, TypeError),
        (np.empty(expected.shape, "int64"), ValueError),
    ]  # fmt: skip
    for bad, error in wrong:
        with pytest.raises(error, match="out="):
            PUBLIC[name](*arguments, out=bad)


def test_arguments_are_checked_as_pythons() -> None:
    with pytest.raises(TypeError, match=r"relu\(\) is missing the argument 'x'"):
        ops.relu()  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"relu\(\) takes at most 2 positional arguments, got 3"):
        ops.relu(1, 2, 3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'y'"):
        ops.relu(1, y=2)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"multiple values for argument 'x'"):
        ops.relu(1, x=2)  # type: ignore[call-overload]
    assert ops.add(b=2, a=1) == 3
    with pytest.raises(ValueError, match="unknown activation 'rleu'"):
        ops.dense(M, M.T, activation="rleu")
    with pytest.raises(ValueError, match=r"\(4, 6\)"):
        ops.matmul(M, M)
    with pytest.raises(IndexError, match="3"):
        ops.take(np.zeros(3), [3])
    for shape in (-1, (2, -3)):
        with pytest.raises(ValueError, match="negative"):
            ops.zeros(shape)


def test_signatures_and_homes() -> None:
    assert str(inspect.signature(ops.leaky_relu)) == "(x, alpha=0.2, out=None)"
    assert ops.relu.__module__ == "pynn.ops"
    assert pickle.loads(pickle.dumps(ops.matmul)) is ops.matmul
    assert ops.relu is _native.ops.relu


@pytest.mark.parametrize("name", list(PUBLIC))
def test_examples_of_docstrings(name: str) -> None:
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(PUBLIC[name], name, globs={})
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_work_in_recordings_is_recorded() -> None:
    with _native.Recorder() as recorder:
        a = ops.add(np.ones(2, "float32"), 1)
        b = ops.zeros(2)
        assert isinstance(a, Tensor)
        assert isinstance(b, Tensor)
        assert a.symbolic
        with pytest.raises(TypeError, match="out= cannot be filled while recording"):
            ops.add(np.ones(2), 1, out=np.ones(2))
    np.testing.assert_array_equal(recorder.compile([a])()[0], [2, 2])


# --- creation, random numbers


def test_constants() -> None:
    assert ops.zeros(3).dtype == "float32"
    assert ops.ones((2, 0), "int64").shape == (2, 0)
    np.testing.assert_array_equal(ops.full((2, 2), 7), [[7, 7], [7, 7]])
    assert ops.full(2, 1.5, "float64").dtype == "float64"
    assert isinstance(ops.zeros(2, "bfloat16"), Tensor)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers(dtype: str) -> None:
    pynn.seed(5)
    u = ops.random_uniform((200, 500), -2, 3, dtype)
    n = ops.random_normal((200, 500), 1, 2, dtype)
    assert u.dtype == n.dtype == dtype
    assert u.min() >= -2
    assert u.max() < 3
    assert abs(u.mean() - 0.5) < 0.02
    assert abs(u.std() - 5 / np.sqrt(12)) < 0.02
    assert abs(n.mean() - 1) < 0.03
    assert abs(n.std() - 2) < 0.02
    assert abs(np.mean(np.abs(n - 1) < 2) - 0.6827) < 0.01
    assert not np.array_equal(u, ops.random_uniform((200, 500), -2, 3, dtype))
    pynn.seed(5)
    np.testing.assert_array_equal(u, ops.random_uniform((200, 500), -2, 3, dtype))
    for refused in ("int32", "bfloat16"):
        with pytest.raises(TypeError, match="float32 or float64"):
            ops.random_normal(3, dtype=refused)


# --- threads


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    x = np.random.default_rng(0).normal(size=(1027, 513)).astype("float32")
    before = _native.num_threads()
    results = []
    try:
        for count in (1, 2, 3, 8):
            _native.set_num_threads(count)
            pynn.seed(1)
            results.append(
                [ops.matmul(x, x.T), ops.sum(x), ops.sum(x, 0), ops.softmax(x), ops.gelu(x),
                 ops.random_normal((1000, 1000)), ops.mean(x, 1)]
            )  # fmt: skip
    finally:
        _native.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_large_ops_release_the_gil() -> None:
    x = np.ones((1500, 1500), "float32")
    seen = []
    inside = threading.Event()

    def count() -> None:
        while not inside.is_set():
            seen.append(1)

    thread = threading.Thread(target=count)
    thread.start()
    before = len(seen)
    ops.matmul(x, x)
    after = len(seen)
    inside.set()
    thread.join()
    assert after > before


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("layout", ["apart", "same", "shifted", "reversed", "transposed"])
def test_out_holds_the_result_whatever_it_shares_with_the_operands(layout: str, dtype: str) -> None:
    """An operand may lie in out=, in whole or in part; one of another dtype is cast first."""
    memory = np.arange(2.0, 2 + 40 * 40).reshape(40, 40).astype(dtype)
    a = memory[:30, :30]
    out = {
        "apart": np.empty((30, 30), dtype),
        "same": a,
        "shifted": memory[5:35, 3:33],
        "reversed": a[::-1, ::-1],
        "transposed": a.T,
    }[layout]
    b = np.arange(900).reshape(30, 30)[::-1].astype("uint8") % 7
    expected = [a + b, np.maximum(b, a), a @ a.T]
    kept = memory.copy()
    calls = [
        lambda: ops.add(a, b, out=out),
        lambda: ops.maximum(b, a, out=out),
        lambda: ops.matmul(a, a.T, out=out),
    ]
    for compute, value in zip(calls, expected, strict=True):
        memory[:] = kept
        assert compute() is out
        np.testing.assert_allclose(out, value, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [0, 1, 5, 64, 200])
@pytest.mark.parametrize("k", [0, 1, 33, 512])
@pytest.mark.parametrize("n", [0, 1, 17, 784])
def test_matmul_is_the_same_by_the_short_way(m: int, k: int, n: int, dtype: str) -> None:
    rng = np.random.default_rng(m + k + n)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    expected = ops.matmul(pynn.Tensor(a), pynn.Tensor(b)).numpy()
    given = a.copy(), b.copy()
    y = ops.matmul(a, b)
    assert y.dtype == dtype
    out = np.full((m, n), np.nan, dtype)
    assert ops.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(a, given[0])
    np.testing.assert_array_equal(b, given[1])


def test_matmul_out_may_be_an_operand() -> None:
    a = np.random.default_rng(1).normal(size=(9, 9))
    expected = ops.matmul(a, a)
    memory = np.vstack([a, a])
    ops.matmul(memory[:9], memory[9:], out=memory[4:13])
    np.testing.assert_array_equal(memory[4:13], expected)
    np.testing.assert_array_equal(ops.matmul(a, a, out=a), expected)


def test_matmul_out_must_fit() -> None:
    a, b = np.ones((2, 3), "float32"), np.ones((3, 4), "float32")
    read_only = np.ones((2, 4), "float32")
    read_only.flags.writeable = False
    for out in (np.ones((2, 3), "float32"), np.ones((2, 4)), read_only):
        with pytest.raises(ValueError, match="out="):
            ops.matmul(a, b, out=out)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\)"):
        ops.matmul(a, a)
    spread = np.zeros((2, 8), "float32")[:, ::2]
    np.testing.assert_array_equal(ops.matmul(a, b, out=spread), a @ b)
    np.testing.assert_array_equal(ops.matmul(a.astype("float64"), b), a @ b)
    np.testing.assert_array_equal(ops.matmul(b.T, a.T), b.T @ a.T)
