"""Functions that are a few other ops: what the table of cases does not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import check_gradient

from pynn import Tensor, ops
from pynn._native import Recorder

A = np.random.default_rng(0).normal(size=(4, 6))


@pytest.mark.parametrize("name", ["tan", "sinh", "cosh", "asinh", "acosh", "atanh", "log2", "log10",
                                  "exp2"])  # fmt: skip
def test_numbers_at_the_edges(name: str) -> None:
    numpys = getattr(
        np, {"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"}.get(name, name)
    )
    for x in ([0.0, 1e-9, -1e-9, 0.5], [1.0, 1.5, 1 + 1e-7], [3.0, 1e4, 1e18]):
        with np.errstate(all="ignore"):
            expected = numpys(np.array(x))
        np.testing.assert_allclose(getattr(ops, name)(np.array(x)), expected, rtol=1e-11)


def test_inverses_of_the_sine_and_its_kin() -> None:
    x = np.concatenate([np.linspace(-6, 6, 601), [1e-300, 1e300, np.inf, -np.inf, np.nan]])
    np.testing.assert_allclose(ops.atan(x), np.arctan(x), rtol=1e-15)
    x = np.linspace(-1, 1, 501)
    np.testing.assert_allclose(ops.asin(x), np.arcsin(x), rtol=2e-15)
    np.testing.assert_allclose(ops.acos(x), np.arccos(x), rtol=2e-15)
    for function in (ops.atan, ops.asin, ops.acos):
        check_gradient(function, np.array([0.0, -0.0, 0.3, -0.9]))
    check_gradient(ops.atan, np.array([1e3, -2.0, 1.01, 0.99]))


def test_the_angle_of_a_point() -> None:
    limits = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, 1e308, -1e308, 1.0, -1.0]
    edges = np.array(limits)
    np.testing.assert_allclose(
        ops.atan2(edges[:, None], edges), np.arctan2(edges[:, None], edges), rtol=4e-16
    )
    angles = np.linspace(-np.pi, np.pi, 1001)[:, None]
    y, x = (f(angles) * [1e-9, 0.3, 7.0, 1e12] for f in (np.sin, np.cos))
    np.testing.assert_allclose(ops.atan2(y, x), np.arctan2(y, x), rtol=6e-16)
    single = ops.atan2(y.astype("float32"), x.astype("float32"))
    assert single.dtype == np.float32
    expected = np.arctan2(*(c.astype("float32").astype("float64") for c in (y, x)))
    np.testing.assert_allclose(single, expected, rtol=4e-7)
    y, x = np.array([0.3, 0.3, -2.0, -0.1, 1.0, 0.0, 0.0]), np.array([1, -0.2, 1, -3, 1, -1, 2.0])
    check_gradient(ops.atan2, y[:5], x[:5])
    check_gradient(lambda x: ops.atan2(np.zeros(2), x), x[5:])
    with Recorder() as recorder:
        t = recorder.input((2,), "float64")
        (slope,) = recorder.gradient(ops.atan2(t, x[5:]), [t])
        assert slope is not None
        np.testing.assert_allclose(recorder.compile([slope])(y[5:])[0], 1 / x[5:])


def test_clip_lets_the_gradient_through_at_its_bounds() -> None:
    with Recorder() as recorder:
        x = recorder.input((5,), "float64")
        (gradient,) = recorder.gradient(ops.clip(x, 0, 1), [x])
        assert gradient is not None
        executable = recorder.compile([gradient])
    np.testing.assert_array_equal(executable([-1.0, 0.0, 0.5, 1.0, 2.0])[0], [0, 1, 1, 1, 0])
    assert np.isnan(ops.clip([float("nan")], 0, 1)[0])
    assert ops.clip(np.array([1, 5], "int32"), 0, 3).dtype == "int32"


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
def test_division_with_rest(dtype: str) -> None:
    a = np.array([7, 8, 0, 250, 3], dtype)
    b = np.array([2, 3, 5, 7, 4], dtype)
    if dtype != "uint8":
        a[1], b[3] = -8, -7
    for ours, right in ((Tensor(a) // b, a // b), (a % Tensor(b), a % b)):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours.numpy(), right)
    if dtype != "float32":
        assert (Tensor(a) // 0).tolist() == (Tensor(a) % 0).tolist() == [0] * 5
    big = np.array([2**53 - 1, -(2**52)])
    np.testing.assert_array_equal(ops.floor_divide(big, 7), big // 7)
    assert [x.tolist() for x in divmod(Tensor([7]), 2)] == [[3], [1]]


@pytest.mark.parametrize(
    ("parts", "axis"), [(2, 0), (3, 1), (3, -1), ([1, 3], 0), ([0, 2, 2, 9], 1), (1, 0)]
)
def test_split_and_unstack(parts: Any, axis: int) -> None:
    for x in (A, Tensor(A), A.tolist()):
        pieces = ops.split(x, parts, axis)
        for ours, numpys in zip(pieces, np.split(A, parts, axis), strict=True):
            assert isinstance(ours, Tensor) == isinstance(x, Tensor)
            np.testing.assert_allclose(np.asarray(ours), numpys, rtol=1e-6)
        for i, row in enumerate(ops.unstack(x, axis)):
            np.testing.assert_allclose(np.asarray(row), np.take(A, i, axis), rtol=1e-6)
    check_gradient(lambda t: ops.split(t, parts, axis)[-1] * t.sum(), A)
    with pytest.raises(ValueError, match="cannot be cut into 5"):
        ops.split(A, 5, axis)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(indexing: Any) -> None:
    for vectors in (([1, 2],), ([1, 2], [3, 4, 5]), ([1, 2], [3.0, 4, 5], [6, 7])):
        expected = np.meshgrid(*vectors, indexing=indexing)
        for ours, numpys in zip(ops.meshgrid(*vectors, indexing=indexing), expected, strict=True):
            np.testing.assert_array_equal(ours, numpys)
    with pytest.raises(ValueError, match="indexing"):
        ops.meshgrid([1], indexing="ji")


def test_ranges() -> None:
    for arguments in ((5,), (2, 9), (9, 2, -3), (3, 3), (0.0, 1.0, 0.25), (1, 2, 0.5)):
        numpys = np.arange(*arguments)
        ours = ops.arange(*arguments)
        np.testing.assert_allclose(ours, numpys, rtol=1e-6)
        assert ours.dtype == ("int64" if numpys.dtype == "int64" else "float32")
    assert ops.arange(3, dtype="float64").dtype == "float64"
    with pytest.raises(ValueError, match="step"):
        ops.arange(0, 1, 0)
    np.testing.assert_allclose(ops.linspace(1, 3, 7, False), np.linspace(1, 3, 7, False), rtol=1e-6)
    np.testing.assert_array_equal(ops.eye(3, 5, -1), np.eye(3, 5, -1))
    with Recorder():
        assert all(isinstance(x, Tensor) for x in (ops.eye(2), ops.arange(3), ops.linspace(0, 1)))


def test_methods_are_functions_of_ops() -> None:
    t = Tensor(A)
    pairs: list[tuple[Tensor, Any]] = [
        (t.clip(-0.5, 0.5), A.clip(-0.5, 0.5)), (t.clip(max=0.1), A.clip(max=0.1)),
        (t.round(), A.round()), (t.round(2), A.round(2)), (t.std(0), A.std(0)),
        (t.var(axis=1, ddof=1), A.var(axis=1, ddof=1)), (t.cumsum(1), A.cumsum(1)),
        (t.cumprod(), A.cumprod()), (t.argsort(0), A.argsort(0)), (t.dot(A.T), A.dot(A.T)),
        (t.swapaxes(0, 1), A.swapaxes(0, 1)), (t.ravel(), A.ravel()),
        (t.take([3, 1]), A.take([3, 1])),
        (t.take([3, 1], axis=1), A.take([3, 1], axis=1)), (t.repeat(2), A.repeat(2)),
        (t.repeat(2, axis=0), A.repeat(2, axis=0)), ((t > 9).any(), (A > 9).any()),
        ((t > -9).all(1), (A > -9).all(1)), (t[:1].squeeze(), A[:1].squeeze()),
        (t[:, None].squeeze(1), A), (t.nonzero()[1], A.nonzero()[1]),
    ]  # fmt: skip
    for ours, numpys in pairs:
        assert isinstance(ours, Tensor)
        np.testing.assert_allclose(ours.numpy(), numpys)
    with pytest.raises(TypeError, match=r"clip\(\) takes at most 3"):
        t.clip(1, 2, 3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.einsum("ij,jk->ik", A), "2 terms for 1 operands"),
        (lambda: ops.einsum("ijk->k", A), r"does not fit shape \(4, 6\)"),
        (lambda: ops.einsum("ij->k", A), "unknown or equal letters"),
        (lambda: ops.einsum("ij,ij->i", A, A[:3]), "extent 4 and 3"),
        (lambda: ops.einsum("ii", A), "diagonal of axes of extent 4 and 6"),
        (lambda: ops.moveaxis(A, 0, 2), "out of range"),
        (lambda: ops.moveaxis(A, (0, 0), (0, 1)), "twice"),
        (lambda: ops.pad(A, 1, mode="mirror"), "mode must be"),
        (lambda: ops.pad(np.zeros((0,)), 1, mode="edge"), "no elements"),
        (lambda: ops.tile(A, -1), "numbers of times"),
        (lambda: ops.repeat(A, -1), "number of times"),
        (lambda: ops.stack([A, A[0]]), r"\(4, 6\) and \(6,\)"),
        (lambda: ops.stack([]), "at least one"),
        (lambda: ops.tril(A[0]), "matrix"),
        (lambda: ops.tensordot(A, A, ([0, 1], [0])), "not as many"),
        (lambda: ops.flip(A, 2), "out of range"),
    ],
)
def test_errors_say_what_is_wrong(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_products_of_many_axes() -> None:
    rng = np.random.default_rng(1)
    video = rng.normal(size=(2, 3, 4, 5, 6))
    w = rng.normal(size=(3, 1, 6, 2))
    np.testing.assert_allclose(Tensor(video) @ w, video @ w)
    check_gradient(lambda a, b: a @ b, video[:, :2, :2, :2], w[:2])
    eight = rng.normal(size=(1, 2, 1, 2, 1, 2, 2, 3))
    np.testing.assert_allclose(
        ops.matmul(eight, eight.swapaxes(-1, -2)), eight @ eight.swapaxes(-1, -2)
    )
    with pytest.raises(ValueError, match="at most 8 dimensions"):
        Tensor(np.zeros((1,) * 9))
