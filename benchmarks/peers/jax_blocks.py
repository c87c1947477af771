"""The blocks in JAX."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks.blocks import Block

_ORDER = ("NHWC", "HWIO", "NHWC")


def forward(weights: list[Any], x: Any, block: Block) -> Any:
    """Return a block's outputs, as in training."""
    return _BLOCKS[block.kind](weights, x, block)


def _convolution(x: Any, kernel: Any, groups: int = 1) -> Any:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=_ORDER, feature_group_count=groups
    )


def _normalised(x: Any, scale: Any, offset: Any, epsilon: float) -> Any:
    axes = (0, 1, 2)
    mean = x.mean(axes)
    variance = jnp.square(x - mean).mean(axes)
    return (x - mean) * (jax.lax.rsqrt(variance + np.float32(epsilon)) * scale) + offset


def _residual(weights: list[Any], x: Any, block: Block) -> Any:
    kernel, scale, offset = weights[:3]
    y = jax.nn.relu(_normalised(_convolution(x, kernel), scale, offset, block.EPSILON))
    kernel, scale, offset = weights[3:]
    return jax.nn.relu(_normalised(_convolution(y, kernel), scale, offset, block.EPSILON) + x)


def _depthwise(weights: list[Any], x: Any, block: Block) -> Any:
    for kernel in weights:
        x = jax.nn.relu(_convolution(x, kernel[:, :, None], block.shape[-1]))
    return x


def _lstm(weights: list[Any], x: Any, block: Block) -> Any:
    kernel, recurrent = weights
    zeros = jnp.zeros((len(x), block.shape[-1]), x.dtype)

    def step(state: tuple[Any, Any], z: Any) -> tuple[tuple[Any, Any], Any]:
        h, c = state
        i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    _, y = jax.lax.scan(step, (zeros, zeros), (x @ kernel).swapaxes(0, 1))
    return y.swapaxes(0, 1)


def _attention(weights: list[Any], x: Any, block: Block) -> Any:
    batch, tokens, n = x.shape
    inner = x @ jnp.concatenate(weights[:3], axis=1)
    q, k, v = jnp.moveaxis(inner.reshape(batch, tokens, 3, block.size, -1), 2, 0)
    y = jax.nn.dot_product_attention(q, k, v)
    return y.reshape(batch, tokens, n) @ weights[3]


def _bag(weights: list[Any], x: Any, block: Block) -> Any:
    del block
    return weights[0][x].mean(axis=1)


_BLOCKS = {
    "residual": _residual,
    "depthwise": _depthwise,
    "lstm": _lstm,
    "attention": _attention,
    "bag": _bag,
}


@functools.partial(jax.jit, static_argnames="block", donate_argnums=0)
def _trained(weights: list[Any], x: Any, y: Any, block: Block) -> list[Any]:
    """Run SGD over all batches, stacked along the first axis."""

    def loss(weights: list[Any], x: Any, y: Any) -> Any:
        return jnp.square(forward(weights, x, block) - y).mean()

    def step(weights: list[Any], batch: tuple[Any, Any]) -> tuple[list[Any], None]:
        gradients = jax.grad(loss)(weights, *batch)
        rate = np.float32(block.LEARNING_RATE)
        return [w - rate * g for w, g in zip(weights, gradients, strict=True)], None

    trained: list[Any] = jax.lax.scan(step, weights, (x, y))[0]
    return trained


class BlockTrainer:
    """One compiled program for all batches."""

    def __init__(self, block: Block, steps: int) -> None:
        self.block = block
        self.weights = [jnp.asarray(w) for w in block.parameters()]
        x, y = (part.reshape(steps, block.batch, *part.shape[1:]) for part in block.data(steps))
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)

    def fit(self) -> None:
        """Go through the batches once."""
        self.weights = _trained(self.weights, self.x, self.y, self.block)
        jax.block_until_ready(self.weights)

    def predict(self) -> NDArray[Any]:
        """Return the outputs for the first batch, as training computes them."""
        return np.asarray(forward(self.weights, self.x[0], self.block))
