"""The networks that are trained and called, as plain numbers that every peer starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mlp:
    """A multilayer perceptron and how it is trained.

    Parameters
    ----------
    widths : tuple of int
        Features in, units of each layer.
    activation, last : str
        Of the hidden layers and of the last layer.
    loss : {"cross_entropy", "mse"}
        The first for class numbers and a last layer ``"softmax"``.
    optimizer : {"adam", "sgd"}
        Adam with β₁ 0.9, β₂ 0.999, ε 1e-7; SGD without momentum.
    learning_rate : float
    """

    widths: tuple[int, ...]
    activation: str = "relu"
    last: str = "softmax"
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    learning_rate: float = 1e-3

    BETA_1 = 0.9
    BETA_2 = 0.999
    EPSILON = 1e-7

    @property
    def activations(self) -> list[str]:
        """One for each layer."""
        return [self.activation] * (len(self.widths) - 2) + [self.last]

    def weights(self) -> list[NDArray[np.float32]]:
        """Kernel and bias of each layer: Glorot's uniform distribution, and small biases."""
        rng = np.random.default_rng(1)
        made = []
        for fan_in, fan_out in zip(self.widths, self.widths[1:], strict=False):
            limit = (6 / (fan_in + fan_out)) ** 0.5
            made.append(rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
            made.append(rng.uniform(-0.1, 0.1, fan_out).astype(np.float32))
        return made

    def layers(self, parameters: list[Any]) -> list[tuple[Any, Any, str]]:
        """Pair kernels and biases, in whatever form, with the activations."""
        return list(zip(parameters[::2], parameters[1::2], self.activations, strict=True))

    def training_flops(self, rows: int) -> float:
        """Operations of all products of one epoch: forward, weight and input gradients."""
        products = [a * b for a, b in zip(self.widths, self.widths[1:], strict=False)]
        return 2.0 * rows * (3 * sum(products) - products[0])


@dataclass(frozen=True)
class Data:
    """Rows to train on and rows to test with."""

    x: NDArray[np.float32]
    y: NDArray[Any]
    x_test: NDArray[np.float32]
    y_test: NDArray[Any]


XOR = Data(
    np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32),
    np.array([[0], [1], [1], [0]], np.float32),
    np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32),
    np.array([[0], [1], [1], [0]], np.float32),
)
