"""Networks: put together, named, summarised, called, differentiated by hand, predicted with."""

from __future__ import annotations

import copy
import doctest
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Input, Network, Tensor
from pynn.layers import Activation, Dense, Dropout, Flatten, Layer, Reshape
from pynn.losses import MeanSquaredError
from pynn.optimizers import SGD


def mlp(**options: Any) -> Network:
    pynn.seed(4)
    return Network([Dense(5, "tanh", input_shape=(3,)), Dense(2)], **options)


X = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(7, 2)).astype("float32")


def by_numpy(net: Network, x: np.ndarray) -> np.ndarray:
    w1, b1, w2, b2 = net.get_weights()
    return np.tanh(x @ w1 + b1) @ w2 + b2


# --- putting it together


def test_weights_are_made_as_soon_as_the_shape_is_known() -> None:
    net = Network()
    net.add(Dense(5, input_shape=(3,)))
    assert [w.shape for w in net.get_weights()] == [(3, 5), (5,)]
    net.add(Dense(2))
    assert [w.shape for w in net.get_weights()] == [(3, 5), (5,), (5, 2), (2,)]
    assert net.input_shape == (3,) and net.output_shape == (2,) and net.count_params() == 32


def test_an_input_may_come_first() -> None:
    net = Network()
    net.add(Input((4,)))
    net.add(Dense(2))
    assert net.input_shape == (4,) and net.built
    with pytest.raises(ValueError, match="can only come first"):
        net.add(Input((4,)))


def test_without_a_shape_the_first_data_decides() -> None:
    net = Network([Dense(5), Dense(2)])
    assert net.weights == [] and not net.built
    assert net(X).shape == (7, 2)
    assert net.built and net.input_shape == (3,)


def test_layers_get_names_of_their_own() -> None:
    net = Network([Dense(2), Dropout(0.1), Dense(3, name="mine"), Dense(4), Activation("relu")])
    assert [layer.name for layer in net.layers] == [
        "dense", "dropout", "mine", "dense_1", "activation"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="already has a layer named 'mine'"):
        net.add(Dense(2, name="mine"))
    assert len(net.layers) == 5
    assert [layer.name for layer in Network([Dense(2), Dense(2)]).layers] == ["dense", "dense_1"]


def test_a_failed_add_changes_nothing() -> None:
    net = mlp()
    before = net.get_weights()
    with pytest.raises(ValueError, match="Reshape 'bad'"):
        net.add(Reshape((7, 7), name="bad"))
    for layer, error in (
        (Dense, TypeError),
        ("dense", TypeError),
        (None, TypeError),
        (net, ValueError),
    ):
        with pytest.raises(error):
            net.add(layer)
    assert len(net.layers) == 2 and net.output_shape == (2,)
    for a, b in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_list_of_layers_is_a_copy() -> None:
    net = mlp()
    net.layers.clear()
    assert len(net.layers) == 2


def test_a_shared_layer_counts_once() -> None:
    shared = Dense(3, "tanh")
    net = Network([shared, shared, Dense(1)])
    net(X)
    assert len(net.weights) == 4
    w, b, v, c = net.get_weights()
    once = np.tanh(X @ w + b)
    np.testing.assert_allclose(net(X), np.tanh(once @ w + b) @ v + c, rtol=1e-5)


def test_the_networks_dtype_is_that_of_layers_without_one() -> None:
    net = Network([Dense(4, input_shape=(3,)), Dense(2, dtype="float32")], dtype="float64")
    assert [w.dtype for w in net.get_weights()] == ["float64", "float64", "float32", "float32"]
    assert Network([Dense(2, input_shape=3)], dtype="float64")(X).dtype == np.float64


def test_a_network_is_a_layer() -> None:
    inner = Network([Dense(4, "tanh"), Dense(3)], name="inner")
    net = Network([Dense(3, input_shape=(3,)), inner, Dense(1)])
    assert len(net.weights) == 8 and net.output_shape == (1,)
    a, b, w1, b1, w2, b2, c, d = net.get_weights()
    expected = (np.tanh((X @ a + b) @ w1 + b1) @ w2 + b2) @ c + d
    np.testing.assert_allclose(net(X), expected, rtol=1e-4, atol=1e-6)
    assert net.layers[1] is inner


def test_a_graph_of_layers() -> None:
    x = Input((3,))
    shared = Dense(3, "tanh")
    net = Network(inputs=x, outputs=Dense(2)(shared(shared(x))))
    assert net.input_shape == (3,) and net.output_shape == (2,) and len(net.weights) == 4
    w, b, v, c = net.get_weights()
    np.testing.assert_allclose(
        net(X), np.tanh(np.tanh(X @ w + b) @ w + b) @ v + c, rtol=1e-4, atol=1e-6
    )
    with pytest.raises(RuntimeError, match="graph"):
        net.add(Dense(1))
    for inputs, outputs in ((None, x), (x, None), (Input((3,)), Dense(1)(x)), (x, x), ([x, x], x)):
        with pytest.raises((ValueError, TypeError)):
            Network(inputs=inputs, outputs=outputs)


