"""NumPy, as one writes it for speed: vectorised, float32, in place, into arrays made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import inputs
from benchmarks.networks import Data, Mlp
from benchmarks.peers import formulas
from benchmarks.peers.base import Peer, Trainer
from benchmarks.task import Task, Timed, Unsupported

Array = NDArray[Any]


class Numpy(Peer):
    """NumPy as it is shipped."""

    imports = "import numpy"
    distribution = "numpy"

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return NumpyTrainer(network, data, batch_size)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> tuple[Any, ...]:
        return Forward(network, 1), row

    def matmul(self, m: int, n: int, k: int, dtype: str, transposed: bool) -> Task:
        a, b = inputs.factors(m, n, k, dtype, transposed)
        return Timed(np.matmul, a, b, np.empty((m, n), dtype))

    def dense(self, batch: int, features: int, units: int, activation: str) -> Task:
        x, kernel, bias = inputs.layer(batch, features, units)
        formula, out = self._formula(activation), np.empty((batch, units), np.float32)

        def run() -> Array:
            np.matmul(x, kernel, out=out)
            np.add(out, bias, out=out)
            return formula(out, out)

        return Timed(run)

    def unary(self, name: str, size: int, dtype: str, domain: tuple[float, float]) -> Task:
        x = inputs.uniform(size, dtype, domain)
        return Timed(self._formula(name), x, np.empty_like(x))

    def binary(self, name: str, left: tuple[int, ...], right: tuple[int, ...]) -> Task:
        a, b = inputs.uniform(left), inputs.uniform(right, domain=(0.5, 1.5), seed=1)
        function = getattr(np, name)
        out = function(a, b)
        return Timed(lambda: function(a, b, out=out))

    def where(self, shape: tuple[int, ...]) -> Task:
        a, b = inputs.uniform(shape), inputs.uniform(shape, seed=1)
        return Timed(np.where, a > 0, a, b)

    def reduce(self, name: str, shape: tuple[int, ...], axis: int | None) -> Task:
        x = inputs.uniform(shape)
        function = getattr(np, name)
        return Timed(lambda: function(x, axis=axis))

    def softmax(self, name: str, shape: tuple[int, ...]) -> Task:
        x = inputs.uniform(shape, domain=(-4, 4))
        out = np.empty_like(x)

        def softmax() -> Array:
            np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
            np.exp(out, out=out)
            np.divide(out, out.sum(axis=-1, keepdims=True), out=out)
            return out

        def log_softmax() -> Array:
            np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
            np.subtract(out, np.log(np.exp(out).sum(axis=-1, keepdims=True)), out=out)
            return out

        return Timed({"softmax": softmax, "log_softmax": log_softmax}[name])

    def take(self, rows: int, width: int, count: int) -> Task:
        x, picked = inputs.uniform((rows, width)), inputs.integers(count, rows)
        out = np.empty((count, width), np.float32)
        return Timed(lambda: np.take(x, picked, axis=0, out=out, mode="clip"))  # no copy in between

    def one_hot(self, count: int, depth: int) -> Task:
        picked = inputs.integers(count, depth)
        out, rows = np.zeros((count, depth), np.float32), np.arange(count)

        def run() -> Array:
            out.fill(0)
            out[rows, picked] = 1
            return out

        return Timed(run)

    def random(self, name: str, size: int) -> Task:
        rng, out = np.random.default_rng(0), np.empty(size, np.float32)
        fill: Any = rng.random if name == "uniform" else rng.standard_normal
        return Timed(
            lambda: fill(dtype=np.float32, out=out),
            outputs=lambda: [inputs.moments(fill(size, np.float32))],
        )

    def loss_gradient(self, batch: int, classes: int) -> Task:
        logits = inputs.uniform((batch, classes), domain=(-4, 4))
        labels, rows = inputs.integers(batch, classes), np.arange(batch)
        out = np.empty_like(logits)

        def run() -> Array:
            np.subtract(logits, logits.max(axis=-1, keepdims=True), out=out)
            np.exp(out, out=out)
            np.divide(out, out.sum(axis=-1, keepdims=True), out=out)
            out[rows, labels] -= 1
            np.multiply(out, 1 / batch, out=out)
            return out

        return Timed(run)

    def update(self, network: Mlp) -> Task:
        def start() -> tuple[Array, Array, Rule]:
            w = np.concatenate([w.ravel() for w in network.weights()])
            return w, inputs.uniform(w.size, seed=2), Rule(network, w.size)

        def outputs() -> Sequence[Array]:
            w, gradient, rule = start()
            rule(w, gradient)
            return [w[:1000]]

        w, gradient, rule = start()
        return Timed(rule, w, gradient, outputs=outputs)

    @staticmethod
    def _formula(name: str) -> formulas.Formula:
        formula = formulas.find(name)
        if formula is None:
            raise Unsupported(f"NumPy has no {name}")
        return formula


class NumpyTold(Numpy):
    """NumPy whose OpenBLAS was told the core type; of interest where products count."""

    kinds = frozenset({"matmul", "dense", "train"})


class Forward:
    """The forward pass over at most ``batch`` rows, in arrays made once."""

    def __init__(self, network: Mlp, batch: int) -> None:
        weights = network.weights()
        sizes = [w.size for w in weights]
        # All parameters side by side, so that the optimizer's passes are few and long.
        self.flat = np.concatenate([w.ravel() for w in weights])
        parts = np.split(self.flat, np.cumsum(sizes)[:-1])
        self.parameters = [p.reshape(w.shape) for p, w in zip(parts, weights, strict=True)]
        self.values = [np.empty((batch, width), np.float32) for width in network.widths[1:]]
        self._steps = [
            (*layer, value)
            for layer, value in zip(network.layers(self.parameters), self.values, strict=True)
        ]

    def __call__(self, x: Array) -> Array:
        """Return the outputs, which the next call overwrites."""
        n = len(x)
        for kernel, bias, activation, value in self._steps:
            y = value if len(value) == n else value[:n]
            np.matmul(x, kernel, y)
            np.add(y, bias, y)
            if activation == "relu":
                np.maximum(y, 0, y)
            elif activation == "tanh":
                np.tanh(y, y)
            elif activation == "softmax":
                np.subtract(y, y.max(axis=1, keepdims=True), y)
                np.exp(y, y)
                np.divide(y, y.sum(axis=1, keepdims=True), y)
            x = y
        return x


class Rule:
    """An optimizer's step over all parameters at once."""

    def __init__(self, network: Mlp, size: int) -> None:
        self.network = network
        self.step = 0
        self.m, self.v, self.t, self.u = (np.zeros(size, np.float32) for _ in range(4))

    def __call__(self, w: Array, gradient: Array) -> None:
        """Update w in place."""
        net, m, v, t, u = self.network, self.m, self.v, self.t, self.u
        if net.optimizer == "sgd":
            np.multiply(gradient, net.learning_rate, t)
            np.subtract(w, t, w)
            return
        self.step += 1
        scale = 1 / np.sqrt(1 - net.BETA_2**self.step)
        np.multiply(m, net.BETA_1, m)
        np.multiply(gradient, 1 - net.BETA_1, t)
        np.add(m, t, m)
        np.multiply(v, net.BETA_2, v)
        np.multiply(gradient, gradient, t)
        np.multiply(t, 1 - net.BETA_2, t)
        np.add(v, t, v)
        np.sqrt(v, t)
        np.multiply(t, np.float32(scale), t)
        np.add(t, net.EPSILON, t)
        np.divide(m, t, u)
        np.multiply(u, np.float32(net.learning_rate / (1 - net.BETA_1**self.step)), u)
        np.subtract(w, u, w)


