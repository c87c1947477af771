"""Networks whose forward a user writes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Network, losses, optimizers
from pynn.layers import Dense, Layer


class Residual(Network):
    """A loop over layers in a list, a skip, and a condition on the shape."""

    def __init__(self, units: int, depth: int, **options: Any) -> None:
        super().__init__(**options)
        self.inner = [Dense(units, activation="tanh") for _ in range(depth)]
        self.last = Dense(1)

    def forward(self, x: pynn.Tensor) -> pynn.Tensor:
        for layer in self.inner:
            y = layer(x)
            x = x + y if x.shape == y.shape else y
        return self.last(x)


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    return x, np.sin(x.sum(axis=1, keepdims=True))


def by_hand(net: Residual, x: np.ndarray) -> np.ndarray:
    for layer in net.inner:
        y = np.tanh(x @ np.asarray(layer.kernel) + np.asarray(layer.bias))
        x = x + y if x.shape == y.shape else y
    return np.asarray(x @ np.asarray(net.last.kernel) + np.asarray(net.last.bias))


def test_it_trains_predicts_and_evaluates() -> None:
    pynn.seed(0)
    x, y = data()
    net = Residual(8, 3)
    net.use("mse", optimizers.Adam(0.01), metrics=["mae"])
    history = net.fit(x, y, epochs=60, batch_size=16, verbose=0).history
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    np.testing.assert_allclose(net.predict(x), by_hand(net, x), rtol=1e-5, atol=1e-5)
    logs = net.evaluate(x, y)
    assert logs["mae"] == pytest.approx(np.abs(by_hand(net, x) - y).mean(), rel=1e-4)


def test_its_layers_are_found_named_and_summed_up() -> None:
    x, _ = data()
    net = Residual(8, 3, name="skips")
    net(x)
    assert net.layers == [*net.inner, net.last]
    assert [layer.name for layer in net.layers] == ["dense", "dense_1", "dense_2", "dense_3"]
    assert len(net.get_weights()) == 8
    lines: list[str] = []
    net.summary(print_fn=lines.append)
    assert "dense_3" in lines[0]
    with pytest.raises(RuntimeError, match=r"skips.*forward of its own"):
        net.add(Dense(3))


def test_copies_pickles_and_frozen_networks_compute_the_same() -> None:
    x, _ = data()
    net = Residual(4, 2)
    expected = net(x)
    np.testing.assert_array_equal(copy.deepcopy(net)(x), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net))(x), expected)
    np.testing.assert_allclose(net.freeze()(x), expected, rtol=1e-5, atol=1e-6)


def test_its_gradients_are_those_of_the_same_network_in_a_row() -> None:
    class Row(Network):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Dense(5, activation="relu"), Dense(2)

        def forward(self, x: pynn.Tensor) -> pynn.Tensor:
            return self.second(self.first(x))

    x, _ = data()
    written, plain = Row(), Network([Dense(5, activation="relu"), Dense(2)])
    written(x), plain(x)
    plain.set_weights(written.get_weights())
    grad = np.ones((64, 2), "float32")
    for net in (written, plain):
        net.forward(x)
        net.backward(grad)
    for one, other in zip(written.gradients, plain.gradients, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_can_be_part_of_another_network_and_take_its_dtype() -> None:
    x, y = data()
    net = Network([Residual(4, 1), Dense(1)], dtype="float64")
    net.use(losses.MeanSquaredError(), optimizers.SGD(0.01))
    net.fit(x, y, epochs=2, verbose=0)
    assert {weight.dtype for weight in net.weights} == {"float64"}


def test_mixed_precision_rounds_its_products() -> None:
    x, y = data()
    net = Residual(8, 2)
    exact = net(x)
    net.use("mse", precision="mixed_bfloat16")
    rounded = net.predict(x)
    assert 0 < np.abs(rounded - exact).max() < 0.05
    net.fit(x, y, verbose=0)


def test_what_its_forward_does_wrong_is_said() -> None:
    class Nothing(Network):
        def forward(self, x: pynn.Tensor) -> None:
            del x

    net = Nothing()
    with pytest.raises(TypeError, match="Nothing 'nothing': forward must return"):
        net(np.zeros((2, 3)))
    assert isinstance(net, Layer)
