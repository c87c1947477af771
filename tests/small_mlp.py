"""A small network and its data, which the tests of training share."""

from __future__ import annotations

from typing import Any

import numpy as np

import pynn
from pynn import Network
from pynn.layers import Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
Y = RNG.normal(size=(50, 2))
LABELS = RNG.integers(0, 4, 50)


def mlp(outputs: int = 2, dtype: str = "float64", **dense: Any) -> Network:
    pynn.seed(4)
    return Network([Dense(5, "tanh", input_shape=(3,), **dense), Dense(outputs)], dtype=dtype)


def assert_same_weights(net: Network, weights: list[np.ndarray], rtol: float = 1e-9) -> None:
    for a, b in zip(net.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


def same_bits(a: Network, b: Network) -> bool:
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)