class NumpyTrainer:
    """Backpropagation as in the textbook, with every array made once."""

    def __init__(self, network: Mlp, data: Data, batch_size: int) -> None:
        self.network, self.data, self.batch_size = network, data, batch_size
        self.forward = Forward(network, batch_size)
        self.flat = np.zeros_like(self.forward.flat)
        parts = np.split(self.flat, np.cumsum([p.size for p in self.forward.parameters])[:-1])
        shapes = [p.shape for p in self.forward.parameters]
        self.gradients = [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]
        self.deltas = [np.empty_like(v) for v in self.forward.values]
        self.rule = Rule(network, self.flat.size)
        self.rng = np.random.default_rng(0)
        self.rows = np.arange(batch_size)
        self.batch = np.empty((batch_size, data.x.shape[1]), np.float32)

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        x, y, size = self.data.x, self.data.y, self.batch_size
        for _ in range(epochs):
            order = self.rng.permutation(len(x)) if shuffle else None
            for first in range(0, len(x), size):
                if order is None:
                    self._step(x[first : first + size], y[first : first + size])
                    continue
                picked = order[first : first + size]
                batch = np.take(x, picked, axis=0, out=self.batch[: len(picked)], mode="clip")
                self._step(batch, y[picked])

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of the network."""
        size = self.batch_size
        return np.concatenate(
            [self.forward(x[i : i + size]).copy() for i in range(0, len(x), size)]
        )

    def _step(self, x: Array, y: Array) -> None:
        n = len(x)
        outputs = self.forward(x)
        if n == self.batch_size:
            values, deltas = self.forward.values, self.deltas
        else:
            values, deltas = [v[:n] for v in self.forward.values], [d[:n] for d in self.deltas]
        self._output_delta(outputs, y, deltas[-1])
        kernels, activations = self.forward.parameters[::2], self.network.activations
        for i in range(len(kernels) - 1, -1, -1):
            delta = deltas[i]
            np.matmul((values[i - 1] if i else x).T, delta, self.gradients[2 * i])
            np.sum(delta, axis=0, out=self.gradients[2 * i + 1])
            if i:
                np.matmul(delta, kernels[i].T, deltas[i - 1])
                _times_slope(deltas[i - 1], values[i - 1], activations[i - 1])
        self.rule(self.forward.flat, self.flat)

    def _output_delta(self, outputs: Array, y: Array, delta: Array) -> None:
        n = len(outputs)
        if self.network.loss == "cross_entropy":  # of a softmax
            np.copyto(delta, outputs)
            delta[self.rows[:n], y] -= 1
            np.multiply(delta, 1 / n, delta)
            return
        np.subtract(outputs, y, delta)
        np.multiply(delta, 2 / outputs.size, delta)
        _times_slope(delta, outputs, self.network.last)


def _times_slope(delta: Array, value: Array, activation: str) -> None:
    """Multiply by the activation's derivative, which both of these know from its value."""
    if activation == "relu":
        np.multiply(delta, value > 0, delta)
    elif activation == "tanh":
        np.multiply(delta, 1 - value * value, delta)
