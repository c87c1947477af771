"""Second derivatives of every differentiable op: finite differences of the first ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import check_gradient
from op_cases import BINARY, CASES, PUBLIC, SMOOTH, TABLE, call, pair, points

from pynn import Tensor, _native, ops

# What is constant between jumps, or has cases that depend on no floating-point numbers.
CONSTANT = {"cast", "floor_divide", "ones_like", "stop_gradient", "zeros_like"}
CONTINUOUS = [
    (name, arguments, options)
    for name, _, arguments, options in CASES
    if name not in CONSTANT
    and np.asarray(call(name, arguments, options)).dtype.kind == "f"
    and any(np.asarray(a).dtype.kind == "f" for a in arguments)
]


def first_gradients(function: Any, *tensors: Tensor) -> Tensor:
    """The gradients of the weighted squares of a function's results, in one row."""
    recorder = _native.Recorder.current()
    assert recorder is not None
    y = function(*tensors)
    weights = np.random.default_rng(4).uniform(0.5, 1.5, y.shape)
    found = recorder.gradient((y * y * weights).sum(), tensors)
    return ops.concatenate(
        [ops.zeros_like(x).reshape(-1) if g is None else g.reshape(-1)
         for x, g in zip(tensors, found, strict=True)]
    )  # fmt: skip


def check_second(function: Any, *arrays: Any, tolerance: float = 1e-5) -> None:
    check_gradient(lambda *xs: first_gradients(function, *xs), *arrays, tolerance=tolerance)


@pytest.mark.parametrize("name", SMOOTH)
def test_unary(name: str) -> None:
    check_second(PUBLIC[name], points(name, (2, 3)))


@pytest.mark.parametrize("name", [n for n in BINARY if TABLE[n]["differentiable"]])
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 3), (3,))], ids=str)
def test_binary(name: str, shapes: Any) -> None:
    check_second(PUBLIC[name], *pair(name, *shapes))


@pytest.mark.parametrize(("name", "arguments", "options"), CONTINUOUS)
def test_other(name: str, arguments: Any, options: Any) -> None:
    moved = [i for i, a in enumerate(arguments) if np.asarray(a).dtype.kind == "f"]

    def function(*xs: Tensor) -> Tensor:
        given = list(arguments)
        for i, x in zip(moved, xs, strict=True):
            given[i] = x
        return call(name, tuple(given), options)

    check_second(function, *(arguments[i] for i in moved))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("weights", [0, 1, 2])
def test_standardize_with_weights(center: bool, weights: int) -> None:
    def function(x: Tensor, *along: Tensor) -> Tensor:
        return ops.standardize(x, -1, 0.1, center, *along)

    rng = np.random.default_rng(8)
    arrays = [rng.normal(size=4) for _ in range(weights)]
    check_gradient(function, rng.normal(size=(2, 3, 4)), *arrays)
    check_second(function, rng.normal(size=(2, 3, 4)), *arrays)


@pytest.mark.parametrize("weights", [0, 1, 2])
def test_batch_standardize(weights: int) -> None:
    def function(x: Tensor, *along: Tensor) -> Tensor:
        y, mean, variance = ops.batch_standardize(x, 0.1, *along)
        return ops.concatenate([y.reshape(-1), mean, variance])

    rng = np.random.default_rng(9)
    arrays = [rng.normal(size=(2, 3, 4)), *(rng.normal(size=4) for _ in range(weights))]
    check_gradient(function, *arrays)
    check_second(function, *arrays)
