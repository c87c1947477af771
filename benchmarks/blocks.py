"""The blocks that larger networks are made of, as numbers that every peer starts from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Parameters = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Block:
    """A block that learns a fixed target: mean squared error, SGD.

    Parameters
    ----------
    kind : {"residual", "depthwise", "lstm", "attention", "bag"}
        Which block: two 3×3 convolutions without bias, each with batch normalisation, the first
        with ReLU, then the sum with the input and ReLU; two depthwise 3×3 convolutions with ReLU;
        an LSTM without bias that returns all its steps; self-attention without bias; the mean of
        the embeddings of a bag of words.
    batch : int
        Samples a step.
    shape : tuple of int
        Of one sample: (height, width, channels), (steps, features) or (words,).
    size : int
        Heads of the attention, words of the vocabulary; else not used.
    width : int
        Numbers that stand for a word of a bag.
    """

    kind: str
    batch: int
    shape: tuple[int, ...]
    size: int = 0
    width: int = 64

    LEARNING_RATE = 0.01
    EPSILON = 1e-3  # of the batch normalisation
    KERNEL = 3

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output."""
        return (self.width,) if self.kind == "bag" else self.shape

    def parameters(self) -> Parameters:
        """Kernels as Keras lays them out: (height, width, in, out), gates i, f, c, o side by side.

        A normalisation has scale, offset; attention the projections to query, key, value and out.
        """
        rng = np.random.default_rng(1)
        n = self.shape[-1]

        def drawn(*shape: int, fan: int) -> NDArray[np.float32]:
            limit = math.sqrt(3 / fan)
            return rng.uniform(-limit, limit, shape).astype(np.float32)

        k = self.KERNEL
        made: dict[str, list[list[NDArray[np.float32]]]] = {
            "residual": [
                [drawn(k, k, n, n, fan=k * k * n), np.ones(n, np.float32), drawn(n, fan=n)]
                for _ in range(2)
            ],
            "depthwise": [[drawn(k, k, n, fan=k * k)] for _ in range(2)],
            "lstm": [[drawn(n, 4 * n, fan=n), drawn(n, 4 * n, fan=n)]],
            "attention": [[drawn(n, n, fan=n) for _ in range(4)]],
            "bag": [[drawn(self.size, self.width, fan=1)]],
        }
        return [array for part in made[self.kind] for array in part]

    def data(self, steps: int) -> tuple[NDArray[np.generic], NDArray[np.float32]]:
        """Return inputs and targets for some steps."""
        rng = np.random.default_rng(2)
        rows = steps * self.batch
        y = rng.standard_normal((rows, *self.output_shape), np.float32)
        if self.kind == "bag":
            return rng.integers(0, self.size, (rows, *self.shape)), y
        return rng.standard_normal((rows, *self.shape), np.float32), y

    def training_flops(self) -> float:
        """Operations of the products of one step, without the gradient of the inputs."""
        n = self.shape[-1]
        places = self.batch * math.prod(self.shape[:-1])
        if self.kind == "residual":
            return 2.0 * places * self.KERNEL**2 * n * n * 5
        if self.kind == "lstm":
            return 2.0 * places * 4 * n * n * 5
        if self.kind == "attention":
            scores = 2 * places * self.shape[0] * n
            return 2.0 * (places * n * n * (2 * 4 - 3 + 4) + 3 * scores)
        return 0.0
