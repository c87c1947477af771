"""The gradient of every op: against finite differences in float64, and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import check_gradient, record
from op_cases import CASES, PUBLIC, SMOOTH, TORCH, X, call, pair, points

from pynn import _native, ops

# Without a gradient, or with one that is tested apart.
FLAT = {
    "argmax",
    "argmin",
    "argsort",
    "checked_indices",
    "one_hot",
    "zeros_like",
    "ones_like",
    "cast",
    "where",
}
FLAT |= {
    "stop_gradient",
    "take_along_last",
    "any",
    "all",
    "floor_divide",
    "isinf",
    "isclose",
    "allclose",
}


@pytest.mark.parametrize("name", SMOOTH)
def test_unary_gradients(name: str) -> None:
    check_gradient(PUBLIC[name], points(name, (3, 5)))


@pytest.mark.parametrize("alpha", [0.05, 0.7])
@pytest.mark.parametrize("name", ["leaky_relu", "elu"])
def test_the_parameter_counts(name: str, alpha: float) -> None:
    x = points(name, (3, 5))
    expected = np.where(x > 0, x, alpha * (np.expm1(x) if name == "elu" else x))
    np.testing.assert_allclose(PUBLIC[name](x, alpha), expected)
    check_gradient(lambda t: PUBLIC[name](t, alpha=alpha), x)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum",
                                  "minimum"])  # fmt: skip
@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 3), (3, 1))], ids=str)
def test_binary_gradients(name: str, shapes: Any) -> None:
    check_gradient(PUBLIC[name], *pair(name, *shapes))


@pytest.mark.parametrize(
    ("name", "numpys", "arguments", "options"),
    [c for c in CASES if c[0] not in FLAT],
)
def test_other_gradients(name: str, numpys: Any, arguments: Any, options: Any) -> None:
    check_gradient(lambda *tensors: call(name, tensors, options), *arguments)


def test_gradients_that_some_arguments_have_not() -> None:
    check_gradient(lambda a, b: ops.where(X > 0, a, b), X, X[0])
    check_gradient(lambda x: ops.take_along_last(x, np.argmin(X, -1)), X)
    check_gradient(lambda x: ops.cast(ops.cast(x, "float64"), "float64") * x, X)
    with _native.Recorder() as recorder:
        x = recorder.input((3,), "float64")
        (gradient,) = recorder.gradient(ops.one_hot(ops.argmax(x, 0), 3), [x])
        assert gradient is None or recorder.compile([gradient])([1.0, 2.0, 3.0])[0].sum() == 0


@pytest.mark.parametrize("name", SMOOTH)
def test_pytorch_agrees(name: str) -> None:
    torch = pytest.importorskip("torch")
    torchs, options = TORCH.get(name, (name, {}))
    function = getattr(torch, torchs, None) or getattr(torch.nn.functional, torchs, None)
    if function is None:
        pytest.skip(f"PyTorch has no {torchs}")
    x = points(name, (5, 7))
    weights = np.random.default_rng(0).normal(size=x.shape)
    inputs = torch.tensor(x, requires_grad=True)
    expected = function(inputs, **options)
    expected.backward(torch.tensor(weights))
    forward, backward = record(PUBLIC[name], x)
    np.testing.assert_allclose(forward(x)[0], expected.detach().numpy(), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(backward(x, weights)[0], inputs.grad.numpy(), rtol=1e-5, atol=1e-12)


def test_the_table_says_what_has_a_gradient() -> None:
    rows = {row["name"]: row["differentiable"] for row in _native.op_table()}
    for name in ("matmul", "sum", "take", "where", "softmax_grad", "tanh_grad", "scatter_add"):
        assert rows[name], name
    for name in ("argmax", "equal", "isnan", "logical_and", "one_hot", "random_normal"):
        assert not rows[name], name
