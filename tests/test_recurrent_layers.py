"""What recurrent layers do beside what the generic tests of layers see."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import ops
from pynn._native import Recorder
from pynn.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    Embedding,
    Lambda,
    Layer,
    LSTMCell,
    Masking,
    RepeatVector,
    SimpleRNN,
    StackedRNNCells,
)

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


ONES = np.ones((2, 4, 3))
MASK = np.random.default_rng(6).random((6, 5)) < 0.6


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_masked_steps_are_as_if_they_were_not_there(
    kind: Any, backwards: bool, x: np.ndarray[Any, Any]
) -> None:
    options: Any = {"dtype": "float64", "go_backwards": backwards, "return_state": True}
    layer = kind(4, return_sequences=True, **options)
    y, *states = layer(x, mask=MASK)
    shorter = kind(4, **options)
    shorter(x)
    shorter.set_weights(layer.get_weights())
    for got, wanted in zip(shorter(x, mask=MASK.astype(int)), (y[:, -1], *states), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert {2, 3} & set(MASK.sum(1))
    for i, row in enumerate(MASK):
        ys, *last = layer(x[i : i + 1, row])
        seen = row[::-1] if backwards else row
        np.testing.assert_allclose(y[i, seen], ys[0], rtol=1e-12)
        before = np.concatenate([np.zeros((1, 4)), ys[0]])[seen.cumsum()]
        np.testing.assert_allclose(y[i], before, rtol=1e-12)
        for got, wanted in zip(states, last, strict=True):
            np.testing.assert_allclose(got[i], wanted[0], rtol=1e-12)


def test_a_sequence_of_padding_keeps_its_state_and_gives_zeros(x: np.ndarray[Any, Any]) -> None:
    h = np.random.default_rng(7).normal(size=(6, 4))
    y, last = GRU(4, return_state=True, dtype="float64")(x, h, mask=np.zeros((6, 5), bool))
    np.testing.assert_array_equal(y, np.zeros((6, 4)))
    np.testing.assert_array_equal(last, h)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_may_be_read_in_two_parts(kind: Any, x: np.ndarray[Any, Any]) -> None:
    layer = kind(4, return_sequences=True, return_state=True, dtype="float64")
    y, *states = layer(x)
    first, *between = layer(x[:, :2], initial_state=[np.zeros((6, 4), int)] * len(states))
    second, *last = layer(x[:, 2:], initial_state=between)
    np.testing.assert_allclose(np.concatenate([first, second], 1), y, rtol=1e-12)
    for got, wanted in zip(last, states, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_bidirectional_hands_masks_and_states_to_both(x: np.ndarray[Any, Any]) -> None:
    states = list(np.random.default_rng(7).normal(size=(4, 6, 3)))
    both = Bidirectional(
        LSTM(3, return_sequences=True, return_state=True), merge_mode=None, dtype="float64"
    )
    a, b, *last = both(x, initial_state=states, mask=MASK)
    forwards, *ahead = both.layer(x, states[:2], MASK)
    backwards, *behind = both.backward_layer(x, states[2:], MASK)
    np.testing.assert_array_equal(a, forwards)
    np.testing.assert_array_equal(b, backwards[:, ::-1])
    np.testing.assert_array_equal(last, [*ahead, *behind])


def test_masks_come_from_the_layers_that_know_them() -> None:
    ids = np.array([[3, 1, 0, 0], [2, 0, 0, 0], [1, 2, 3, 1]])
    embedding, recurrent = Embedding(4, 3, mask_zero=True), Bidirectional(GRU(2))
    tokens = pynn.Input(4, dtype="int64")
    mask = Lambda(embedding.compute_mask)(tokens)
    net = pynn.Network(inputs=tokens, outputs=recurrent(embedding(tokens), mask=mask))
    y = net(ids)
    np.testing.assert_allclose(y[0], net(np.array([[3, 1, 0, 0]]))[0], rtol=1e-6)
    vectors = embedding(ids)
    np.testing.assert_allclose(y[:2, :2], recurrent.layer(vectors, mask=ids != 0)[:2], rtol=1e-6)
    np.testing.assert_allclose(y[1], recurrent(vectors[1:2, :1])[0], rtol=1e-6)

    masking = Masking(-1.0)
    padded = np.where((ids == 0)[..., None], -1.0, vectors)
    found = masking.compute_mask(padded)
    np.testing.assert_array_equal(found, ids != 0)
    np.testing.assert_array_equal(masking(padded), np.where(found[..., None], vectors, 0))
    np.testing.assert_allclose(recurrent(masking(padded), mask=found), y, rtol=1e-6)


def test_a_network_trains_through_states(x: np.ndarray[Any, Any]) -> None:
    """An encoder's states start a decoder."""
    pynn.seed(0)
    source = pynn.Input((5, 3))
    last, *states = LSTM(8, return_state=True)(source)
    decoder = LSTM(8, return_sequences=True)
    net = pynn.Network(
        inputs=source, outputs=Dense(3)(decoder(RepeatVector(4)(last), initial_state=states))
    )
    net.use("mse", pynn.optimizers.Adam(0.02))
    losses = net.fit(x, x[:, :4], epochs=150, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stateful_layer_goes_on_where_the_last_call_stopped(
    kind: Any, x: np.ndarray[Any, Any]
) -> None:
    options: Any = {"return_sequences": True, "dtype": "float64"}
    plain, layer = kind(4, **options), kind(4, stateful=True, **options)
    y = plain(x)
    layer(x)
    layer.set_weights(plain.get_weights())
    layer.reset_states()
    parts = [layer(x[:, :2]), layer(x[:, 2:])]
    np.testing.assert_allclose(np.concatenate(parts, 1), y, rtol=1e-12)
    np.testing.assert_allclose(layer(x[:3]), y[:3], rtol=1e-12)  # other rows, other states
    assert np.abs(layer(x) - y).max() > 1e-3
    first = [np.full((6, 4), 0.5)] * len(layer.state_size)
    layer.reset_states(first)
    np.testing.assert_allclose(layer(x), plain(x, first), rtol=1e-12)


def test_states_that_are_kept_are_no_weights_and_training_moves_them_on(
    x: np.ndarray[Any, Any],
) -> None:
    layer = GRU(3, stateful=True, input_shape=(5, 3))
    net = pynn.Network([layer, Dense(1)])
    net.use("mse", pynn.optimizers.SGD(0.0))
    net.fit(x, x[:, 0, :1], batch_size=6, epochs=2, shuffle=False, verbose=0)
    assert len(net.weights) == 5
    after = net.predict(x)
    layer.reset_states()
    for _ in range(3):
        again = net.predict(x)
    np.testing.assert_allclose(after, again, rtol=1e-6)


def test_a_layer_and_its_cell_step_by_step_agree(x: np.ndarray[Any, Any]) -> None:
    cell = StackedRNNCells([LSTMCell(4), LSTMCell(2)])
    layer = RNN(cell, return_sequences=True, return_state=True, dtype="float64")
    y, *last = layer(x)
    states: Any = [np.zeros((6, n)) for n in cell.state_size]
    for t in range(5):
        out, states = cell(x[:, t], states)
        np.testing.assert_allclose(out, y[:, t], rtol=1e-12)
    for a, b in zip(states, last, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_both_ways_with_a_cell_of_ones_own(x: np.ndarray[Any, Any]) -> None:
    class Sum(Layer):
        state_size = 3

        def forward(self, x: Any, states: Any) -> Any:
            total = states[0] + x
            return total, [total]

    y = Bidirectional(RNN(Sum(), return_sequences=True), dtype="float64")(x)
    backwards = x[:, ::-1].cumsum(1)[:, ::-1]
    np.testing.assert_allclose(y, np.concatenate([x.cumsum(1), backwards], -1), rtol=1e-12)


class Odd(Layer):
    """A cell that forgets to return its states."""

    state_size = 3

    def forward(self, x: Any, states: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: RNN(3), TypeError, "RNN: cell expects a cell, a layer of one step, got 3"),  # type: ignore[arg-type]
        (lambda: RNN(Dense(3)), ValueError, "RNN: cell: Dense 'dense' needs a state_size"),
        (lambda: RNN(Odd())(ONES), TypeError, r"Odd 'odd': forward\(x, states\) .* \(y, states\)"),
        (lambda: StackedRNNCells([]), TypeError, r"expects a list of cells, got \[\]"),
        (
            lambda: LSTMCell(3)(ONES[:, 0], [np.ones((2, 3))]),
            ValueError,
            r"lstm_cell' expects states of shapes \[\(2, 3\), \(2, 3\)\], got \(2, 3\)",
        ),
        (lambda: GRU(3).reset_states(), ValueError, "gru' is not stateful"),
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
        (
            lambda: Bidirectional(GRU(3, return_state=True), backward_layer=GRU(3)),
            ValueError,
            "agree in return_sequences and return_state",
        ),
        (
            lambda: Bidirectional(GRU(3), name="both")(ONES, initial_state=[np.ones((2, 3))]),
            ValueError,
            "both.*expects a list of 1 forward and 1 backward states, got 1",
        ),
        (
            lambda: LSTM(3, name="memory")(ONES, initial_state=np.ones((2, 3))),
            ValueError,
            r"memory.*initial_state expects 2 of shape \(batch, units\) = \(2, 3\), got \(2, 3\)",
        ),
        (
            lambda: GRU(3, name="memory")(ONES, initial_state=[np.ones((2, 4))]),
            ValueError,
            r"memory.*initial_state expects 1 of shape .* got \(2, 4\)",
        ),
        (
            lambda: SimpleRNN(3, name="memory")(ONES, mask=np.ones((2, 5))),
            ValueError,
            r"memory.*mask expects shape \(batch, time\) = \(2, 4\), got \(2, 5\)",
        ),
        (
            lambda: GRU(3, name="memory")(ONES, mask=True),
            ValueError,
            r"memory.*mask expects shape .* got True",
        ),
        (
            lambda: GRU(3, name="memory")(ONES, initial_state="zeros"),
            ValueError,
            r"memory.*initial_state expects 1 .* got zeros",
        ),
        (
            lambda: Masking(name="padding")(np.ones((2, 4))),
            ValueError,
            r"padding.*expects sequences of shape \(batch, time, features\), got \(2, 4\)",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_say_all_arguments(kind: type[Layer]) -> None:
    """Those of the layer are the cell's and RNN's, in Keras's order, with the same defaults."""
    own = inspect.signature(kind).parameters
    cell = inspect.signature(kind.cell_class).parameters  # type: ignore[attr-defined]
    for name, parameter in {**inspect.signature(RNN).parameters, **cell}.items():
        if name not in ("cell", "options"):
            assert own[name].default == parameter.default
    first = ["units", "activation"] + ["recurrent_activation"] * (kind is not SimpleRNN)
    assert list(own)[: len(first) + 1] == [*first, "use_bias"]
    assert kind(2, None, *["tanh"] * (len(first) - 2), False).get_config()["use_bias"] is False
