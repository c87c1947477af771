"""pynn through its public API."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pynn
from benchmarks import inputs
from benchmarks.blocks import Block
from benchmarks.networks import Cnn, Data, Mlp
from benchmarks.peers import pynn_blocks
from benchmarks.peers.base import BlockTrainer, Peer, Trainer
from benchmarks.task import Measured, Task, Timed
from pynn import layers, losses, ops, optimizers


class Pynn(Peer):
    """pynn."""

    imports = "from pynn import Network, losses, optimizers; from pynn.layers import Dense"
    distribution = "pynn-native"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.use_threads(threads)
        self.lacks = {}

    @property
    def version(self) -> str:
        """Return the version and the instruction set in use."""
        return f"{pynn.__version__} ({pynn._native.isa()})"

    def use_threads(self, count: int) -> None:
        pynn.set_num_threads(count)

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return PynnTrainer(network, data, batch_size)

    def block_trainer(self, block: Block, steps: int) -> BlockTrainer:
        return pynn_blocks.BlockTrainer(block, steps)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> Task:
        net = build(network)
        if entry == "net(row)":
            return Timed(net, row)
        if entry == "predict(row)":
            return Timed(net.predict, row)
        if entry == "frozen(row)":
            return Timed(net.freeze(), row)
        out = np.empty((1, network.widths[-1]), np.float32)
        return Timed(net.freeze(), row, named={"out": out})

    def installed_bytes(self) -> Task:
        """Measure the package's folder: it requires NumPy only, and may be an editable install."""
        folder = pathlib.Path(pynn.__file__).parent
        return Measured(lambda: sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))

    def matmul(self, m: int, n: int, k: int, dtype: str, transposed: bool) -> Task:
        a, b = inputs.factors(m, n, k, dtype, transposed)
        if dtype == "bfloat16":
            return _bfloat16_product(a, b)
        return Timed(ops.matmul, a, b, np.empty((m, n), dtype))

    def small_products(self, count: int, size: int) -> Task:
        a, b = inputs.factors(size, size, size, "float32", False, count=count)
        return Timed(ops.matmul, a, b, np.empty_like(a), per=count)

    def dense(self, batch: int, features: int, units: int, activation: str) -> Task:
        x, kernel, bias = inputs.layer(batch, features, units)
        out = np.empty((batch, units), np.float32)
        return Timed(lambda: ops.dense(x, kernel, bias, activation, out=out))

    def unary(self, name: str, size: int, dtype: str, domain: tuple[float, float]) -> Task:
        x = inputs.uniform(size, dtype, domain)
        out, function = np.empty_like(x), getattr(ops, name)
        return Timed(lambda: function(x, out=out))

    def binary(self, name: str, left: tuple[int, ...], right: tuple[int, ...]) -> Task:
        a, b = inputs.uniform(left), inputs.uniform(right, domain=(0.5, 1.5), seed=1)
        function = getattr(ops, name)
        out = function(a, b)
        return Timed(function, a, b, out)

    def where(self, shape: tuple[int, ...]) -> Task:
        a, b = inputs.uniform(shape), inputs.uniform(shape, seed=1)
        return Timed(ops.where, a > 0, a, b)

    def reduce(self, name: str, shape: tuple[int, ...], axis: int | None) -> Task:
        x, function = inputs.uniform(shape), getattr(ops, name)
        return Timed(lambda: function(x, axis=axis))

    def softmax(self, name: str, shape: tuple[int, ...]) -> Task:
        return Timed(getattr(ops, name), inputs.uniform(shape, domain=(-4, 4)))

    def take(self, rows: int, width: int, count: int) -> Task:
        return Timed(ops.take, inputs.uniform((rows, width)), inputs.integers(count, rows))

    def one_hot(self, count: int, depth: int) -> Task:
        return Timed(ops.one_hot, inputs.integers(count, depth), depth)

    def random(self, name: str, size: int) -> Task:
        function = getattr(ops, f"random_{name}")

        def outputs() -> Sequence[NDArray[Any]]:
            return [inputs.moments(np.asarray(function((size,))))]

        return Timed(function, (size,), outputs=outputs)

    def loss_gradient(self, batch: int, classes: int) -> Task:
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        logits = inputs.uniform((batch, classes), domain=(-4, 4))
        return Timed(loss.gradient, inputs.integers(batch, classes), logits)

    def update(self, network: Mlp) -> Task:
        def start() -> tuple[Any, pynn.Variable, NDArray[Any]]:
            w = np.concatenate([w.ravel() for w in network.weights()])
            return rule(network), pynn.Variable(w), inputs.uniform(w.size, seed=2)

        def outputs() -> Sequence[NDArray[Any]]:
            optimizer, variable, gradient = start()
            optimizer.apply([variable], [gradient])
            return [np.array(variable)[:1000]]

        optimizer, variable, gradient = start()
        return Timed(optimizer.apply, [variable], [gradient], outputs=outputs)


