"""Masks of sequences: made by layers, handed on by layers, and what they leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Input, Network, Tensor, layers, ops
from pynn.layers import (
    GRU,
    LSTM,
    Add,
    Attention,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool1D,
    Lambda,
    Layer,
    LayerNorm,
    Masking,
    MultiHeadAttention,
    SimpleRNN,
    TimeDistributed,
    TransformerEncoder,
)
from pynn.metrics import R2Score

WORDS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0], [5, 0, 0, 0, 0], [0, 3, 0, 5, 8]])
SEEN = WORDS != 0


def embedding() -> Embedding:
    return Embedding(10, 4, mask_zero=True, input_shape=(5,))


def mask_of(*tail: Layer) -> np.ndarray[Any, Any] | None:
    """Return what arrives behind these layers: a layer at the end stores it."""
    found: list[Any] = []

    class Probe(Layer):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            found.append(mask)
            return x if mask is None else mask.astype("float32")

    y = Network([embedding(), *tail, Probe()])(WORDS)
    return None if found[-1] is None else y


# --- who keeps it


KEEPING: list[Callable[[], Layer]] = [
    lambda: Dense(3, "relu"),
    lambda: Dropout(0.5),
    lambda: LayerNorm(),
    lambda: layers.BatchNorm(),
    lambda: layers.ReLU(),
    lambda: layers.Activation("tanh"),
    lambda: layers.Softmax(),
    lambda: layers.GaussianNoise(0.1),
    lambda: layers.SpatialDropout1D(0.1),
    lambda: layers.Rescaling(2.0),
    lambda: layers.PositionalEmbedding(5),
    lambda: TransformerEncoder(8, 2),
    lambda: GRU(3, return_sequences=True),
    lambda: Bidirectional(GRU(3, return_sequences=True)),
    lambda: TimeDistributed(Dense(2)),
    lambda: Network([Dense(3), Dropout(0.1)]),
]


@pytest.mark.parametrize("make", KEEPING)
def test_a_layer_that_keeps_the_axis_of_time_keeps_the_mask(make: Callable[[], Layer]) -> None:
    mask = mask_of(make())
    assert mask is not None
    np.testing.assert_array_equal(mask, SEEN)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Flatten(),
        lambda: LSTM(3),
        lambda: GlobalAvgPool1D(),
        lambda: layers.MaxPool1D(2),
        lambda: Lambda(lambda x: x * 2),
    ],
)
def test_other_layers_end_it(make: Callable[[], Layer]) -> None:
    assert mask_of(make()) is None


def test_a_sequence_read_backwards_has_its_mask_backwards() -> None:
    mask = mask_of(SimpleRNN(2, return_sequences=True, go_backwards=True))
    assert mask is not None
    np.testing.assert_array_equal(mask, SEEN[:, ::-1])


def test_a_layer_of_ones_own_says_what_becomes_of_it() -> None:
    class Halve(Layer):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, ::2]

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            return None if mask is None else mask[:, ::2]

    mask = mask_of(Halve())
    assert mask is not None
    np.testing.assert_array_equal(mask, SEEN[:, ::2])


# --- where it goes


def explicit(front: Embedding, reader: Layer) -> Any:
    return reader(front(WORDS), mask=SEEN)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SimpleRNN(3),
        lambda: LSTM(3),
        lambda: GRU(3, go_backwards=True),
        lambda: Bidirectional(LSTM(3)),
        lambda: GlobalAvgPool1D(),
    ],
)
def test_in_a_network_layers_see_what_is_given_by_hand(make: Callable[[], Layer]) -> None:
    front, reader = embedding(), make()
    net = Network([front, Dropout(0.5), reader])
    expected = explicit(front, reader)
    np.testing.assert_allclose(net(WORDS), expected, rtol=1e-6)
    np.testing.assert_allclose(net.predict(WORDS), expected, rtol=1e-6)
    np.testing.assert_allclose(net.freeze()(WORDS.astype("float32")), expected, rtol=1e-5)
    assert np.abs(reader(front(WORDS)) - expected).max() > 1e-4


def test_graphs_nested_networks_and_forwards_hand_it_on() -> None:
    front, reader = embedding(), GRU(3)
    expected = explicit(front, reader)

    words = Input(5, dtype="int64")
    graph = Network(inputs=words, outputs=reader(Dropout(0.5)(front(words))))
    np.testing.assert_allclose(graph(WORDS), expected, rtol=1e-6)

    class Reader(Network):
        def __init__(self) -> None:
            super().__init__()
            self.front, self.reader = front, reader

        def forward(self, x: Any) -> Any:
            return self.reader(self.front(x))

    np.testing.assert_allclose(Reader()(WORDS), expected, rtol=1e-6)
    nested = Network([Network([front]), Network([Dropout(0.1), reader])])
    np.testing.assert_allclose(nested(WORDS), expected, rtol=1e-6)


def test_under_a_tape_too() -> None:
    front, reader = embedding(), GRU(3)
    net = Network([front, reader])
    net(WORDS)
    with pynn.GradientTape() as tape:
        y = net(Tensor(WORDS))
        loss = y.sum()
    np.testing.assert_allclose(y.numpy(), explicit(front, reader), rtol=1e-6)
    gradient = tape.gradient(loss, front.embeddings)
    assert gradient is not None and not gradient.numpy()[0].any()  # of padding


def test_a_mask_given_by_hand_comes_first() -> None:
    front, reader = embedding(), GRU(3)

    class Both(Network):
        def __init__(self) -> None:
            super().__init__()
            self.front, self.reader = front, reader

        def forward(self, x: Any) -> Any:
            return self.reader(self.front(x), mask=ops.equal(x, 0))

    np.testing.assert_allclose(Both()(WORDS), reader(front(WORDS), mask=~SEEN), rtol=1e-6)


def test_masking_leaves_out_steps_of_one_value() -> None:
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    x[1, 3:] = -1
    reader = LSTM(4)
    net = Network([Masking(-1.0, input_shape=(5, 2)), reader])
    np.testing.assert_allclose(net(x)[1], reader(x[1:2, :3])[0], rtol=1e-5)


def test_batch_normalization_leaves_padding_out_of_its_statistics() -> None:
    front, norm = embedding(), layers.BatchNorm(momentum=0.0)
    net = Network([front, norm])
    y, rows = net.forward(WORDS, training=True), front(WORDS)[SEEN]
    np.testing.assert_allclose(norm.moving_mean.numpy(), rows.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(norm.moving_variance.numpy(), rows.var(0), rtol=1e-5)
    other = layers.BatchNorm()
    np.testing.assert_allclose(y[SEEN], other(rows, training=True), rtol=1e-4, atol=1e-5)


def test_attention_looks_at_no_padding() -> None:
    front = Embedding(10, 4, mask_zero=True)
    a = Input(5, dtype="int64")
    for layer in (MultiHeadAttention(2, 2), Attention()):
        x = front(a)
        net = Network(inputs=a, outputs=layer(x, x))
        y, short = net(WORDS)[1], front(WORDS[1:2, :3])
        np.testing.assert_allclose(y[:3], layer(short, short)[0], rtol=1e-5, atol=1e-6)


def test_a_transformer_computes_the_same_however_long_the_padding() -> None:
    for first in (False, True):
        net = Network(
            [
                Embedding(10, 4, mask_zero=True),
                TransformerEncoder(8, 2, normalize_first=first),
                TransformerEncoder(8, 2, normalize_first=first),
                GlobalAvgPool1D(),
            ]
        )
        y, expected = net(WORDS[1:2]), WORDS[1:2, :3]
        for layer in net.layers:
            expected = layer(expected)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_merging_layers_join_masks() -> None:
    words = Input(5, dtype="int64")
    front, plain = embedding(), Embedding(10, 4)
    other = Lambda(lambda x: x[:, ::-1])(words)

    def seen(y: Any) -> Any:
        return Network(inputs=words, outputs=Probe()(y))(WORDS)

    class Probe(Layer):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            return ops.zeros_like(x[..., 0]) if mask is None else mask.astype("float32") + 1

    there, back = SEEN.astype(int), SEEN[:, ::-1].astype(int)
    pair = [front(words), front(other)]
    np.testing.assert_array_equal(seen(Add()(pair)), (there | back) + 1)
    np.testing.assert_array_equal(seen(Concatenate()(pair)), (there & back) + 1)
    np.testing.assert_array_equal(seen(Concatenate(1)(pair)), np.hstack([there, back]) + 1)
    half = [front(words), plain(words)]
    assert not seen(Add()(half)).any()
    ones = np.ones_like(there)
    np.testing.assert_array_equal(seen(Concatenate(1)(half)), np.hstack([there, ones]) + 1)


def test_documents_of_sentences_of_words() -> None:
    documents = WORDS.reshape(2, 2, 5).copy()
    documents[1, 1] = 0
    front, words, sentences = Embedding(10, 4, mask_zero=True), GRU(3), GRU(2)
    net = Network([TimeDistributed(front), TimeDistributed(words), sentences])
    rows = words(front(documents.reshape(4, 5)), mask=documents.reshape(4, 5) != 0)
    expected = sentences(rows.reshape(2, 2, 3), mask=(documents != 0).any(2))
    np.testing.assert_allclose(net(documents), expected, rtol=1e-5)


# --- losses and metrics


@pytest.fixture
def tagger() -> Network:
    pynn.seed(3)
    net = Network([embedding(), LSTM(4, return_sequences=True), Dense(3, "softmax")])
    net.use("sparse_categorical_crossentropy", "sgd", metrics=["accuracy"])
    return net


def test_steps_that_are_left_out_carry_no_weight(tagger: Network) -> None:
    y = np.random.default_rng(0).integers(0, 3, WORDS.shape)
    p = tagger.predict(WORDS)
    losses = -np.log(np.take_along_axis(p, y[..., None], -1))[..., 0]
    found = tagger.evaluate(WORDS, y)
    assert found["loss"] == pytest.approx(losses[SEEN].mean(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((p.argmax(-1) == y)[SEEN].mean())
    weights = np.array([1.0, 0.5, 2.0, 0.0])
    weighted = tagger.evaluate(WORDS, y, sample_weight=weights)["loss"]
    assert weighted == pytest.approx((losses * weights[:, None])[SEEN].sum() / SEEN.sum(), rel=1e-5)

    other = np.where(SEEN, y, 2 - y)
    assert tagger.evaluate(WORDS, other) == found
    start = tagger.get_weights()
    tagger.fit(WORDS, y, epochs=2, verbose=0, shuffle=False)
    trained = tagger.get_weights()
    tagger.set_weights(start)
    tagger.fit(WORDS, other, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(tagger.get_weights(), trained, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_of_padding_costs_nothing(tagger: Network) -> None:
    nothing = np.zeros((2, 5), int)
    found = tagger.evaluate(nothing, nothing)
    assert found["loss"] == 0 and np.isnan(found["accuracy"])


def test_r2_counts_the_steps_that_are_seen() -> None:
    net = Network([embedding(), GRU(2, return_sequences=True)])
    net.use("mse", metrics=["r2"])
    words = WORDS[:3].copy()
    words[:, 4] = 0
    y = np.random.default_rng(1).normal(size=(3, 5, 2))
    p = net.predict(words)
    steps = [(words[:, t] != 0, t) for t in range(4)]
    expected = np.mean([R2Score()(y[rows, t], p[rows, t]) for rows, t in steps])
    assert net.evaluate(words, y)["r2"] == pytest.approx(expected, rel=1e-5)


def test_a_loss_a_sample_cannot_leave_out_steps() -> None:
    net = Network([embedding(), GRU(2, return_sequences=True)])
    net.use(lambda y, p: ops.square(y - p).mean((1, 2)))
    with pytest.raises(ValueError, match=r"gives values of shape \(4,\).*padding"):
        net.evaluate(WORDS, np.zeros((4, 5, 2)))
