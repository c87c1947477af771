"""Layers, networks and losses under a gradient tape, against their own recorded gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_cases import CASES
from test_layer_cases import Programs, close, flat, made

import pynn
from pynn import GradientTape, Network, Tensor, Variable, _native, ops
from pynn.layers import Activation, BatchNormalization, Dense, Dropout, Layer

X = np.random.default_rng(3).normal(size=(6, 4)).astype("float32")
Y = np.random.default_rng(4).normal(size=(6, 2)).astype("float32")


@pytest.mark.parametrize("name", CASES)
def test_every_layer_gives_a_tape_the_gradients_that_it_gives_a_recording(name: str) -> None:
    case = CASES[name]
    layer, arrays = made(case, "float64"), case.arrays("float64")
    programs = Programs(case, layer, arrays)
    if programs.forward.random:
        pytest.skip("a tape and a recording draw different random numbers")
    if not any(programs.known):
        pytest.skip("the layer has no gradient")
    expected = programs.gradients(arrays)
    inputs = [Tensor(x) for x in arrays]
    with GradientTape() as tape:
        tape.watch([x for x in inputs if "float" in x.dtype])
        outputs = flat(case.call(layer, inputs, **({"training": True} if case.training else {})))
        terms = [
            (y * Tensor(r)).sum()
            for y, r in zip(outputs, programs.weights, strict=True)
            if "float" in y.dtype
        ]
        loss = sum(terms[1:], start=terms[0])
    sources = [x for x in inputs if "float" in x.dtype] + layer.parameters
    for i, (found, wanted) in enumerate(zip(tape.gradient(loss, sources), expected, strict=True)):
        assert (found is None) == (wanted is None)
        if found is not None:
            close(found.numpy(), wanted, 1e-10, f"source {i}")


def mlp(**options: Any) -> Network:
    pynn.seed(2)
    net = Network(**options)
    net.add(Dense(5, activation="gelu", input_shape=(4,)))
    net.add(Dense(2, activation="tanh"))
    return net


@pytest.mark.parametrize("data", [X, Tensor(X), X.tolist()], ids=["array", "tensor", "list"])
def test_a_network_gives_the_gradients_that_fit_uses(data: Any) -> None:
    net = mlp()
    loss = pynn.losses.MeanSquaredError()
    x = data if isinstance(data, Tensor) else np.asarray(data, "float32")
    net.backward(loss.gradient(Y, net.forward(x)))
    expected = net.gradients
    net(x)  # leaves the short way behind
    with GradientTape() as tape:
        value = loss(Y, net(data))
    assert tape.watched_variables() == tuple(net.parameters)
    for ours, theirs in zip(tape.gradient(value, net.parameters), expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-7)
    assert isinstance(net(X), np.ndarray)


def test_gradients_of_inputs_and_of_single_samples() -> None:
    net = mlp(dtype="float64")
    x = Variable(X[0], dtype="float64")
    with GradientTape() as tape:
        y = net(x)
    assert y.shape == (2,)
    found = tape.jacobian(y, x).numpy()
    h = 1e-6
    for j in range(4):
        step = h * np.eye(4)[j]
        expected = (net(x.numpy() + step) - net(x.numpy() - step)) / (2 * h)
        np.testing.assert_allclose(found[:, j], expected, rtol=1e-6, atol=1e-9)


def test_second_derivatives_through_a_network() -> None:
    """A penalty on the gradient of the outputs, differentiated with respect to the weights."""
    net = mlp(dtype="float64")
    kernel = net.parameters[0]

    def penalty() -> Tensor:
        x = Tensor(X, "float64")
        with GradientTape() as inner:
            inner.watch(x)
            y = net(x).sum()
        return ops.square(inner.gradient(y, x)).sum()

    with GradientTape() as outer:
        value = penalty()
    found = outer.gradient(value, kernel).numpy()
    before = kernel.numpy().copy()
    expected = np.empty_like(before)
    h = 1e-5
    for at in np.ndindex(before.shape):
        sides = []
        for step in (h, -h):
            moved = before.copy()
            moved[at] += step
            kernel.assign(moved)
            sides.append(penalty().item())
        expected[at] = (sides[0] - sides[1]) / (2 * h)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_training_reaches_the_layers_inside() -> None:
    net = Network([Dropout(0.5, input_shape=(1000,)), Activation("linear")])
    x = Variable(np.ones((1, 1000), "float32"))
    with GradientTape(persistent=True) as tape:
        still, dropped = net(x), net(x, training=True)
    assert (still.numpy() == 1).all()
    assert 300 < (dropped.numpy() == 0).sum() < 700
    np.testing.assert_array_equal(tape.gradient(dropped, x).numpy(), dropped.numpy())
    assert not net.training

    normal = BatchNormalization(input_shape=(4,))
    with GradientTape() as tape:
        y = (normal(X, training=True) ** 3).sum()
    mean, gamma = normal.weights[2].numpy(), normal.parameters[0]
    assert np.abs(mean).max() > 0
    assert np.abs(tape.gradient(y, gamma).numpy()).max() > 0


def test_a_layer_written_in_numpy() -> None:
    class Scale(Layer):
        def build(self, input_shape: Any) -> None:
            self.factor = self.add_weight("factor", (1,), "ones")

        def forward(self, x: Any) -> Any:
            self.x = x
            return x * self.factor * 3

        def backward(self, grad: Any) -> Any:
            self.gradients = [np.array([(grad * self.x * 3).sum()])]
            return grad * self.factor * 3

    layer = Scale()
    x = Variable(X)
    with GradientTape(persistent=True) as tape:
        y = ops.square(layer(x)).sum()
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), 18 * X, rtol=1e-5)
    (found,) = tape.gradient(y, layer.parameters)
    np.testing.assert_allclose(found.numpy(), [18 * (X * X).sum()], rtol=1e-5)
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = ops.square(layer(x)).sum()
        dx = inner.gradient(y, x)
    with pytest.raises(RuntimeError, match="has no backward"):
        outer.gradient(dx, layer.parameters)


def test_a_training_loop_with_an_optimizer() -> None:
    net = mlp()
    loss, optimizer = pynn.losses.MeanSquaredError(), pynn.optimizers.Adam(learning_rate=0.02)
    values = []
    for _ in range(60):
        with GradientTape() as tape:
            value = loss(Y, net(X, training=True))
        optimizer.apply(net.parameters, tape.gradient(value, net.parameters))
        values.append(value.item())
    assert values[-1] < values[0] / 2


def test_errors_leave_no_trace() -> None:
    net = mlp()
    with GradientTape():
        with pytest.raises(ValueError, match="expects inputs"):
            net(np.ones((2, 3), "float32"))
        assert not net.training
    assert _native.is_idle()
    assert net(X).shape == (6, 2)