def _bfloat16_product(a: NDArray[Any], b: NDArray[Any]) -> Task:
    left, right = (pynn.Tensor(factor).astype("bfloat16") for factor in (a, b))
    out = ops.matmul(left, right)
    return Timed(ops.matmul, left, right, out, outputs=lambda: [out.astype("float32").numpy()])


class Adadelta(optimizers.Optimizer):
    """An optimizer that pynn does not have, as its user would write it.

    ``s ← ρ s + (1 - ρ) g²``, ``d = √(u + ε) / √(s + ε) g``, ``u ← ρ u + (1 - ρ) d²``, ``w ← w - η
    d``. (M. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.)
    """

    slots = ("mean_square", "mean_step")

    def update(
        self,
        variable: pynn.Variable,
        gradient: pynn.Tensor,
        mean_square: pynn.Variable,
        mean_step: pynn.Variable,
    ) -> None:
        rho, epsilon = Mlp.RHO, Mlp.ADADELTA_EPSILON
        mean_square.assign(rho * mean_square + (1 - rho) * ops.square(gradient))
        step = ops.sqrt(mean_step + epsilon) / ops.sqrt(mean_square + epsilon) * gradient
        mean_step.assign(rho * mean_step + (1 - rho) * ops.square(step))
        variable.assign_sub(self.learning_rate * step)


def rule(network: Mlp) -> optimizers.Optimizer:
    """Return the network's optimizer."""
    rate = network.learning_rate
    made: dict[str, Callable[[], optimizers.Optimizer]] = {
        "sgd": lambda: optimizers.SGD(rate),
        "nesterov": lambda: optimizers.SGD(rate, network.MOMENTUM, nesterov=True),
        "rmsprop": lambda: optimizers.RMSprop(rate, network.RHO, epsilon=network.EPSILON),
        "adadelta": lambda: Adadelta(rate),
        "adam": lambda: optimizers.Adam(rate, network.BETA_1, network.BETA_2, network.EPSILON),
    }
    return made[network.optimizer]()


def build(network: Mlp) -> pynn.Network:
    """Return the network with its initial weights."""
    net = pynn.Network()
    if isinstance(network, Cnn):
        net.add(pynn.Input(network.image))
        for filters in network.filters:
            net.add(layers.Conv2D(filters, 3, activation=network.activation))
            net.add(layers.MaxPool2D(2))
        net.add(layers.Flatten())
    else:
        net.add(pynn.Input(network.widths[0]))
    dense = network.activations[-len(network.widths) + 1 :]
    for i, (units, activation) in enumerate(zip(network.widths[1:], dense, strict=True), 1):
        net.add(layers.Dense(units, activation=activation))
        if network.dropout and i < len(dense):
            net.add(layers.Dropout(network.dropout))
    net.set_weights(network.weights())
    return net


class PynnTrainer:
    """A network that is given its rows as NumPy arrays at each fit."""

    def __init__(self, network: Mlp, data: Data, batch_size: int) -> None:
        self.network, self.y, self.batch_size = network, data.y, batch_size
        self.x = self._placed(data.x)
        self.net = build(network)
        named = {"cross_entropy": "sparse_categorical_crossentropy", "mse": "mse"}
        self.net.use(named[network.loss], rule(network), precision=network.precision)

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        size = self.batch_size
        self.net.fit(self.x, self.y, batch_size=size, epochs=epochs, shuffle=shuffle, verbose=0)

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of the network."""
        return np.asarray(self.net.predict(self._placed(x)))

    def _placed(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return rows as the network wants them."""
        return x.reshape(-1, *self.network.image) if isinstance(self.network, Cnn) else x
