"""Embeddings in networks: lists and floats as symbols, training, symbols out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Network, layers
from pynn.layers import CategoryEncoding, Dense, Embedding, EmbeddingBag


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32", "float64"])
def test_symbols_may_come_in_any_type(dtype: str) -> None:
    layer = Embedding(5, 2)
    x = np.array([[1, 4], [0, 1]])
    np.testing.assert_array_equal(layer(x.astype(dtype)), layer.get_weights()[0][x])


@pytest.mark.parametrize("wrong", [5, -1, 1.5])
@pytest.mark.parametrize("kind", [Embedding, EmbeddingBag, CategoryEncoding])
def test_what_is_no_symbol_is_said(kind: Any, wrong: float) -> None:
    def make(**options: Any) -> Any:
        return kind(5, **({} if kind is CategoryEncoding else {"output_dim": 2}), **options)

    said = f"'words' expects whole numbers from 0 to 4, got {wrong}"
    with pytest.raises(IndexError, match=said):
        make(name="words")(np.array([[1, wrong]]))
    net = Network([make(name="words", input_shape=(2,)), layers.Flatten(), Dense(1)])
    net.use(loss="mse")
    for call in (
        lambda: net.fit([[1, wrong]], [[0.0]], verbose=0),
        lambda: net.evaluate([[1, wrong]], [[0.0]]),
        lambda: net.predict([[1, wrong]]),
        lambda: net.freeze()([[1, wrong]]),
    ):
        with pytest.raises(IndexError, match=said):
            call()


def test_bad_options_name_the_layer() -> None:
    with pytest.raises(ValueError, match="Embedding: input_dim"):
        Embedding(0, 2)
    with pytest.raises(TypeError, match="EmbeddingBag: output_dim"):
        EmbeddingBag(3, 2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="EmbeddingBag: combiner expects one of 'sum', 'mean'"):
        EmbeddingBag(3, 2, "max")
    with pytest.raises(ValueError, match=r"EmbeddingBag .* expects inputs of shape"):
        EmbeddingBag(3, 2)(np.array([1, 2]))


def test_a_step_changes_only_the_rows_that_were_seen() -> None:
    net = Network([Embedding(6, 3, input_shape=(2,)), layers.Flatten(), Dense(1)])
    net.use(loss="mse", optimizer=pynn.optimizers.SGD(0.1))
    before = net.get_weights()[0]
    net.fit(np.array([[1, 4], [4, 2]]), [[1.0], [0.0]], verbose=0)
    changed = (net.get_weights()[0] != before).any(axis=1)
    assert changed.tolist() == [False, True, True, False, True, False]


def test_a_bag_of_words_is_learned() -> None:
    """Class 1 has words above 10, class 0 below; some words say nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    words = np.where(
        rng.random((300, 8)) < 0.5, 20, rng.integers(0, 10, (300, 8)) + 10 * y[:, None]
    )
    net = Network([EmbeddingBag(21, 4, input_shape=(8,)), Dense(1, "sigmoid")])
    net.use(loss="binary_crossentropy", optimizer=pynn.optimizers.Adam(0.05), metrics=["accuracy"])
    net.fit(words, y[:, None].astype("float32"), epochs=20, verbose=0)
    assert net.evaluate(words, y[:, None].astype("float32"), verbose=0)["accuracy"] > 0.97


def test_masks_leave_padding_out() -> None:
    x = np.array([[3, 1, 0]])
    assert Embedding(5, 2).compute_mask(x) is None
    mask = Embedding(5, 2, mask_zero=True).compute_mask(x)
    np.testing.assert_array_equal(mask, [[True, True, False]])


@pytest.mark.parametrize("threads", [1, 3])
def test_gradients_do_not_depend_on_the_threads(threads: int) -> None:
    layer = EmbeddingBag(50, 33, "sum")
    x = np.random.default_rng(0).integers(0, 50, (400, 20))
    layer(x)
    layer.set_weights([np.random.default_rng(1).normal(size=(50, 33))])
    before = pynn.num_threads()
    results = []
    try:
        for count in (1, threads):
            pynn.set_num_threads(count)
            y = layer(x)
            layer.backward(y)
            results.append((y, layer.gradients[0].copy()))
    finally:
        pynn.set_num_threads(before)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
