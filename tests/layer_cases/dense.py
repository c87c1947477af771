from __future__ import annotations

from typing import Any

from layer_cases import Case, numbers
from pynn.layers import ELU, Dense


def _torch(activation: str = "") -> Any:
    def call(weights: Any, x: Any) -> Any:
        import torch

        kernel, *bias = weights
        y = x @ kernel + bias[0] if bias else x @ kernel
        if activation == "elu":
            return torch.nn.functional.elu(y, 0.5)
        return getattr(torch, activation)(y) if activation else y

    return call


CASES = [
    Case("Dense", lambda **o: Dense(3, "tanh", **o), (numbers(4),), _torch("tanh")),
    Case("Dense, linear", lambda **o: Dense(2, **o), (numbers(5),), _torch()),
    Case("Dense, relu", lambda **o: Dense(7, "relu", **o), (numbers(5),), _torch("relu")),
    Case("Dense, wide", lambda **o: Dense(40, "relu", **o), (numbers(33),), _torch("relu")),
    Case("Dense without bias", lambda **o: Dense(3, use_bias=False, **o), (numbers(4),), _torch()),
    Case("Dense on rows", lambda **o: Dense(3, "relu", **o), (numbers(2, 4),), _torch("relu")),
    Case(
        "Dense with a layer as activation",
        lambda **o: Dense(3, ELU(0.5), **o),
        (numbers(4),),
        _torch("elu"),
    ),
    Case(
        "Dense with a function as activation",
        lambda **o: Dense(3, lambda x: x * x, **o),
        (numbers(4),),
        _torch("square"),
        picklable=False,
    ),
    Case("Dense of one feature", lambda **o: Dense(1, **o), (numbers(1),), _torch()),
]
