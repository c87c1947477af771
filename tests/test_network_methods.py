"""What a network offers beside fit: layers by name, single batches, summaries, frozen graphs."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Input, Network, NonFiniteLossError
from pynn.layers import (
    LSTM,
    ActivityRegularization,
    Add,
    Conv1D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    TransformerEncoder,
)
from pynn.optimizers import SGD, Adam
from pynn.regularizers import L1, L2

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(12, 2)).astype("float32")


def mlp(**options: Any) -> Network:
    pynn.seed(4)
    return Network(
        [
            Dense(5, "tanh", name="hidden", input_shape=(3,)),
            Dropout(0.2, seed=1),
            Dense(2, name="out"),
        ],
        **options,
    )


# --- layers


def test_layers_are_found_by_name_and_place() -> None:
    net = mlp()
    assert net.get_layer("hidden") is net.get_layer(index=0) is net.layers[0]
    assert net.get_layer(name="out") is net.get_layer(index=-1)
    with pytest.raises(ValueError, match="unknown layer 'hiden'; did you mean 'hidden'"):
        net.get_layer("hiden")
    for wrong in ({}, {"name": "out", "index": 1}):
        with pytest.raises(ValueError, match="a name or an index"):
            net.get_layer(**wrong)
    with pytest.raises(IndexError, match="3 layers, got index 3"):
        net.get_layer(index=3)


def test_the_last_layer_can_be_replaced() -> None:
    net = mlp()
    net.use("mse")
    net.fit(X, Y, verbose=0)
    last = net.layers[-1]
    assert net.pop() is last
    assert net.output_shape == (5,) and len(net.weights) == 2
    assert net.predict(X).shape == (12, 5)
    net.add(Dense(4))
    net.use("mse")
    net.fit(X, np.zeros((12, 4)), verbose=0)
    assert net.predict(X).shape == (12, 4)
    for _ in range(3):
        net.pop()
    assert not net.built and net.layers == []
    with pytest.raises(RuntimeError, match="has no layers"):
        net.pop()
    a = Input(3)
    with pytest.raises(RuntimeError, match="layers in a row"):
        Network(inputs=a, outputs=Dense(1)(a)).pop()


def test_a_graph_says_what_is_connected_to_what() -> None:
    a, b = Input((3,), name="left"), Input((3,), name="right")
    shared = Dense(4, name="shared")
    total = Add(name="total")([shared(a), shared(b)])
    lines: list[str] = []
    Network(inputs=[a, b], outputs=Dense(1, name="score")(total)).summary(lines.append)
    head, *rows = lines[0].splitlines()[1:]
    assert head.split("  ")[-1].endswith("connected to")
    found = {row.split()[0]: row for row in rows if "(" in row}
    assert found["shared"].endswith(" 16 left, right")
    assert found["total"].endswith(" 0 shared, shared")
    assert found["score"].endswith(" 5 total")
    mlp().summary(lines.append)
    assert "connected" not in lines[1]


# --- dtypes


def test_layers_that_have_computed_keep_their_dtype() -> None:
    a = Input((3,))
    y = Dense(2, name="early")(a)
    with pytest.raises(ValueError, match="'early' has been called in float32 already"):
        Network(inputs=a, outputs=y, dtype="float64")
    layer = Dense(2)
    layer(X)
    with pytest.raises(ValueError, match="give it dtype='float64' when it is made"):
        Network([layer], dtype="float64")
    inner = Network([Dense(2, input_shape=3)])
    with pytest.raises(ValueError, match="float32 already"):
        Network([inner], dtype="float64")
    wide = Network(inputs=a, outputs=Dense(2, dtype="float64")(a), dtype="float64")
    assert wide(X).dtype == np.float64
    assert Network([Network([Dense(2, dtype="float64")])], dtype="float64")(X).dtype == np.float64


# --- single batches


def test_steps_by_hand_are_the_steps_of_a_fit() -> None:
    fitted, stepped = mlp(), mlp()
    for net in (fitted, stepped):
        net.layers[1].rate = 0.0
        net.use("mse", Adam(0.01), metrics=["mae"])
    history = fitted.fit(X, Y, batch_size=12, epochs=3, verbose=0, shuffle=False)
    logs = [stepped.train_on_batch(X, Y) for _ in range(3)]
    assert [log["loss"] for log in logs] == history.history["loss"]
    assert [log["mae"] for log in logs] == history.history["mae"]
    for a, b in zip(fitted.get_weights(), stepped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert stepped.test_on_batch(X, Y) == fitted.evaluate(X, Y)
    np.testing.assert_array_equal(stepped.predict_on_batch(X), fitted.predict(X))


def test_a_layer_with_a_seed_drops_anew_in_each_step() -> None:
    net = Network([Dropout(0.5, seed=3, input_shape=(64,))])
    net.use("mse", SGD(0.0))
    ones = np.ones((2, 64))
    losses = {net.train_on_batch(ones, ones * 0)["loss"] for _ in range(5)}
    assert len(losses) > 1


def test_weights_of_samples_and_classes_count() -> None:
    net = Network([Dense(2, "softmax", input_shape=(3,))])
    net.use("sparse_categorical_crossentropy", SGD(0.0))
    y = np.arange(12) % 2
    weights = np.where(y == 0, 3.0, 0.5)
    by_class = net.train_on_batch(X, y, class_weight={0: 3.0, 1: 0.5})
    assert by_class == net.train_on_batch(X, y, sample_weight=weights)
    assert net.test_on_batch(X, y, weights)["loss"] == pytest.approx(by_class["loss"])


def test_a_loss_that_is_not_finite_leaves_the_weights() -> None:
    net = mlp()
    net.use("mse")
    net.train_on_batch(X, Y)
    before = net.get_weights()
    with pytest.raises(NonFiniteLossError, match="as they were before this batch"):
        net.train_on_batch(X, np.full_like(Y, np.inf), check_inputs=False)
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="infinite"):
        net.train_on_batch(X, np.full_like(Y, np.inf))


def test_batches_want_use_first() -> None:
    for method in ("train_on_batch", "test_on_batch"):
        with pytest.raises(RuntimeError, match=f"before {method}"):
            getattr(mlp(), method)(X, Y)


# --- penalties on what layers compute


@pytest.mark.parametrize(
    "layer",
    [
        Dense(2, activity_regularizer=L1(0.5)),
        Conv1D(2, 1, activity_regularizer="l2"),
        LSTM(2, activity_regularizer=lambda y: (y**2).sum()),
        TransformerEncoder(4, 1, activity_regularizer=L2(0.1)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_a_layer_computes_may_cost(layer: Layer) -> None:
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    if isinstance(layer, Dense):
        x = X
    net = Network([layer])
    y = net(x)
    net.use("mse", SGD(0.1))
    penalty = layer.activity_regularizer
    assert penalty is not None
    expected = penalty(pynn.Tensor(y)).item() / len(x)
    assert net.evaluate(x, y)["loss"] == pytest.approx(expected, rel=1e-5)
    before = net.get_weights()
    net.fit(x, y, epochs=1, batch_size=len(x), verbose=0)
    assert any((a != b).any() for a, b in zip(net.get_weights(), before, strict=True))
    assert net.evaluate(x, y)["loss"] < expected * 2


def test_the_penalty_is_a_setting_like_others() -> None:
    layer = Dense(2, activity_regularizer="l1")
    twin = Dense(**layer.get_config())
    assert twin.activity_regularizer.l1 == 0.01  # type: ignore[union-attr]
    assert ActivityRegularization(l1=0.5).get_config()["l1"] == 0.5
    net = Network([layer])
    net.use("mse")
    y = net(X)
    assert net.evaluate(X, y)["loss"] > 0
    layer.activity_regularizer = None
    assert net.evaluate(X, y)["loss"] == 0


# --- frozen graphs


def twin(**options: Any) -> tuple[Network, list[np.ndarray[Any, Any]]]:
    pynn.seed(5)
    a, b = Input((3,), name="a"), Input((2, 2), name="b")
    h = Dense(4, "tanh")(Add()([Dense(4)(a), Dense(4)(Flatten()(b))]))
    net = Network(inputs=[a, b], outputs={"score": Dense(1)(h), "code": Dropout(0.5)(h)}, **options)
    rng = np.random.default_rng(2)
    return net, [rng.normal(size=(7, 3)).astype("f"), rng.normal(size=(7, 2, 2)).astype("f")]


def test_a_graph_freezes() -> None:
    net, (a, b) = twin()
    run = net.freeze()
    expected = net([a, b])
    net.set_weights([w * 2 for w in net.get_weights()])
    calls = (lambda: run(a, b), lambda: run([a, b]), lambda: run({"b": b, "a": a}))
    for call in calls:
        found = call()
        assert list(found) == ["score", "code"]
        for name in found:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
    one = run(a[0], b[0].tolist())
    assert one["score"].shape == (1,)
    np.testing.assert_allclose(one["code"], expected["code"][0], rtol=1e-5, atol=1e-6)
    assert run.input_shape == [(3,), (2, 2)] and run.output_shape == {"score": (1,), "code": (4,)}
    assert repr(run).startswith("<frozen Network 'network': [(3,), (2, 2)] -> ")
    for copied in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        np.testing.assert_array_equal(copied(a, b)["code"], run(a, b)["code"])


def test_frozen_graphs_write_to_out() -> None:
    net, (a, b) = twin()
    run = net.freeze()
    out = {"code": np.zeros((7, 4), "f"), "score": np.zeros((7, 1), "f")}
    assert run(a, b, out=out) is out
    np.testing.assert_array_equal(out["code"], run(a, b)["code"])
    for wrong in (np.zeros((7, 3), "f"), np.zeros((7, 4)), [[0.0] * 4] * 7):
        with pytest.raises(ValueError, match=r"out 'code' expects an array of shape \(7, 4\)"):
            run(a, b, out={**out, "code": wrong})
    with pytest.raises(ValueError, match="out expects a dict of arrays for 'score', 'code'"):
        run(a, b, out=[out["score"]])


def test_frozen_graphs_refuse_what_does_not_fit() -> None:
    net, (a, b) = twin()
    run = net.freeze()
    with pytest.raises(TypeError, match="takes 2 arrays, got 3"):
        run(a, b, a)
    for wrong in ((a, b[0]), (a[:5], b), (a[:, :2], b), (a[:0], b[:0])):
        with pytest.raises(ValueError, match=r"one sample of shape .* or a batch"):
            run(*wrong)
    with pytest.raises(TypeError, match="'a' expects real numbers"):
        run(["x", "y", "z"], b[0])


def test_many_rows_and_many_threads() -> None:
    x = Input((3,))
    h = Dense(4, "relu")(x)
    net = Network(inputs=x, outputs=[h, Dense(1)(h)])
    run = net.freeze()
    rows = np.random.default_rng(3).normal(size=(2500, 3)).astype("f")
    expected = net.predict(rows)
    results: list[Any] = [None] * 4

    def work(i: int) -> None:
        results[i] = [run(rows) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found in (found for result in results for found in result):
        for y, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(y, e, rtol=1e-5, atol=1e-6)
