"""Merging and attention in graphs: what is seen, what is shared, wrong inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Network, layers
from pynn.layers import Dense, Layer, MultiHeadAttention

X = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")


def test_no_position_sees_later_ones() -> None:
    attention = MultiHeadAttention(2, 4)
    encoder = layers.TransformerEncoder(16, 2, normalize_first=True)
    later = X.copy()
    later[:, 3:] += 1
    for layer, inputs in ((attention, 2), (encoder, 1)):
        y = layer(*[X] * inputs, use_causal_mask=True)
        changed = layer(*[later] * inputs, use_causal_mask=True)
        np.testing.assert_allclose(changed[:, :3], y[:, :3], rtol=1e-5, atol=1e-6)
        assert (np.abs(changed[:, 3:] - y[:, 3:]) > 1e-4).any()


def test_scores_are_shares_of_what_is_seen() -> None:
    mask = np.ones((2, 5, 5), bool)
    mask[0, :, 4] = False
    _, scores = MultiHeadAttention(2, 4)(X, X, attention_mask=mask, return_attention_scores=True)
    assert scores.shape == (2, 2, 5, 5)
    np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)
    assert (scores[0, :, :, 4] == 0).all() and (scores[1, :, :, 4] > 0).all()


def test_a_transformer_learns_which_symbol_comes_first() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, (512, 8))
    pynn.seed(0)
    net = Network(
        [
            layers.Embedding(6, 16, input_shape=(8,)),
            layers.PositionalEmbedding(8),
            layers.TransformerEncoder(32, 2),
            layers.Flatten(),
            Dense(6, activation="softmax"),
        ]
    )
    net.use(
        loss="sparse_categorical_crossentropy",
        optimizer=pynn.optimizers.Adam(0.005),
        metrics=["accuracy"],
    )
    net.fit(x, x[:, 0], epochs=8, batch_size=32, verbose=0)
    assert net.evaluate(x, x[:, 0], verbose=0)["accuracy"] > 0.95


def test_merging_layers_join_branches_inside_a_layer() -> None:
    class Branches(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Dense(4, activation="relu")
            self.add, self.multiply = layers.Add(), layers.Multiply()
            self.join = layers.Concatenate()

        def forward(self, x: Any) -> Any:
            h = self.inner(x)
            return self.join([self.add([x, h]), self.multiply([x, h])])

    x = X[0, :, :4]
    layer = Branches()
    y = layer(x)
    h = layer.inner(x)
    np.testing.assert_allclose(y, np.concatenate([x + h, x * h], -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Add()([X]), r"Add 'add' expects a list of at least two inputs"),
        (lambda: layers.Add()([X, X[:, :3]]), r"Add 'add' expects inputs of one shape"),
        (lambda: layers.Subtract()([X, X, X]), r"Subtract .* expects two inputs, got 3"),
        (lambda: layers.Concatenate()([X, X[:, :3]]), r"Concatenate .* differ along axis -1 only"),
        (lambda: layers.Concatenate(axis=3)([X, X]), r"Concatenate .* has no axis 3"),
        (lambda: layers.Dot(axes=(1, 2))([X, X]), r"Dot .* equal extents along axes \(1, 2\)"),
        (lambda: layers.Dot(axes=(1, 2, 3)), r"Dot: axes"),
        (lambda: MultiHeadAttention(0, 4), r"MultiHeadAttention: num_heads"),
        (lambda: MultiHeadAttention(2, 4)(X, X[:1]), r"MultiHeadAttention .* one batch|got \(2, 5"),
        (lambda: layers.Attention(dropout=1.0), r"Attention: dropout"),
        (lambda: layers.TransformerEncoder(16, 3)(X), r"TransformerEncoder .* 3 heads"),
        (lambda: layers.PositionalEmbedding(3)(X), r"PositionalEmbedding .* at most 3 positions"),
    ],
)
def test_wrong_inputs_name_the_layer(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
