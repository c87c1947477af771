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
    lacks = dict.fromkeys(("convolution", "mixed_bfloat16"), "")

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        return NumpyTrainer(network, data, batch_size)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> Task:
        return Timed(Forward(network, 1), row)

    def matmul(self, m: int, n: int, k: int, dtype: str, transposed: bool) -> Task:
        if dtype == "bfloat16":
            raise Unsupported
        a, b = inputs.factors(m, n, k, dtype, transposed)
        return Timed(np.matmul, a, b, np.empty((m, n), dtype))

    def small_products(self, count: int, size: int) -> Task:
        a, b = inputs.factors(size, size, size, "float32", False, count=count)
        return Timed(np.matmul, a, b, np.empty_like(a), per=count)

    def dense(self, batch: int, features: int, units: int, activation: str) -> Task:
        x, kernel, bias = inputs.layer(batch, features, units)
        formula, out = self.formula(activation), np.empty((batch, units), np.float32)

        def run() -> Array:
            np.matmul(x, kernel, out=out)
            np.add(out, bias, out=out)
            return formula(out, out)

        return Timed(run)

    def unary(self, name: str, size: int, dtype: str, domain: tuple[float, float]) -> Task:
        x = inputs.uniform(size, dtype, domain)
        return Timed(self.formula(name), x, np.empty_like(x))

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
            return formulas.softmax(x, out)

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
            formulas.softmax(logits, out)
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
    def formula(name: str) -> formulas.Formula:
        """Return the function of that name, in NumPy."""
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
        # All parameters side by side, so that the optimizer's passes are few and long.
        self.flat = np.concatenate([w.ravel() for w in weights])
        self.parameters = split(self.flat, weights)
        self.values = [np.empty((batch, width), np.float32) for width in network.widths[1:]]
        self.inputs = [  # of the activations
            v if name in formulas.BY_VALUE else np.empty_like(v)
            for v, name in zip(self.values, network.activations, strict=True)
        ]
        self.steps = [
            (kernel, bias, _activation(name), z, y)
            for (kernel, bias, name), z, y in zip(
                network.layers(self.parameters), self.inputs, self.values, strict=True
            )
        ]

    def __call__(self, x: Array) -> Array:
        """Return the outputs, which the next call overwrites."""
        n = len(x)
        for kernel, bias, activation, z, y in self.steps:
            if len(y) != n:
                z, y = z[:n], y[:n]
            np.matmul(x, kernel, z)
            np.add(z, bias, z)
            if activation is not None:
                activation(z, y)
            x = y
        return x


def split(flat: Array, like: Sequence[Array]) -> list[Array]:
    """Return views of a flat array in the shapes of some others."""
    parts = np.split(flat, np.cumsum([a.size for a in like])[:-1])
    return [part.reshape(a.shape) for part, a in zip(parts, like, strict=True)]


def _activation(name: str) -> formulas.Formula | None:
    if name == "softmax":
        return formulas.softmax
    return None if name == "linear" else Numpy.formula(name)


class Rule:
    """An optimizer's step over all parameters at once."""

    def __init__(self, network: Mlp, size: int) -> None:
        self.network = network
        self.step = 0
        self.m, self.v, self.t, self.u = (np.zeros(size, np.float32) for _ in range(4))
        self._update = getattr(self, f"_{network.optimizer}")

    def __call__(self, w: Array, gradient: Array) -> None:
        """Update w in place."""
        self._update(w, gradient)

    def _sgd(self, w: Array, g: Array) -> None:
        np.multiply(g, self.network.learning_rate, self.t)
        np.subtract(w, self.t, w)

    def _nesterov(self, w: Array, g: Array) -> None:
        np.multiply(self.m, self.network.MOMENTUM, self.m)
        np.add(self.m, g, self.m)
        np.multiply(self.m, self.network.MOMENTUM, self.t)
        np.add(self.t, g, self.t)
        self._sgd(w, self.t)

    def _adam(self, w: Array, g: Array) -> None:
        net, m, v, t, u = self.network, self.m, self.v, self.t, self.u
        self.step += 1
        scale = 1 / np.sqrt(1 - net.BETA_2**self.step)
        np.multiply(m, net.BETA_1, m)
        np.multiply(g, 1 - net.BETA_1, t)
        np.add(m, t, m)
        self._average_square(v, g, net.BETA_2)
        np.sqrt(v, t)
        np.multiply(t, np.float32(scale), t)
        np.add(t, net.EPSILON, t)
        np.divide(m, t, u)
        np.multiply(u, np.float32(net.learning_rate / (1 - net.BETA_1**self.step)), u)
        np.subtract(w, u, w)

    def _rmsprop(self, w: Array, g: Array) -> None:
        self._average_square(self.v, g, self.network.RHO)
        np.sqrt(self.v, self.t)
        np.add(self.t, self.network.EPSILON, self.t)
        np.divide(g, self.t, self.t)
        self._sgd(w, self.t)

    def _adadelta(self, w: Array, g: Array) -> None:
        net, m, v, t, u = self.network, self.m, self.v, self.t, self.u
        self._average_square(v, g, net.RHO)
        np.add(v, net.ADADELTA_EPSILON, t)
        np.add(m, net.ADADELTA_EPSILON, u)
        np.divide(u, t, u)
        np.sqrt(u, u)
        np.multiply(u, g, u)
        self._average_square(m, u, net.RHO)
        self._sgd(w, u)

    def _average_square(self, average: Array, x: Array, kept: float) -> None:
        np.multiply(average, kept, average)
        np.multiply(x, x, self.t)
        np.multiply(self.t, 1 - kept, self.t)
        np.add(average, self.t, average)


