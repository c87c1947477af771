from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from layer_cases import Case, numbers
from pynn import layers


def _folded(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda weights, *inputs: functools.reduce(operation, inputs)


def _extreme(name: str) -> Callable[..., Any]:
    def call(weights: Any, *inputs: Any) -> Any:
        import torch

        return functools.reduce(getattr(torch, name), inputs)

    return call


def _concatenated(axis: int) -> Callable[..., Any]:
    def call(weights: Any, *inputs: Any) -> Any:
        import torch

        return torch.cat(inputs, axis)

    return call


def _cosine(weights: Any, a: Any, b: Any) -> Any:
    import torch.nn.functional as F

    return F.cosine_similarity(a, b, 1)[:, None]


A, B, C = (numbers(4, seed=seed) for seed in (1, 2, 3))
ROWS = numbers(2, 4, seed=4)
SUMS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "Multiply": lambda a, b: a * b,
}
CASES = [
    *[
        Case(name, getattr(layers, name), (A, B, C), _folded(operation), joined=True)
        for name, operation in SUMS.items()
    ],
    *[
        Case(
            f"{name}, broadcast",
            getattr(layers, name),
            (ROWS, numbers(2, 1)),
            _folded(operation),
            joined=True,
        )
        for name, operation in SUMS.items()
    ],
    Case("Subtract", layers.Subtract, (A, B), _folded(lambda a, b: a - b), joined=True),
    Case(
        "Average",
        layers.Average,
        (A, B, C),
        lambda weights, a, b, c: (a + b + c) / 3,
        joined=True,
    ),
    Case("Maximum", layers.Maximum, (A, B, C), _extreme("maximum"), joined=True),
    Case("Minimum", layers.Minimum, (A, B, C), _extreme("minimum"), joined=True),
    Case("Concatenate", layers.Concatenate, (A, numbers(2), C), _concatenated(-1), joined=True),
    Case(
        "Concatenate along axis 1",
        lambda **o: layers.Concatenate(axis=1, **o),
        (ROWS, numbers(3, 4)),
        _concatenated(1),
        joined=True,
    ),
    Case(
        "Dot",
        lambda **o: layers.Dot(1, **o),
        (A, B),
        lambda weights, a, b: (a * b).sum(1, keepdim=True),
        joined=True,
    ),
    Case(
        "Dot of matrices",
        lambda **o: layers.Dot((2, 1), **o),
        (ROWS, numbers(4, 3)),
        lambda weights, a, b: a @ b,
        joined=True,
    ),
    Case(
        "Dot of a matrix and a vector",
        lambda **o: layers.Dot((-2, -1), **o),
        (ROWS, numbers(2)),
        lambda weights, a, b: (a * b[:, :, None]).sum(1),
        joined=True,
    ),
    Case("Dot, cosine", lambda **o: layers.Dot(1, True, **o), (A, B), _cosine, joined=True),
]
