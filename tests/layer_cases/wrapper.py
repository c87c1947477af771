from __future__ import annotations

from typing import Any

from layer_cases import Case, numbers
from pynn import layers, ops


def scaled(x: Any, factor: float = 3.0) -> Any:
    return ops.tanh(x) * factor


def _dense(weights: Any, x: Any) -> Any:
    kernel, bias = weights
    return (x @ kernel + bias).tanh()


def _batch(weights: Any, x: Any) -> Any:
    gamma, beta, moving_mean, moving_variance = weights
    mean = x.mean((0, 1))
    variance = (x - mean).square().mean((0, 1))
    for moving, batch in ((moving_mean, mean), (moving_variance, variance)):
        moving.mul_(0.99).add_(0.01 * batch.detach())
    return (x - mean) / (variance + 1e-3).sqrt() * gamma + beta


CASES = [
    Case(
        "Lambda",
        lambda **o: layers.Lambda(scaled, {"factor": 2.0}, **o),
        (numbers(4),),
        lambda weights, x: x.tanh() * 2,
    ),
    Case(
        "Lambda of a lambda",
        lambda **o: layers.Lambda(lambda x: x[:, ::2], **o),
        (numbers(4),),
        lambda weights, x: x[:, ::2],
        picklable=False,
    ),
    Case(
        "TimeDistributed",
        lambda **o: layers.TimeDistributed(layers.Dense(2, "tanh", dtype=o.get("dtype")), **o),
        (numbers(4, 3),),
        _dense,
    ),
    Case(
        "TimeDistributed BatchNormalization in training",
        lambda **o: layers.TimeDistributed(layers.BatchNormalization(dtype=o.get("dtype")), **o),
        (numbers(4, 3),),
        _batch,
        training=True,
    ),
]