class NumpyTrainer:
    """Backpropagation as in the textbook, with every array made once."""

    def __init__(self, network: Mlp, data: Data, batch_size: int) -> None:
        self.network, self.data, self.batch_size = network, data, batch_size
        self.forward = Forward(network, batch_size)
        self.flat = np.zeros_like(self.forward.flat)
        self.gradients = split(self.flat, self.forward.parameters)
        self.deltas = [np.empty_like(v) for v in self.forward.values]
        # What the next layer sees, and the factors between: with dropout not the values themselves.
        rate = network.dropout
        hidden = self.forward.values[:-1]
        self.masks = [np.empty_like(v) for v in hidden] if rate else []
        self.dropped = [np.empty_like(v) for v in hidden] if rate else hidden
        self.slopes = [formulas.SLOPES.get(name) for name in network.activations]
        self.rule = Rule(network, self.flat.size)
        self.rng = np.random.default_rng(0)
        self.rows = np.arange(batch_size)
        self.batch = np.empty((batch_size, network.features), np.float32)

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
        self._forward(x)
        kernels = self.forward.parameters[::2]
        for i in range(len(kernels) - 1, -1, -1):
            delta, value = self.deltas[i][:n], self.forward.values[i][:n]
            slope = self.slopes[i]
            if i == len(kernels) - 1:
                slope = self._output_delta(value, y, delta, slope)
            elif self.masks:
                np.multiply(delta, self.masks[i][:n], delta)
            if slope is not None:
                np.multiply(delta, slope(self.forward.inputs[i][:n], value), delta)
            np.matmul((self.dropped[i - 1][:n] if i else x).T, delta, self.gradients[2 * i])
            np.sum(delta, axis=0, out=self.gradients[2 * i + 1])
            if i:
                np.matmul(delta, kernels[i].T, self.deltas[i - 1][:n])
        self.rule(self.forward.flat, self.flat)

    def _forward(self, x: Array) -> None:
        if not self.masks:
            self.forward(x)
            return
        n, kept = len(x), 1 - self.network.dropout
        for i, (kernel, bias, activation, z, y) in enumerate(self.forward.steps):
            z, y = z[:n], y[:n]
            np.matmul(x, kernel, z)
            np.add(z, bias, z)
            if activation is not None:
                activation(z, y)
            if i < len(self.masks):
                mask, x = self.masks[i][:n], self.dropped[i][:n]
                self.rng.random(dtype=np.float32, out=mask)
                np.multiply(mask < kept, np.float32(1 / kept), mask)
                np.multiply(y, mask, x)

    def _output_delta(
        self, outputs: Array, y: Array, delta: Array, slope: formulas.Slope | None
    ) -> formulas.Slope | None:
        """Put the loss's derivative into delta; return the slope that it still lacks."""
        n = len(outputs)
        if self.network.loss == "cross_entropy":  # of a softmax
            np.copyto(delta, outputs)
            delta[self.rows[:n], y] -= 1
            np.multiply(delta, 1 / n, delta)
            return None
        np.subtract(outputs, y, delta)
        np.multiply(delta, 2 / outputs.size, delta)
        return slope
