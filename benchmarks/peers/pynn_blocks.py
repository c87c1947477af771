"""The blocks in pynn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.blocks import Block
from pynn import Input, Network, layers, optimizers


def build(block: Block) -> Network:
    """Return a network of the block with its first weights."""
    n = block.shape[-1]
    x = Input(block.shape)
    same: dict[str, Any] = {"padding": "same", "use_bias": False}
    if block.kind == "residual":
        y = x
        for activation in ("relu", "linear"):
            y = layers.Conv2D(n, block.KERNEL, **same)(y)
            y = layers.BatchNormalization(epsilon=block.EPSILON)(y)
            y = layers.ReLU()(y) if activation == "relu" else y
        y = layers.ReLU()(layers.Add()([y, x]))
    elif block.kind == "depthwise":
        y = x
        for _ in range(2):
            y = layers.DepthwiseConv2D(block.KERNEL, activation="relu", **same)(y)
    elif block.kind == "lstm":
        y = layers.LSTM(n, use_bias=False, return_sequences=True)(x)
    elif block.kind == "attention":
        width = n // block.size
        y = layers.MultiHeadAttention(block.size, width, use_bias=False)(x, x)
    else:
        y = layers.GlobalAvgPool1D()(layers.Embedding(block.size, block.width)(x))
    net = Network(inputs=x, outputs=y)
    for weight, value in zip(net.parameters, block.parameters(), strict=True):
        weight.assign(value.reshape(weight.shape))
    return net


class BlockTrainer:
    """A network that is given its rows as NumPy arrays at each fit."""

    def __init__(self, block: Block, steps: int) -> None:
        self.batch = block.batch
        self.x, self.y = block.data(steps)
        self.net = build(block)
        self.net.use("mse", optimizers.SGD(block.LEARNING_RATE))

    def fit(self) -> None:
        """Go through the batches once."""
        self.net.fit(self.x, self.y, batch_size=self.batch, shuffle=False, verbose=0)

    def predict(self) -> NDArray[Any]:
        """Return the outputs for the first batch, as training computes them."""
        return np.asarray(self.net(self.x[: self.batch], training=True))
