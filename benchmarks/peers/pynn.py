"""pynn through its public API."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pynn
from benchmarks import inputs
from benchmarks.networks import Data, Mlp
from benchmarks.peers.base import Peer, Trainer
from benchmarks.task import Measured, Task, Timed, Unsupported
from pynn import losses, ops, optimizers
from pynn.layers import Dense


class Pynn(Peer):
    """pynn."""

    imports = "from pynn import Network, layers, losses, optimizers"
    distribution = "pynn-native"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        pynn.set_num_threads(threads)

    @property
    def version(self) -> str:
        """Return the version and the instruction set in use."""
        return f"{pynn.__version__} ({pynn._native.isa()})"

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return PynnTrainer(network, data, batch_size)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> tuple[Any, ...]:
        net = build(network)
        if entry == "net(row)":
            return net, row
        if entry == "predict(row)":
            return net.predict, row
        if not hasattr(net, "freeze"):
            raise Unsupported("this version cannot freeze a network")
        return net.freeze(), row

    def installed_bytes(self) -> Task:
        """Measure the package's folder: it requires NumPy only, and may be an editable install."""
        folder = pathlib.Path(pynn.__file__).parent
        return Measured(lambda: sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))

    def matmul(self, m: int, n: int, k: int, dtype: str, transposed: bool) -> Task:
        a, b = inputs.factors(m, n, k, dtype, transposed)
        return Timed(ops.matmul, a, b, np.empty((m, n), dtype))

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


def rule(network: Mlp) -> Any:
    """Return the network's optimizer."""
    if network.optimizer == "sgd":
        return optimizers.SGD(network.learning_rate)
    return optimizers.Adam(network.learning_rate, network.BETA_1, network.BETA_2, network.EPSILON)


def build(network: Mlp) -> pynn.Network:
    """Return the network with its initial weights."""
    net = pynn.Network()
    shape: tuple[int, ...] | None = (network.widths[0],)
    for units, activation in zip(network.widths[1:], network.activations, strict=True):
        net.add(Dense(units, activation=activation, input_shape=shape))
        shape = None
    net.set_weights(network.weights())
    return net


class PynnTrainer:
    """A network that is given its rows as NumPy arrays at each fit."""

    def __init__(self, network: Mlp, data: Data, batch_size: int) -> None:
        self.data, self.batch_size = data, batch_size
        self.net = build(network)
        named = {"cross_entropy": "sparse_categorical_crossentropy", "mse": "mse"}
        self.net.use(loss=named[network.loss], optimizer=rule(network))

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        size = self.batch_size
        self.net.fit(
            self.data.x, self.data.y, batch_size=size, epochs=epochs, shuffle=shuffle, verbose=0
        )

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of the network."""
        return np.asarray(self.net.predict(x))
