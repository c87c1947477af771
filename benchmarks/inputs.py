"""The numbers that kernels are run on: every peer's process makes the same ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def uniform(
    shape: tuple[int, ...] | int,
    dtype: str = "float32",
    domain: tuple[float, float] = (-1.0, 1.0),
    seed: int = 0,
) -> NDArray[Any]:
    """Return numbers from an interval; for bfloat16 in float32, as NumPy has none."""
    kept = "float32" if dtype == "bfloat16" else dtype
    return np.random.default_rng(seed).uniform(*domain, shape).astype(kept)


def factors(
    m: int, n: int, k: int, dtype: str, transposed: bool, count: int | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return A (m, k), stored as its transpose where asked for, and B (k, n), or stacks of them."""
    stack = () if count is None else (count,)
    a = uniform((*stack, k, m) if transposed else (*stack, m, k), dtype)
    return a.swapaxes(-1, -2) if transposed else a, uniform((*stack, k, n), dtype, seed=1)


def layer(batch: int, inputs: int, units: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return x (batch, inputs), a kernel (inputs, units) and a bias (units,)."""
    return uniform((batch, inputs)), uniform((inputs, units), seed=1), uniform(units, seed=2)


def integers(count: int, below: int) -> NDArray[np.int64]:
    """Return indices."""
    return np.random.default_rng(5).integers(0, below, count)


def moments(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return what can be compared of random numbers: mean, deviation, third moment."""
    return np.array([x.mean(), x.std(), (x.astype(np.float64) ** 3).mean()])
