"""JAX on the CPU: one compiled program per epoch, a ``scan`` over its batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks import inputs
from benchmarks.blocks import Block
from benchmarks.networks import Cnn, Data, Mlp
from benchmarks.peers import jax_blocks
from benchmarks.peers.base import BlockTrainer, Peer, Trainer
from benchmarks.task import Task, Timed, Unsupported

# Where the name differs from pynn's.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "softsign": jax.nn.soft_sign,
    "erf": jax.lax.erf,
    "rsqrt": jax.lax.rsqrt,
}


class Jax(Peer):
    """JAX with ``jit``."""

    imports = "import jax, jax.numpy"
    distribution = "jax"
    lacks = dict.fromkeys(("mixed_bfloat16",), "")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        jax.config.update("jax_enable_x64", True)  # for the float64 rows; the others stay float32

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return JaxTrainer(network, data, batch_size)

    def block_trainer(self, block: Block, steps: int) -> BlockTrainer:
        return jax_blocks.BlockTrainer(block, steps)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> Task:
        weights = [jnp.asarray(w) for w in network.weights()]
        run = jax.jit(lambda x: forward(weights, x, network))
        return Timed(lambda x: run(x).block_until_ready(), jnp.asarray(row))

    def forget(self) -> None:
        jax.clear_caches()

    def matmul(self, m: int, n: int, k: int, dtype: str, transposed: bool) -> Task:
        a, b = inputs.factors(m, n, k, dtype, transposed)
        if transposed:
            return _jitted(lambda x, y: x.T @ y, a.T, b)
        return _jitted(jnp.matmul, a, b, dtype=dtype)

    def small_products(self, count: int, size: int) -> Task:
        factors = inputs.factors(size, size, size, "float32", False, count=count)
        return _jitted(jnp.matmul, *factors, per=count)

    def dense(self, batch: int, features: int, units: int, activation: str) -> Task:
        function = _function(activation)
        return _jitted(lambda x, w, b: function(x @ w + b), *inputs.layer(batch, features, units))

    def unary(self, name: str, size: int, dtype: str, domain: tuple[float, float]) -> Task:
        return _jitted(_function(name), inputs.uniform(size, dtype, domain))

    def softmax(self, name: str, shape: tuple[int, ...]) -> Task:
        return _jitted(getattr(jax.nn, name), inputs.uniform(shape, domain=(-4, 4)))


def _jitted(
    function: Callable[..., Any], *arrays: NDArray[Any], dtype: str | None = None, per: int = 1
) -> Task:
    run, placed = jax.jit(function), [jnp.asarray(a, dtype) for a in arrays]

    def outputs() -> Sequence[NDArray[Any]]:
        y = run(*placed)
        return [np.asarray(y.astype("float32") if y.dtype == "bfloat16" else y)]

    return Timed(lambda: run(*placed).block_until_ready(), per=per, outputs=outputs)


def _function(name: str) -> Callable[..., Any]:
    function = _FUNCTIONS.get(name) or getattr(jax.nn, name, None) or getattr(jnp, name, None)
    if function is None:
        raise Unsupported(f"JAX has no {name}")
    return function


def forward(
    weights: list[Any], x: Any, network: Mlp, *, logits: bool = False, key: Any = None
) -> Any:
    """Return the outputs, before the softmax where asked for, with dropout where a key is given."""
    if isinstance(network, Cnn):
        x = x.reshape(-1, *network.image)
    layers = network.layers(weights)
    for i, (kernel, bias, activation) in enumerate(layers):
        if kernel.ndim == 4:
            x = _pooled(_function(activation)(_convolution(x, kernel) + bias))
            continue
        x = x.reshape(len(x), -1) @ kernel + bias
        if activation != "linear" and not (activation == "softmax" and logits):
            x = _function(activation)(x)
        if key is not None and i < len(layers) - 1:
            key, drawn = jax.random.split(key)
            kept = 1 - network.dropout
            x = jnp.where(jax.random.bernoulli(drawn, kept, x.shape), x / np.float32(kept), 0)
    return x


def _convolution(x: Any, kernel: Any) -> Any:
    order = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=order)


def _pooled(x: Any) -> Any:
    window = (1, 2, 2, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


def _loss(weights: list[Any], x: Any, y: Any, network: Mlp, key: Any) -> Any:
    outputs = forward(weights, x, network, logits=True, key=key)
    if network.loss == "cross_entropy":
        chosen = jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], axis=-1)
        return -chosen.mean()
    return jnp.square(outputs - y).mean()


def _updated(network: Mlp, w: Any, g: Any, m: Any, v: Any, t: Any) -> tuple[Any, Any, Any]:
    """Return one variable and its two moments after step t; what is not needed stays as it is."""
    rate, mu, rho = network.learning_rate, network.MOMENTUM, network.RHO
    if network.optimizer == "adam":
        b1, b2 = network.BETA_1, network.BETA_2
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        first, second = ((1 - b**t).astype(jnp.float32) for b in (b1, b2))
        g = (m / first) / (jnp.sqrt(v / second) + network.EPSILON)
    elif network.optimizer == "nesterov":
        m = mu * m + g
        g = g + mu * m
    elif network.optimizer == "rmsprop":
        v = rho * v + (1 - rho) * g * g
        g = g / (jnp.sqrt(v) + network.EPSILON)
    elif network.optimizer == "adadelta":
        epsilon = network.ADADELTA_EPSILON
        v = rho * v + (1 - rho) * g * g
        g = jnp.sqrt(m + epsilon) / jnp.sqrt(v + epsilon) * g
        m = rho * m + (1 - rho) * g * g
    return w - rate * g, m, v


def _step(state: tuple[Any, ...], x: Any, y: Any, network: Mlp) -> tuple[Any, ...]:
    """Return weights, moments, step count and random key after one batch."""
    weights, m, v, t, key = state
    drawn = None
    if network.dropout:
        key, drawn = jax.random.split(key)
    gradients = jax.grad(_loss)(weights, x, y, network, drawn)
    t = t + 1
    updated = [_updated(network, *each, t) for each in zip(weights, gradients, m, v, strict=True)]
    weights, m, v = map(list, zip(*updated, strict=True))
    return weights, m, v, t, key


@functools.partial(jax.jit, static_argnames=("network", "size", "epochs"), donate_argnums=0)
def _run(
    state: tuple[Any, ...], x: Any, y: Any, order: Any, network: Mlp, size: int, epochs: int
) -> tuple[Any, ...]:
    """Run epochs over the rows in the given order, which may be None."""
    rows = len(x)
    full = rows // size * size

    def one(state: tuple[Any, ...], batch: Any) -> tuple[Any, None]:
        x_batch, y_batch = batch if order is None else (x[batch], y[batch])
        return _step(state, x_batch, y_batch, network), None

    def epoch(_: int, state: tuple[Any, ...]) -> tuple[Any, ...]:
        def cut(a: Any) -> Any:
            return a[:full].reshape(-1, size, *a.shape[1:])

        batches = (cut(x), cut(y)) if order is None else cut(order)
        if full:
            state = jax.lax.scan(one, state, batches)[0]
        if full < rows:
            rest = (x[full:], y[full:]) if order is None else order[full:]
            state = one(state, rest)[0]
        return state

    if epochs == 1:
        return epoch(0, state)
    return jax.lax.fori_loop(0, epochs, epoch, state)  # type: ignore[no-any-return]


class JaxTrainer:
    """Rows on the device; each fit is one call of a compiled program."""

    def __init__(self, network: Mlp, data: Data, batch_size: int) -> None:
        self.network, self.batch_size = network, batch_size
        self.x, self.y = jnp.asarray(data.x), jnp.asarray(data.y)
        weights = [jnp.asarray(w) for w in network.weights()]
        zeros = [jnp.zeros_like(w) for w in weights]
        self.state: tuple[Any, ...] = (
            weights,
            zeros,
            [jnp.zeros_like(w) for w in weights],
            jnp.zeros((), jnp.float64),  # for 1 - βᵗ
            jax.random.key(0, impl="rbg"),  # the fastest generator on a CPU
        )
        self.rng = np.random.default_rng(0)

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        calls, each = (epochs, 1) if shuffle else (1, epochs)
        for _ in range(calls):
            order = self.rng.permutation(len(self.x)).astype(np.int32) if shuffle else None
            self.state = _run(
                self.state, self.x, self.y, order, self.network, self.batch_size, each
            )
        jax.block_until_ready(self.state)

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of the network."""
        return np.asarray(forward(self.state[0], jnp.asarray(x), self.network))