def test_summary_lists_layers_shapes_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    net = mlp()
    net.layers[0].trainable = False
    net.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Network 'network'"
    assert lines[3].split() == ["dense", "(Dense)", "(5,)", "20"]
    assert lines[4].split() == ["dense_1", "(Dense)", "(2,)", "12"]
    assert lines[-1] == "32 parameters (128 B), 12 trainable"
    unbuilt: list[str] = []
    Network([Dense(2)]).summary(print_fn=unbuilt.append)
    assert "?" in unbuilt[0]


# --- calling it


def test_the_forward_pass_is_the_textbooks() -> None:
    net = mlp()
    np.testing.assert_allclose(net(X), by_numpy(net, X), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(net.forward(X), net(X))
    np.testing.assert_array_equal(net.predict(X), net(X))
    assert isinstance(net(Tensor(X)), Tensor) and isinstance(net.predict(Tensor(X)), Tensor)


def test_one_row_gives_one_row() -> None:
    net = mlp()
    assert net(X[0]).shape == (2,)
    np.testing.assert_allclose(net(X[0]), net(X)[0], rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 7, 1023, 1024, 1025, 2500])
def test_predict_does_not_depend_on_the_batches(rows: int) -> None:
    net = mlp()
    x = np.random.default_rng(2).normal(size=(rows, 3)).astype("float32")
    y = net.predict(x)
    assert y.shape == (rows, 2)
    np.testing.assert_allclose(y, by_numpy(net, x), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(net.predict(x, batch_size=3), y, rtol=1e-5, atol=1e-6)


class ArrayLike:
    """What a data frame looks like to NumPy."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values.astype(dtype or self.values.dtype)


def test_predict_reads_whatever_numpy_reads() -> None:
    net = mlp()
    y = net.predict(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    same = [X.tolist(), tuple(map(tuple, X)), np.asfortranarray(X), read_only, X[::-1][::-1]]
    same += [np.repeat(X, 2, axis=1)[:, ::2], X.astype("float64"), X.astype(">f4")]
    same += [ArrayLike(X), Tensor(X)]
    for x in same:
        np.testing.assert_array_equal(np.asarray(net.predict(x)), y)
    np.testing.assert_allclose(net.predict(X.astype("float16")), y, rtol=0.02, atol=0.01)
    integers = np.array([[1, 2, 3]])
    for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        np.testing.assert_array_equal(
            net.predict(integers.astype(kind)), net.predict(integers.astype("float32"))
        )


def test_predict_from_many_threads() -> None:
    net = mlp()
    data = [np.random.default_rng(i).normal(size=(40 + i, 3)).astype("float32") for i in range(8)]
    expected = [net.predict(x) for x in data]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(net.predict(data[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_dropout_acts_only_in_training() -> None:
    net = Network([Dropout(0.5, input_shape=(100,))])
    x = np.ones((2, 100), "float32")
    np.testing.assert_array_equal(net(x), x)
    np.testing.assert_array_equal(net.predict(x), x)
    assert (net(x, training=True) == 0).any()


def test_images_are_flattened() -> None:
    net = Network([Flatten(input_shape=(4, 5)), Dense(2)])
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
    w, b = net.get_weights()
    np.testing.assert_allclose(net.predict(x), x.reshape(3, 20) @ w + b, rtol=1e-4, atol=1e-6)


def test_a_changed_sublayer_is_seen_by_the_next_call() -> None:
    net = Network([Dense(3, "tanh", input_shape=(3,))])
    net(X)
    net.predict(X)
    net.layers[0].activation = pynn.activations.get("relu")
    w, b = net.get_weights()
    expected = np.maximum(X @ w + b, 0)
    np.testing.assert_allclose(net(X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-5, atol=1e-6)


# --- by hand


def test_backward_fills_gradients_that_match_the_textbook() -> None:
    net = mlp(dtype="float64")
    x, y = X.astype("float64"), Y.astype("float64")
    w1, b1, w2, _ = net.get_weights()
    hidden = np.tanh(x @ w1 + b1)
    out = net.forward(x)
    d_out = MeanSquaredError().gradient(y, out)
    np.testing.assert_allclose(d_out, 2 * (out - y) / y.size, rtol=1e-12)
    d_hidden = (d_out @ w2.T) * (1 - hidden**2)
    dx = net.backward(d_out)
    np.testing.assert_allclose(dx, d_hidden @ w1.T, rtol=1e-10)
    expected = [x.T @ d_hidden, d_hidden.sum(0), hidden.T @ d_out, d_out.sum(0)]
    assert len(net.gradients) == 4
    for gradient, value in zip(net.gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, value, rtol=1e-10)


def test_the_loop_by_hand_is_what_fit_does() -> None:
    by_hand, fitted = mlp(), mlp()
    loss, optimizer = MeanSquaredError(), SGD(learning_rate=0.1)
    for _ in range(5):
        out = X
        for layer in by_hand.layers:
            out = layer.forward(out)
        grad = loss.gradient(Y, out)
        for layer in reversed(by_hand.layers):
            grad = layer.backward(grad)
        optimizer.apply(by_hand.parameters, by_hand.gradients)
    fitted.use(loss="mse", optimizer=SGD(learning_rate=0.1))
    fitted.fit(X, Y, epochs=5, batch_size=7, shuffle=False, verbose=0)
    for a, b in zip(by_hand.get_weights(), fitted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_backward_needs_a_forward_and_a_gradient_of_the_outputs_shape() -> None:
    net = mlp()
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        net.backward(Y)
    with pytest.raises(RuntimeError, match="call forward, then backward"):
        _ = net.gradients
    net.forward(X)
    with pytest.raises(ValueError, match=r"outputs of shape \(7, 2\)"):
        net.backward(Y[:3])


def test_backward_uses_the_dropout_mask_of_its_forward() -> None:
    net = Network([Dropout(0.5, input_shape=(50,))])
    x = np.ones((2, 50), "float32")
    y = net.forward(x, training=True)
    np.testing.assert_array_equal(net.backward(np.ones_like(y)), y)


def test_weights_copy_from_one_network_to_another() -> None:
    a, b = mlp(), Network([Dense(5, "tanh", input_shape=(3,)), Dense(2)])
    assert (a(X) != b(X)).any()
    b.set_weights(a.get_weights())
    np.testing.assert_array_equal(a(X), b(X))
    twin = copy.deepcopy(a)
    np.testing.assert_array_equal(twin(X), a(X))
    twin.set_weights([np.zeros_like(w) for w in twin.get_weights()])
    assert (a(X) != 0).any() and (twin(X) == 0).all()


def test_a_layer_without_forward_says_so() -> None:
    class Nothing(Layer):
        pass

    with pytest.raises(NotImplementedError, match=r"Nothing has no forward\(self, x\)"):
        Nothing()(X)


def test_the_page_about_networks_runs() -> None:
    page = Path(__file__).parents[1] / "docs" / "networks.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 40 and result.failed == 0


def test_names_are_imported_lazily_and_listed() -> None:
    assert set(pynn.__all__) <= set(dir(pynn))
    for name in pynn.__all__:
        assert getattr(pynn, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = pynn.nothing_like_this


def test_predict_checks_as_much_the_second_time() -> None:
    net = pynn.Network([Dense(3, activation="tanh", input_shape=(2,)), Dense(1)])
    x = np.array([[0.5, -1.0]], "float32")
    first = net.predict(x)
    np.testing.assert_array_equal(net.predict(x), first)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="row 0"):
            net.predict(np.array([[0.5, bad]], "float32"))
    assert np.isnan(net.predict(np.array([[0.5, np.nan]], "float32"), check_inputs=False)).all()
    with pytest.raises(ValueError, match="expects one row a sample"):
        net.predict(x[0])
    with pytest.raises(ValueError, match="infinite"):
        net.predict(np.array([[0.5, 1e300]]))
    np.testing.assert_array_equal(net.predict(x.astype(">f4")), first)
    before = net.layers[0].activation
    net.layers[0].activation = pynn.ops.relu
    assert not np.array_equal(net.predict(x), first)
    net.layers[0].activation = before
    np.testing.assert_array_equal(net.predict(x), first)
    net.layers[1].bias.assign([7.0])
    np.testing.assert_allclose(net.predict(x), first + 7, rtol=1e-6)


@pytest.mark.parametrize("graph", [False, True])
def test_a_network_is_freed_with_the_last_reference(graph: bool) -> None:
    """No circles: memory of a network that was used does not wait for the garbage collector."""
    net = Network([Dense(3, "tanh", input_shape=(4,)), Dense(2)])
    if graph:
        net = Network(inputs=(node := Input(4)), outputs=Dense(2)(Dense(3, "tanh")(node)))
    net.use("mse", "adam")
    x, y = np.ones((8, 4), np.float32), np.ones((8, 2), np.float32)
    gc.collect()
    gc.disable()
    try:
        net.fit(x, y, batch_size=3, validation_split=0.5, verbose=0)
        net.evaluate(x, y)
        net.predict(x)
        net(x[:1])
        net.freeze()(x)
        net.backward(net.forward(x))
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()
