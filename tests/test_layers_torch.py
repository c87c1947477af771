"""The same outputs and gradients as PyTorch's layers, in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pynn import layers
from pynn.layers import Layer

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
nn = torch.nn
F = nn.functional

PAIRS: dict[str, tuple[Layer, Callable[[Any], Any]]] = {
    "ELU": (layers.ELU(0.7), nn.ELU(0.7)),
    "GELU": (layers.GELU(), nn.GELU()),
    "GELU approximated": (layers.GELU(approximate=True), nn.GELU(approximate="tanh")),
    "HardSigmoid": (layers.HardSigmoid(), nn.Hardsigmoid()),
    "HardSwish": (layers.HardSwish(), nn.Hardswish()),
    "HardTanh": (layers.HardTanh(), nn.Hardtanh()),
    "LeakyReLU": (layers.LeakyReLU(0.1), nn.LeakyReLU(0.1)),
    "LogSigmoid": (layers.LogSigmoid(), nn.LogSigmoid()),
    "LogSoftmax": (layers.LogSoftmax(), nn.LogSoftmax(-1)),
    "Mish": (layers.Mish(), nn.Mish()),
    "ReLU": (layers.ReLU(), nn.ReLU()),
    "ReLU6": (layers.ReLU6(), nn.ReLU6()),
    "SELU": (layers.SELU(), nn.SELU()),
    "Sigmoid": (layers.Sigmoid(), nn.Sigmoid()),
    "SiLU": (layers.SiLU(), nn.SiLU()),
    "Softmax": (layers.Softmax(), nn.Softmax(-1)),
    "Softmax along axis 1": (layers.Softmax(axis=1), nn.Softmax(1)),
    "Softplus": (layers.Softplus(), nn.Softplus(threshold=100)),
    "Softsign": (layers.Softsign(), nn.Softsign()),
    "Tanh": (layers.Tanh(), nn.Tanh()),
    "Flatten": (layers.Flatten(), nn.Flatten()),
}


def compare(ours: Layer, theirs: Callable[[Any], Any], x: np.ndarray) -> None:
    grad = np.random.default_rng(1).normal(size=ours(x).shape).astype("float32")
    tensor = torch.tensor(x, requires_grad=True)
    expected = theirs(tensor)
    expected.backward(torch.tensor(grad))
    np.testing.assert_allclose(ours.forward(x), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.backward(grad), tensor.grad.numpy(), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_activations(name: str) -> None:
    x = np.random.default_rng(0).uniform(-5, 5, (9, 7, 13)).astype("float32")
    compare(*PAIRS[name], x)


@pytest.mark.parametrize(("activation", "function"), [("relu", F.relu), ("tanh", torch.tanh)])
@pytest.mark.parametrize(("rows", "inputs", "units"), [(1, 1, 1), (5, 3, 2), (33, 70, 129)])
def test_dense(activation: str, function: Any, rows: int, inputs: int, units: int) -> None:
    ours = layers.Dense(units, activation, bias_initializer="normal", input_shape=(inputs,))
    x = np.random.default_rng(0).normal(size=(rows, inputs)).astype("float32")
    ours(x)
    kernel, bias = ours.get_weights()
    linear = nn.Linear(inputs, units)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(kernel.T))
        linear.bias.copy_(torch.tensor(bias))
    compare(ours, lambda x: function(linear(x)), x)
    d_kernel, d_bias = ours.gradients
    np.testing.assert_allclose(d_kernel, linear.weight.grad.numpy().T, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(d_bias, linear.bias.grad.numpy(), rtol=1e-5, atol=2e-5)
