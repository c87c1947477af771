from __future__ import annotations

from typing import Any

from layer_cases import Case, integers, numbers
from pynn import layers


def _normalized(weights: Any, x: Any) -> Any:
    mean, variance = weights
    return (x - mean) / variance.sqrt()


def _scaled(weights: Any, x: Any) -> Any:
    minimum, maximum = weights
    return (x - minimum) / (maximum - minimum)


def _one_hot(x: Any, depth: int) -> Any:
    import torch

    return torch.nn.functional.one_hot(x, depth)


def _encoded(mode: str) -> Any:
    return lambda **o: layers.CategoryEncoding(5, mode, **o)


CASES = [
    Case(
        "Rescaling",
        lambda **o: layers.Rescaling(0.5, 2.0, **o),
        (numbers(4),),
        lambda weights, x: x * 0.5 + 2,
    ),
    Case(
        "Rescaling of each feature",
        lambda **o: layers.Rescaling([1.0, 2.0, 3.0], [0.5, 0.0, -1.0], **o),
        (numbers(3),),
        lambda weights, x: x * x.new_tensor([1, 2, 3]) + x.new_tensor([0.5, 0, -1]),
    ),
    Case("Normalization", layers.Normalization, (numbers(2, 3),), _normalized),
    Case(
        "Normalization of all values",
        lambda **o: layers.Normalization(axis=None, **o),
        (numbers(4),),
        _normalized,
    ),
    Case(
        "Normalization, min-max",
        lambda **o: layers.Normalization(method="min-max", **o),
        (numbers(4),),
        _scaled,
    ),
    Case(
        "CategoryEncoding",
        _encoded("multi_hot"),
        (integers(5, 4),),
        lambda weights, x: _one_hot(x, 5).amax(-2),
    ),
    Case(
        "CategoryEncoding, count",
        _encoded("count"),
        (integers(5, 4),),
        lambda weights, x: _one_hot(x, 5).sum(-2),
    ),
    Case(
        "CategoryEncoding, one-hot",
        _encoded("one_hot"),
        (integers(5, 1),),
        lambda weights, x: _one_hot(x, 5).squeeze(1),
    ),
    Case(
        "CategoryEncoding of rows, one-hot",
        _encoded("one_hot"),
        (integers(5, 4),),
        lambda weights, x: _one_hot(x, 5),
    ),
    Case(
        "Discretization",
        lambda **o: layers.Discretization([-1.0, 0.5, 1.0], **o),
        (numbers(4),),
        lambda weights, x: (x[..., None] >= x.new_tensor([-1.0, 0.5, 1.0])).sum(-1),
        counts=True,
    ),
]
