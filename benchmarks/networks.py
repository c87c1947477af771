"""The networks that are trained and called, as plain numbers that every peer starts from.

A network is defined once, as a row of numbers and names; each peer makes its own version of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Parameters = list[NDArray[np.float32]]


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
    optimizer : {"adam", "sgd", "nesterov", "rmsprop", "adadelta"}
        Adam with β₁ 0.9, β₂ 0.999, ε 1e-7; SGD without momentum, or with Nesterov's, μ 0.9; RMSprop
        with ρ 0.9, ε 1e-7; Adadelta with ρ 0.9, ε 1e-6, which pynn does not have: there it is a
        user's own, written in tensor operations.
    learning_rate : float
    dropout : float
        Rate after each hidden activation. Results are compared without it: masks differ.
    precision : {"float32", "mixed_bfloat16"}
        The second: bfloat16 products, float32 weights.
    """

    widths: tuple[int, ...]
    activation: str = "relu"
    last: str = "softmax"
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    dropout: float = 0.0
    precision: str = "float32"

    BETA_1: ClassVar[float] = 0.9
    BETA_2: ClassVar[float] = 0.999
    EPSILON: ClassVar[float] = 1e-7
    MOMENTUM: ClassVar[float] = 0.9
    RHO: ClassVar[float] = 0.9
    ADADELTA_EPSILON: ClassVar[float] = 1e-6

    @property
    def features(self) -> int:
        """Numbers in one row of the data."""
        return self.widths[0]

    @property
    def activations(self) -> list[str]:
        """One for each layer."""
        return [self.activation] * (len(self.widths) - 2) + [self.last]

    @property
    def needs(self) -> set[str]:
        """What not every library has."""
        names = {self.activation, self.last, self.loss, self.optimizer, self.precision}
        return names | ({"dropout"} if self.dropout else set())

    def weights(self) -> Parameters:
        """Kernel and bias of each layer: Glorot's uniform distribution, and small biases."""
        return self._dense(np.random.default_rng(1))

    def layers(self, parameters: list[Any]) -> list[tuple[Any, Any, str]]:
        """Pair kernels and biases, in whatever form, with the activations."""
        return list(zip(parameters[::2], parameters[1::2], self.activations, strict=True))

    def training_flops(self, rows: int) -> float:
        """Operations of all products of one epoch: forward, weight and input gradients."""
        products = [a * b for a, b in zip(self.widths, self.widths[1:], strict=False)]
        return 2.0 * rows * (3 * sum(products) - products[0])

    def _dense(self, rng: np.random.Generator) -> Parameters:
        made: Parameters = []
        for fan_in, fan_out in zip(self.widths, self.widths[1:], strict=False):
            made += _drawn(rng, (fan_in, fan_out), fan_in, fan_out)
        return made


@dataclass(frozen=True)
class Cnn(Mlp):
    """3×3 convolutions without padding, each with activation and 2×2 max pooling; then an `Mlp`.

    Parameters
    ----------
    widths : tuple of int
        Those of the dense layers; the first is what the last pooling leaves.
    image : (height, width, channels)
        A row of the data is such an image.
    filters : tuple of int
        Of each convolution.
    """

    image: tuple[int, int, int] = (28, 28, 1)
    filters: tuple[int, ...] = (32, 64)

    @property
    def features(self) -> int:
        return math.prod(self.image)

    @property
    def activations(self) -> list[str]:
        return [self.activation] * len(self.filters) + super().activations

    @property
    def needs(self) -> set[str]:
        return super().needs | {"convolution"}

    def weights(self) -> Parameters:
        """Kernels of convolutions are (height, width, channels in, channels out)."""
        rng = np.random.default_rng(1)
        made: Parameters = []
        channels = self.image[-1]
        for filters in self.filters:
            made += _drawn(rng, (3, 3, channels, filters), 9 * channels, 9 * filters)
            channels = filters
        return made + self._dense(rng)


def _drawn(
    rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> Parameters:
    limit = (6 / (fan_in + fan_out)) ** 0.5
    kernel = rng.uniform(-limit, limit, shape).astype(np.float32)
    return [kernel, rng.uniform(-0.1, 0.1, shape[-1]).astype(np.float32)]


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
