"""Layers that begin with tokens: vocabularies, hashes, text, and networks of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Input, Network, Tensor
from pynn.layers import (
    LSTM,
    Concatenate,
    Dense,
    Discretization,
    Embedding,
    Flatten,
    GlobalAvgPool1D,
    Hashing,
    IntegerLookup,
    Layer,
    StringLookup,
    TextVectorization,
)

ANIMALS = ["cat", "dog", "bee"]
TEXTS = np.array(["A good film!", "bad, BAD film", "good good fun", "no fun: bad"])
LIKED = np.array([[1.0], [0.0], [1.0], [0.0]])


# --- vocabularies


def test_numbers_start_with_special_tokens() -> None:
    given = np.array([["dog", "emu"], ["", "cat"]])
    cases: list[tuple[dict[str, Any], list[list[int]]]] = [
        ({}, [[2, 0], [0, 1]]),
        ({"mask_token": ""}, [[3, 1], [0, 2]]),
        ({"mask_token": "", "output_mode": "int"}, [[3, 1], [0, 2]]),
    ]
    for options, expected in cases:
        layer = StringLookup(vocabulary=ANIMALS, **options)
        found = layer(given)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)
        tokens = layer.get_vocabulary()
        assert len(tokens) == layer.vocabulary_size()
        assert tokens[-3:] == layer.get_vocabulary(include_special_tokens=False) == ANIMALS
        assert tokens[int(found[0, 0])] == "dog"


def test_unknown_tokens_share_numbers_or_are_errors() -> None:
    several = StringLookup(vocabulary=ANIMALS, num_oov_indices=3)
    unknown = [f"token {i}" for i in range(40)]
    assert set(several(unknown).tolist()) == {0, 1, 2}
    assert several(["cat"]).tolist() == [3]
    strict = StringLookup(vocabulary=ANIMALS, num_oov_indices=0, name="animal")
    assert strict(ANIMALS).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"'animal': 'emu' is not in the vocabulary of 3 tokens"):
        strict(["cat", "emu"])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("multi_hot", [[0, 1, 1, 0], [1, 0, 0, 0]]),
        ("count", [[0, 2, 1, 0], [2, 0, 0, 0]]),
    ],
)
def test_rows_over_the_vocabulary(mode: str, expected: Any) -> None:
    layer = StringLookup(vocabulary=ANIMALS, mask_token="", output_mode=mode)
    given = [["cat", "dog", "cat", ""], ["emu", "", "ant", ""]]
    np.testing.assert_array_equal(layer(given), expected)
    assert layer.vocabulary_size() == 4


def test_one_hot_rows() -> None:
    layer = IntegerLookup(vocabulary=[7, 9], output_mode="one_hot", dtype="float64")
    found = layer([[9], [3], [7]])
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert found.dtype == np.float64


def test_adapt_counts() -> None:
    layer = StringLookup(max_tokens=4, mask_token="")
    layer.adapt(np.array([["b", "a", "b"], ["c", "d", ""], ["b", "c", "[UNK]"]]))
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "c"]
    layer.adapt(["x"])
    assert layer.vocabulary == ["x"]
    years = IntegerLookup()
    years.adapt([[2001, 1999], [2001, 2024]])
    assert years.get_vocabulary() == [-1, 2001, 2024, 1999]


def test_inverted_layers_give_tokens_back() -> None:
    there = StringLookup(vocabulary=ANIMALS, mask_token="")
    back = StringLookup(vocabulary=ANIMALS, mask_token="", invert=True)
    given = np.array([["dog", "bee"], ["emu", ""]])
    np.testing.assert_array_equal(back(there(given)), [["dog", "bee"], ["[UNK]", ""]])
    assert back([99]).tolist() == ["[UNK]"]
    assert IntegerLookup(vocabulary=[7, 9], invert=True)([2, 0]).tolist() == [9, -1]


def test_a_vocabulary_comes_from_a_file_or_another_layer(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("cat\ndog\nbee\n", "utf-8")
    first = StringLookup(vocabulary=path)
    assert first.vocabulary == ANIMALS
    assert StringLookup(vocabulary=first.get_vocabulary()).vocabulary == ANIMALS
    assert TextVectorization(vocabulary=["", "[UNK]", "cat"]).vocabulary == ["cat"]


@pytest.mark.parametrize("kind", ["bytes", "object", "list", "tensor"])
def test_tokens_come_in_many_ways(kind: str) -> None:
    layer = StringLookup(vocabulary=[*ANIMALS, "ü"])
    if kind == "tensor":
        years = IntegerLookup(vocabulary=[5, 6])
        assert years(Tensor([6, 5])).tolist() == [2, 1]
        return
    given = {
        "bytes": np.array([b"dog", "ü".encode()]),
        "object": np.array(["dog", "ü"], object),
        "list": ["dog", "ü"],
    }[kind]
    assert layer(given).tolist() == [2, 4]


# --- hashes


def test_a_hash_is_the_same_everywhere() -> None:
    given = [["cat"], ["dog"], ["bee"]]
    assert Hashing(1000)(given).ravel().tolist() == [939, 465, 41]
    assert Hashing(1000, salt=1)(given).ravel().tolist() != Hashing(1000)(given).ravel().tolist()
    numbers = Hashing(10)(np.arange(1000))
    assert set(numbers.tolist()) == set(range(10))
    masked = Hashing(10, mask_value=7)(np.arange(1000))
    assert masked[7] == 0 and (np.delete(masked, 7) > 0).all()
    rows = Hashing(1000, output_mode="count")([["a", "a", "b"]])
    assert rows.shape == (1, 1000) and sorted(rows[0])[-2:] == [1, 2]


# --- text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [["a", "good", "film"], ["bad", "bad", "film"]]),
        ({"standardize": None}, [["A", "good", "film!"], ["bad,", "BAD", "film"]]),
        ({"standardize": "lower"}, [["a", "good", "film!"], ["bad,", "bad", "film"]]),
        ({"standardize": "strip_punctuation"}, [["A", "good", "film"], ["bad", "BAD", "film"]]),
        ({"standardize": lambda t: t[:5], "split": "character"}, [list("A goo"), list("bad, ")]),
        ({"split": None}, [["a good film"], ["bad bad film"]]),
        ({"split": lambda text: text.split("a")}, [["", " good film"], ["b", "d b", "d film"]]),
        ({"ngrams": 2, "split": lambda text: text.split()[1:]}, [
            ["good", "film", "good film"], ["bad", "film", "bad film"]]),
        ({"ngrams": (3,)}, [["a good film"], ["bad bad film"]]),
    ],
)  # fmt: skip
def test_texts_are_standardized_and_split(
    options: dict[str, Any], expected: list[list[str]]
) -> None:
    assert TextVectorization(**options).tokens(TEXTS[:2]) == expected


def test_texts_become_sequences_of_one_length() -> None:
    layer = TextVectorization(max_tokens=5)
    layer.adapt(TEXTS)
    assert layer.get_vocabulary() == ["", "[UNK]", "good", "bad", "fun"]
    np.testing.assert_array_equal(
        layer(TEXTS[:, None]), [[1, 2, 1], [3, 3, 1], [2, 2, 4], [1, 4, 3]]
    )
    for length in (2, 5):
        cut = TextVectorization(vocabulary=layer.vocabulary, output_sequence_length=length)
        assert cut(["good"]).tolist() == [[2] + [0] * (length - 1)]
        assert cut(TEXTS).shape == (4, length)
    assert layer("bad fun").tolist() == [3, 4]


def test_texts_become_bags_of_words() -> None:
    layer = TextVectorization(output_mode="count", vocabulary=["good", "bad"])
    np.testing.assert_array_equal(layer(TEXTS), [[2, 1, 0], [1, 0, 2], [1, 2, 0], [2, 0, 1]])
    assert layer.get_vocabulary() == ["[UNK]", "good", "bad"]
    hot = TextVectorization(output_mode="multi_hot", vocabulary=["good", "bad"])
    np.testing.assert_array_equal(hot(TEXTS), np.minimum(layer(TEXTS), 1))


# --- networks


def reviews() -> Network:
    pynn.seed(1)
    layer = TextVectorization(output_sequence_length=4)
    layer.adapt(TEXTS)
    return Network(
        [
            layer,
            Embedding(layer.vocabulary_size(), 4, mask_zero=True),
            GlobalAvgPool1D(),
            Dense(1, "sigmoid"),
        ]
    )


def test_a_network_takes_text() -> None:
    net = reviews()
    net.use("binary_crossentropy", pynn.optimizers.Adam(0.1), metrics=["accuracy"])
    net.fit(TEXTS, LIKED, epochs=40, verbose=0, validation_data=(TEXTS.tolist(), LIKED))
    assert net.evaluate(TEXTS, LIKED)["accuracy"] == 1
    y = net.predict(TEXTS)
    np.testing.assert_array_equal(net.predict(TEXTS), y)
    np.testing.assert_allclose(net(TEXTS), y, rtol=1e-6)
    np.testing.assert_allclose(net("A good film!"), y[0], rtol=1e-6)
    out: Any = TEXTS
    for layer in net.layers:
        out = layer.forward(out)
    assert out.shape == y.shape
    assert net.train_on_batch(TEXTS, LIKED)["accuracy"] == 1
    encoded = net.layers[0](TEXTS).astype("float32")
    np.testing.assert_allclose(net.freeze()(encoded), net(TEXTS), rtol=1e-4)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin.predict(TEXTS), net.predict(TEXTS))


def test_numbers_that_are_tokens_are_looked_up_each_time() -> None:
    years = IntegerLookup(vocabulary=[1999, 2024])
    net = Network([years, Embedding(3, 2), Flatten()])
    given = np.array([[1999, 2024]])
    expected = net.layers[1](years(given)).reshape(1, 4)
    for _ in range(3):
        np.testing.assert_array_equal(net(given), expected)
        np.testing.assert_array_equal(net.predict(given), expected)
        assert years(given).tolist() == [[1, 2]]


def test_a_graph_takes_text_and_numbers() -> None:
    lookup = StringLookup(vocabulary=ANIMALS, output_mode="one_hot")
    text = TextVectorization(output_sequence_length=3)
    text.adapt(TEXTS)
    animal, words = Input((1,), name="animal", dtype="str"), Input((1,), name="words", dtype="str")
    x = Input((2,), name="x")
    read = LSTM(3)(Embedding(text.vocabulary_size(), 2, mask_zero=True)(text(words)))
    net = Network(
        inputs=[animal, words, x],
        outputs=Dense(1)(Concatenate()([lookup(animal), read, x])),
    )
    assert net.input_shape == [(1,), (3,), (2,)]
    data = {
        "animal": [["cat"], ["emu"], ["bee"], ["dog"]],
        "words": TEXTS,
        "x": np.arange(8.0).reshape(4, 2),
    }
    net.use("mse")
    net.fit(data, LIKED, epochs=2, verbose=0)
    y = net.predict(data)
    np.testing.assert_allclose(net(list(data.values())), y, rtol=1e-5)
    net.summary(lambda table: None)


def test_a_configuration_has_the_vocabulary() -> None:
    layers: list[Layer] = [
        StringLookup(mask_token="", num_oov_indices=2),
        TextVectorization(ngrams=2, output_mode="count"),
        Hashing(7, salt=3),
    ]
    for layer in layers:
        if hasattr(layer, "adapt"):
            layer.adapt(TEXTS)
        twin = type(layer)(**layer.get_config())
        np.testing.assert_array_equal(twin(TEXTS[:2]), layer(TEXTS[:2]))


def test_discretization_adapts() -> None:
    x = np.random.default_rng(0).normal(size=(100, 3)) ** 3
    layer = Discretization(num_bins=4)
    layer.adapt(x)
    assert layer.bin_boundaries is not None and len(layer.bin_boundaries) == 3
    assert np.bincount(layer(x).ravel()).tolist() == [75, 75, 75, 75]
    twin = Discretization(**layer.get_config())
    np.testing.assert_array_equal(twin(x), layer(x))
    few = Discretization(num_bins=5)
    few.adapt([1.0, 1.0, 2.0])
    assert few([0.0, 1.0, 2.0]).tolist() == [0, 1, 2]


# --- mistakes


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: StringLookup(name="w")(["a"]), RuntimeError, "'w' has no vocabulary yet: adapt"),
        (lambda: StringLookup(vocabulary=["a", "a"]), ValueError, "has 'a' 2 times"),
        (lambda: StringLookup(vocabulary=["a", "[UNK]"]), ValueError, "the special '\\[UNK\\]'"),
        (lambda: StringLookup(3, vocabulary=list("abc")), ValueError, "more than max_tokens 3"),
        (lambda: StringLookup(1), ValueError, "max_tokens expects more than the special tokens"),
        (lambda: StringLookup(num_oov_indices=-1), ValueError, "num_oov_indices expects"),
        (lambda: StringLookup(output_mode="tf"), ValueError, "output_mode expects one of 'int'"),
        (lambda: StringLookup(invert=True, output_mode="count"), ValueError, "invert goes with"),
        (lambda: StringLookup(vocabulary=ANIMALS)([1.5]), TypeError, "expects strings, got"),
        (lambda: IntegerLookup(vocabulary=[1])(["a"]), TypeError, "expects whole numbers"),
        (lambda: IntegerLookup(vocabulary=[1])([1.5]), TypeError, "expects whole numbers"),
        (lambda: StringLookup()([["a"], ["a", "b"]]), ValueError, "input is not a regular array"),
        (lambda: Hashing(0), ValueError, "num_bins"),
        (lambda: Hashing(4)([1.5]), TypeError, "expects whole numbers"),
        (lambda: TextVectorization(standardize="upper"), ValueError, "standardize expects a func"),
        (lambda: TextVectorization(split="line"), ValueError, "split expects a function or one"),
        (lambda: TextVectorization(ngrams=0), ValueError, "ngrams expects"),
        (
            lambda: TextVectorization(output_mode="count", output_sequence_length=3),
            ValueError,
            "goes with output_mode='int'",
        ),
        (
            lambda: TextVectorization(vocabulary=["a"])([["a", "b"]]),
            ValueError,
            r"texts of shape \(n,\) or \(n, 1\), got \(1, 2\)",
        ),
        (lambda: Discretization(), ValueError, "either bin_boundaries or num_bins"),
        (lambda: Discretization([1.0]).adapt([1.0]), ValueError, "adapt goes with num_bins"),
        (lambda: Discretization(num_bins=3)([1.0]), RuntimeError, "has no boundaries yet"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_data_come_first() -> None:
    lookup = StringLookup(vocabulary=ANIMALS)
    with pytest.raises(ValueError, match="so it comes first"):
        Network([Dense(2, input_shape=3), lookup])
    with pytest.raises(ValueError, match="so it comes first"):
        Network([reviews(), Dense(1)])
    a = Input((1,))
    with pytest.raises(ValueError, match="call it on an Input"):
        lookup(Dense(1)(a))
    with pytest.raises(ValueError, match="must be all that an Input is given to"):
        Network(inputs=a, outputs=[lookup(a), Dense(1)(a)])
    with pytest.raises(ValueError, match="can't be part of a graph"):
        reviews()(a)
    with pytest.raises(ValueError, match="needs output_sequence_length"):
        TextVectorization(vocabulary=ANIMALS)(a)

    class Inside(Network):
        def __init__(self) -> None:
            super().__init__()
            self.lookup = IntegerLookup(vocabulary=[1])

        def forward(self, x: Any) -> Any:
            return self.lookup(x)

    with pytest.raises(TypeError, match="takes data, not tensors of a network"):
        Inside()([[1, 2]])
