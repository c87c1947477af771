"""Networks with several inputs and outputs: shared layers, skips, nesting, gradients."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Input, Network, Tensor
from pynn.layers import Dense, Layer

A, B = np.random.default_rng(0).normal(size=(2, 5, 3))


class Add(Layer):
    def forward(self, inputs: list[Tensor]) -> Tensor:
        first, second = inputs
        return first + second


def towers() -> Network:
    """Two inputs through one shared layer, with a skip; two outputs."""
    pynn.seed(1)
    a, b = Input(3, name="a"), Input(3, name="b")
    shared = Dense(3, "tanh")
    total = Add()([shared(a), shared(b)])
    return Network(
        inputs=[a, b],
        outputs={"score": Dense(1)(Add()([total, a])), "code": total},
    )


def by_numpy(net: Network, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    w, bias, v, c = net.get_weights()
    total = np.tanh(a @ w + bias) + np.tanh(b @ w + bias)
    return {"score": (total + a) @ v + c, "code": total}


@pytest.mark.parametrize("rows", [1, 5])
def test_several_inputs_and_outputs(rows: int) -> None:
    net = towers()
    assert net.input_shape == [(3,), (3,)]
    assert net.output_shape == {"score": (1,), "code": (3,)}
    assert len(net.weights) == 4
    out, expected = net([A[:rows], B[:rows]]), by_numpy(net, A[:rows], B[:rows])
    assert list(out) == ["score", "code"]
    for name, value in expected.items():
        np.testing.assert_allclose(out[name], value, rtol=1e-5, atol=1e-6)
    twin = copy.deepcopy(net)([A[:rows], B[:rows]])
    np.testing.assert_array_equal(twin["score"], out["score"])


def test_gradients_of_shared_layers_add_up() -> None:
    a, b = Input(3), Input(3)
    shared = Dense(2, "tanh", dtype="float64")
    net = Network(inputs=(a, b), outputs=Add(dtype="float64")([shared(a), shared(b)]))
    r = np.random.default_rng(2).normal(size=(5, 2))
    net.forward((A, B))
    da, db = net.backward(r)
    w, c = net.get_weights()
    da_, db_ = (r * (1 - np.tanh(x @ w + c) ** 2) for x in (A, B))
    np.testing.assert_allclose(da, da_ @ w.T, rtol=1e-9)
    np.testing.assert_allclose(db, db_ @ w.T, rtol=1e-9)
    np.testing.assert_allclose(net.gradients[0], A.T @ da_ + B.T @ db_, rtol=1e-9)


def test_a_graph_inside_a_graph() -> None:
    inner = towers()
    a, b = Input(3), Input(3)
    out = inner([a, b])
    net = Network(inputs=[a, b], outputs=Dense(2)(Add()([out["code"], a])))
    expected = by_numpy(inner, A, B)["code"] + A
    w, c = net.get_weights()[-2:]
    np.testing.assert_allclose(net([A, B]), expected @ w + c, rtol=1e-5, atol=1e-6)
    assert net.layers[0] is inner


def test_one_input_used_twice_trains() -> None:
    x = Input(3)
    hidden = Dense(3, "relu")(x)
    net = Network(inputs=x, outputs=Dense(1)(Add()([hidden, x])))
    net.use("mse", pynn.optimizers.Adam(0.05))
    history = net.fit(A, A.sum(axis=1, keepdims=True), epochs=60, verbose=0).history["loss"]
    assert history[-1] < 0.1 * history[0]


def test_wrong_graphs_and_wrong_inputs_are_refused() -> None:
    a, b = Input(3), Input(3)
    total = Add()([a, b])
    wrong: list[tuple[Any, Any, str]] = [
        (a, total, "from inputs alone"),
        ([a, b], Dense(1)(a), "no output depends on input 1"),
        ([a, a], Dense(1)(a), "only once"),
    ]
    for inputs, outputs, message in wrong:
        with pytest.raises(ValueError, match=message):
            Network(inputs=inputs, outputs=outputs)
    with pytest.raises(TypeError, match="expects an Input"):
        Network(inputs=total, outputs=Dense(1)(total))
    net = Network(inputs=[a, b], outputs=total)
    for bad in ([A], [A, B, A], [A, B[:, :2]]):
        with pytest.raises(ValueError, match="expects samples of shapes"):
            net(bad)
