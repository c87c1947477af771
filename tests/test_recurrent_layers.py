"""What recurrent layers do beside what the generic tests of layers see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import ops
from pynn._native import Recorder
from pynn.layers import GRU, LSTM, Bidirectional, Dense, SimpleRNN

KINDS = [SimpleRNN, LSTM, GRU]


@pytest.fixture
def x() -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).normal(size=(6, 5, 3))


def test_the_forget_gates_bias_starts_at_one() -> None:
    layer, plain = LSTM(2), LSTM(2, unit_forget_bias=False)
    for one in (layer, plain):
        one(np.zeros((1, 1, 1)))
    assert layer.bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert plain.bias.tolist() == [0] * 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_recurrent_kernel_starts_orthogonal(kind: Any) -> None:
    layer = kind(4, dtype="float64")
    layer(np.zeros((1, 1, 1)))
    u = layer.recurrent_kernel.numpy()
    np.testing.assert_allclose(u @ u.T, np.eye(4), atol=1e-12)


def test_dropout_drops_the_same_features_in_all_steps() -> None:
    layer = SimpleRNN(64, None, dropout=0.5, return_sequences=True)
    layer(np.ones((2, 7, 64)))
    layer.set_weights([np.eye(64), np.zeros((64, 64)), np.zeros(64)])
    y = layer(np.ones((2, 7, 64)), training=True)
    assert sorted(np.unique(y)) == [0.0, 2.0]
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert not np.array_equal(y[0], y[1])


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_are_those_of_finite_differences(
    kind: Any, x: np.ndarray[Any, Any]
) -> None:
    layer = kind(2, dtype="float64")
    layer(x)
    with Recorder() as recorder:
        inputs = recorder.input(x.shape, "float64")
        [g] = recorder.gradient(ops.sum(layer(inputs) ** 2), [inputs])
        assert g is not None
        norm = ops.sum(g * g)
        [second] = recorder.gradient(norm, [inputs])
        assert second is not None
        program = recorder.compile([norm, second])
    d = np.random.default_rng(4).normal(size=x.shape)
    step = 1e-5
    difference = (program(x + step * d)[0] - program(x - step * d)[0]) / (2 * step)
    np.testing.assert_allclose((program(x)[1] * d).sum(), difference, rtol=1e-6)


def test_a_tape_gives_the_gradients_of_a_recording(x: np.ndarray[Any, Any]) -> None:
    layer = LSTM(4, dtype="float64")
    tensor = pynn.Tensor(x)
    with pynn.GradientTape() as tape:
        tape.watch(tensor)
        loss = ops.sum(layer(tensor) ** 2)
    got = tape.gradient(loss, [tensor, *layer.parameters])
    with Recorder() as recorder:
        inputs = recorder.input(x.shape, "float64")
        loss = ops.sum(layer(inputs) ** 2)
        found = recorder.gradient(loss, [inputs, *layer.parameters])
        program = recorder.compile([g for g in found if g is not None])
    for one, other in zip(got, program(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_network_with_recurrent_layers_learns_and_freezes(x: np.ndarray[Any, Any]) -> None:
    pynn.seed(0)
    net = pynn.Network(
        [
            LSTM(8, input_shape=(5, 3), return_sequences=True),
            Bidirectional(GRU(6)),
            Dense(1),
        ]
    )
    net.use("mse", pynn.optimizers.Adam(0.01))
    y = x.sum((1, 2), keepdims=True)[:, 0]
    losses = net.fit(x, y, epochs=150, batch_size=4, verbose=0).history["loss"]
    assert losses[-1] < 0.02 * losses[0]
    np.testing.assert_allclose(net.freeze()(x), net.predict(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LSTM(0), ValueError, "LSTM: units expects an integer of at least 1, got 0"),
        (lambda: GRU(3, dropout=1.5), ValueError, "GRU: dropout"),
        (lambda: SimpleRNN(3, "tan"), ValueError, "tan"),
        (lambda: LSTM(3)(np.zeros((2, 3))), ValueError, r"\(batch, time, features\).*\(3,\)"),
        (lambda: Bidirectional(Dense(3)), TypeError, "expects a recurrent layer, got Dense"),  # type: ignore[arg-type]
        (lambda: Bidirectional(LSTM(3), "avg"), ValueError, "did you mean 'ave'"),
        (
            lambda: Bidirectional(LSTM(3), backward_layer=LSTM(3)),
            ValueError,
            "must differ in go_backwards",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
