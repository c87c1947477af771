from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layer_cases import Case, numbers
from pynn import layers


def _function(name: str, *arguments: Any, **options: Any) -> Callable[..., Any]:
    """Look PyTorch's function up when it is called: it may not be installed."""

    def call(weights: Any, x: Any) -> Any:
        import torch.nn.functional as F

        return getattr(F, name)(x, *arguments, **options)

    return call


PAIRS: dict[str, tuple[Callable[..., layers.Layer], Callable[..., Any]]] = {
    "Activation": (lambda **o: layers.Activation("tanh", **o), _function("tanh")),
    "ELU": (lambda **o: layers.ELU(**o), _function("elu")),
    "ELU(0.7)": (lambda **o: layers.ELU(0.7, **o), _function("elu", 0.7)),
    "GELU": (layers.GELU, _function("gelu")),
    "GELU approximated": (
        lambda **o: layers.GELU(approximate=True, **o),
        _function("gelu", approximate="tanh"),
    ),
    # PyTorch's own hardsigmoid has a slope of 1/6 in float32 for float64 as well.
    "HardSigmoid": (layers.HardSigmoid, lambda weights, x: (x / 6 + 0.5).clamp(0, 1)),
    "HardSwish": (layers.HardSwish, _function("hardswish")),
    "HardTanh": (layers.HardTanh, _function("hardtanh")),
    "LeakyReLU": (layers.LeakyReLU, _function("leaky_relu", 0.2)),
    "LeakyReLU(0)": (lambda **o: layers.LeakyReLU(0.0, **o), _function("relu")),
    "Linear": (layers.Linear, lambda weights, x: x),
    "LogSigmoid": (layers.LogSigmoid, _function("logsigmoid")),
    "LogSoftmax": (layers.LogSoftmax, _function("log_softmax", -1)),
    "LogSoftmax along axis 1": (
        lambda **o: layers.LogSoftmax(axis=1, **o),
        _function("log_softmax", 1),
    ),
    "Mish": (layers.Mish, _function("mish")),
    "ReLU": (layers.ReLU, _function("relu")),
    "ReLU6": (layers.ReLU6, _function("relu6")),
    "SELU": (layers.SELU, _function("selu")),
    "Sigmoid": (layers.Sigmoid, _function("sigmoid")),
    "SiLU": (layers.SiLU, _function("silu")),
    "Softmax": (layers.Softmax, _function("softmax", -1)),
    "Softmax along axis 1": (lambda **o: layers.Softmax(axis=1, **o), _function("softmax", 1)),
    "Softplus": (layers.Softplus, _function("softplus", threshold=100)),
    "Softsign": (layers.Softsign, _function("softsign")),
    "Swish": (layers.Swish, _function("silu")),
    "Tanh": (layers.Tanh, _function("tanh")),
}

CASES = [
    Case(name, make, (3 * numbers(3, 5) if name != "ReLU6" else 4 * numbers(3, 5),), torch)
    for name, (make, torch) in PAIRS.items()
]
