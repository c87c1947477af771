"""Mistakes: the right exception, before any work, saying what came and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Input, Network
from pynn.layers import Activation, Dense, Dropout, Layer, Reshape

X = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
Y = np.random.default_rng(1).normal(size=(20, 3)).astype("float32")
LABELS = np.arange(20) % 3


def network(loss: Any = "mse") -> Network:
    net = Network([Dense(4, "relu", input_shape=(6,), name="hidden"), Dense(3, name="out")])
    net.use(loss, "adam")
    return net


def changed(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[7, 1] = value
    return array


# name: (arguments of fit, exception, what the message says)
FIT: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "features": (
        {"x": X[:, :5]},
        ValueError,
        r"Dense 'hidden' expects inputs with 6 features, got \(20, 5\)",
    ),
    "rank of x": (
        {"x": X[:, :, None]},
        ValueError,
        r"Dense 'hidden' expects inputs with 6 features, got \(20, 6, 1\)",
    ),
    "more axes": (
        {"x": X.reshape(20, 1, 6)},
        ValueError,
        r"'network' expects inputs of shape \(batch, 6\), got \(20, 1, 6\)",
    ),
    "one row": (
        {"x": X[0], "y": Y[:1]},
        ValueError,
        r"one row a sample, got one sample of shape \(6,\)",
    ),
    "number": ({"x": 3.0}, ValueError, "x expects an array"),
    "outputs": (
        {"y": Y[:, :2]},
        ValueError,
        r"^mean_squared_error expects .*\(20, 3\).*got \(20, 2\)",
    ),
    "lengths": ({"y": Y[:19]}, ValueError, r"same number of samples, got 20 \(20, 6\) and 19"),
    "empty": ({"x": X[:0], "y": Y[:0]}, ValueError, r"x is empty: shape \(0, 6\)"),
    "no features": ({"x": np.zeros((20, 0))}, ValueError, "x is empty"),
    "objects": (
        {"x": X.astype(object)},
        TypeError,
        "x expects real numbers, got an array of Python objects",
    ),
    "strings": ({"x": X.astype(str)}, TypeError, "x expects real numbers, got an array of strings"),
    "complex": (
        {"x": X.astype(complex)},
        TypeError,
        "x expects real numbers, got an array of complex",
    ),
    "dates": (
        {"x": np.zeros((20, 6), "datetime64[s]")},
        TypeError,
        "x expects real numbers, got an array of dates",
    ),
    "ragged": ({"x": [[1.0, 2.0], [3.0]]}, (ValueError, TypeError), "x "),
    "None": ({"x": None}, TypeError, "x expects real numbers"),
    "y objects": ({"y": Y.astype(object)}, TypeError, "y expects real numbers"),
    "NaN": (
        {"x": changed(X, np.nan)},
        ValueError,
        r"x has NaN in row 7 .*1 of 20 rows.*check_inputs=False",
    ),
    "infinity": ({"x": changed(X, np.inf)}, ValueError, "x has an infinite value"),
    "too large": (
        {"x": changed(X.astype("float64"), 1e300)},
        ValueError,
        "x has an infinite value",
    ),
    "NaN in y": ({"y": changed(Y, np.nan)}, ValueError, "y has NaN in row 7"),
    "epochs 0": ({"epochs": 0}, ValueError, "epochs expects an integer of at least 1, got 0"),
    "epochs -1": ({"epochs": -1}, ValueError, "epochs"),
    "epochs 1.5": ({"epochs": 1.5}, TypeError, "epochs expects an integer, got 1.5"),
    "batch_size 0": ({"batch_size": 0}, ValueError, "batch_size expects an integer of at least 1"),
    "batch_size -3": ({"batch_size": -3}, ValueError, "batch_size"),
    "batch_size '32'": ({"batch_size": "32"}, TypeError, "batch_size"),
    "batch_size True": ({"batch_size": True}, TypeError, "batch_size"),
    "initial_epoch": ({"initial_epoch": -1}, ValueError, "initial_epoch"),
    "initial_epoch after the end": ({"initial_epoch": 3, "epochs": 3}, ValueError, "initial_epoch"),
    "split 1": ({"validation_split": 1.0}, ValueError, "validation_split"),
    "split -0.1": ({"validation_split": -0.1}, ValueError, "validation_split"),
    "split text": ({"validation_split": "0.2"}, TypeError, "validation_split"),
    "split of nothing": (
        {"validation_split": 0.01},
        ValueError,
        "leaves 20 to train on and 0 to validate",
    ),
    "validation array": ({"validation_data": X}, ValueError, "validation_data expects"),
    "validation x alone": (
        {"validation_data": (X,)},
        ValueError,
        "validation_data expects .* got 1 items",
    ),
    "validation features": (
        {"validation_data": (X[:, :2], Y)},
        ValueError,
        r"'hidden' expects inputs with 6 features, got \(20, 2\)",
    ),
    "validation lengths": (
        {"validation_data": (X, Y[:3])},
        ValueError,
        "validation_data x and validation_data y",
    ),
    "validation NaN": (
        {"validation_data": (changed(X, np.nan), Y)},
        ValueError,
        "validation_data x has NaN",
    ),
    "verbose 3": ({"verbose": 3}, ValueError, "verbose"),
    "verbose text": ({"verbose": "yes"}, ValueError, "verbose"),
    "weights' length": ({"sample_weight": np.ones(19)}, ValueError, "x and sample_weight"),
    "weights' rank": (
        {"sample_weight": np.ones((20, 2))},
        ValueError,
        "sample_weight expects one number a sample",
    ),
    "negative weights": (
        {"sample_weight": -np.ones(20)},
        ValueError,
        "sample_weight expects numbers of at least 0",
    ),
    "NaN weights": ({"sample_weight": np.full(20, np.nan)}, ValueError, "sample_weight has NaN"),
    "class weights": ({"class_weight": [1.0, 2.0]}, TypeError, "class_weight expects a dict"),
    "callback class": (
        {"callbacks": [pynn.callbacks.Callback]},
        TypeError,
        "callbacks expects Callback objects",
    ),
    "callback function": ({"callbacks": [print]}, TypeError, "callbacks expects Callback objects"),
}


@pytest.mark.parametrize("case", FIT)
def test_fit_refuses(case: str) -> None:
    options, error, message = FIT[case]
    net = network()
    before = net.get_weights()
    with pytest.raises(error, match=message):
        net.fit(**({"x": X, "y": Y, "verbose": 0} | options))
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))
    assert net.history is None
    net.fit(X, Y, verbose=0)


@pytest.mark.parametrize("case", [c for c in FIT if set(FIT[c][0]) <= {"x", "y"}])
def test_evaluate_refuses_the_same_data(case: str) -> None:
    options, error, message = FIT[case]
    with pytest.raises(error, match=message):
        network().evaluate(**({"x": X, "y": Y} | options))


@pytest.mark.parametrize("case", [c for c in FIT if set(FIT[c][0]) == {"x"} and c != "more axes"])
def test_predict_refuses_the_same_data(case: str) -> None:
    options, error, message = FIT[case]
    with pytest.raises(error, match=message):
        network().predict(**options)


# Other inputs may well decide the shape of a network without one.
@pytest.mark.parametrize("case", [c for c in FIT if "x" not in FIT[c][0]])
def test_a_network_that_had_not_seen_its_shape_is_as_before(case: str) -> None:
    options, error, _ = FIT[case]
    net = Network([Dense(4, "relu"), Dense(3)])
    net.use("mse", "adam")
    with pytest.raises(error):
        net.fit(**({"x": X, "y": Y, "verbose": 0} | options))
    assert not net.built and net.weights == [] and net.input_shape is None
    assert not any(layer.built for layer in net.layers)
    net.fit(X[:, :5], Y, verbose=0)
    assert net.input_shape == (5,)


LABELS_BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "too large": (LABELS + 1, ValueError, "3"),
    "negative": (LABELS - 1, ValueError, "-1"),
    "fractions": (LABELS + 0.5, (ValueError, TypeError), "whole numbers"),
    "one-hot": (np.eye(3)[LABELS], (ValueError, TypeError), r"\(20, 3\)"),
    "strings": (LABELS.astype(str), TypeError, "strings"),
    "NaN": (np.where(LABELS == 1, np.nan, LABELS), ValueError, "NaN"),
}


@pytest.mark.parametrize("case", LABELS_BAD)
def test_sparse_losses_refuse_labels(case: str) -> None:
    labels, error, message = LABELS_BAD[case]
    net = network("sparse_categorical_crossentropy")
    before = net.get_weights()
    with pytest.raises(error, match=message):
        net.fit(X, labels, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))


def test_the_check_for_nan_can_be_switched_off() -> None:
    net = network()
    assert np.isnan(net.predict(changed(X, np.nan), check_inputs=False)).any()
    assert np.isnan(net.evaluate(changed(X, np.nan), Y, check_inputs=False)["loss"])


def test_use_before_fit_and_a_shape_before_predict() -> None:
    net = Network([Dense(3)])
    for call in (lambda: net.fit(X, Y), lambda: net.evaluate(X, Y)):
        with pytest.raises(RuntimeError, match=r"call use\(loss=\.\.\., optimizer=\.\.\.\) before"):
            call()
    with pytest.raises(RuntimeError, match=r"doesn't know its input shape: give its first layer"):
        net.predict(X)
    for call in (lambda: Network().predict(X), lambda: Network()(X)):
        with pytest.raises((RuntimeError, ValueError), match="has no layers yet"):
            call()
    with pytest.raises(ValueError, match="when it first sees its input shape"):
        net.count_params()
    with pytest.raises(ValueError, match="when it first sees its input shape"):
        net.set_weights([X])


CONSTRUCTIONS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "units 0": (
        lambda: Dense(0),
        ValueError,
        "Dense: units expects an integer of at least 1, got 0",
    ),
    "units -2": (lambda: Dense(-2), ValueError, "units"),
    "units 2.5": (lambda: Dense(2.5), TypeError, "units expects an integer, got 2.5"),
    "units text": (lambda: Dense("2"), TypeError, "units"),
    "input_shape 0": (lambda: Dense(2, input_shape=(0,)), ValueError, "input_shape"),
    "input_shape None": (lambda: Dense(2, input_shape=(None,)), TypeError, "input_shape"),
    "input_shape text": (lambda: Dense(2, input_shape="784"), TypeError, "input_shape"),
    "dtype": (lambda: Dense(2, dtype="float23"), ValueError, "dtype expects one of float32"),
    "dtype int": (lambda: Dense(2, dtype=int), ValueError, "dtype expects one of float32"),
    "name": (lambda: Dense(2, name=3), TypeError, "name expects a string"),
    "misspelt": (
        lambda: pynn.layers.SimpleRNN(2, activaton="relu"),
        TypeError,
        "unknown SimpleRNN argument 'activaton'; did you mean 'activation'?",
    ),
    "flag of an optimizer": (
        lambda: pynn.optimizers.SGD(nesterov="yes"),
        TypeError,
        "sgd: nesterov expects True or False, got 'yes'",
    ),
    "threads 1.5": (lambda: pynn.set_num_threads(1.5), TypeError, "n expects an integer, got 1.5"),
    "threads text": (lambda: pynn.set_num_threads("2"), TypeError, "n expects an integer, got '2'"),
    "threads True": (lambda: pynn.set_num_threads(True), TypeError, "n expects an integer"),
    "threads 2^40": (lambda: pynn.set_num_threads(1 << 40), ValueError, "positive integer of 32"),
    "real of an op": (
        lambda: pynn.ops.leaky_relu([1.0], "a"),
        TypeError,
        "leaky_relu: alpha expects a number, got 'a'",
    ),
    "integer of an op": (
        lambda: pynn.ops.softmax([[1.0]], axis=1.5),
        TypeError,
        "softmax: axis expects an integer, got 1.5",
    ),
    "activation": (lambda: Dense(2, "rleu"), ValueError, "unknown activation 'rleu'.*'relu'"),
    "activation class": (lambda: Dense(2, pynn.layers.ReLU), TypeError, r"write ReLU\(\)"),
    "activation number": (lambda: Activation(3), TypeError, "activation expects a name"),
    "initializer": (
        lambda: Dense(2, kernel_initializer="golrot_uniform"),
        ValueError,
        "glorot_uniform",
    ),
    "regularizer": (lambda: Dense(2, kernel_regularizer="l3"), ValueError, "l2"),
    "rate 1": (lambda: Dropout(1.0), ValueError, "Dropout: rate"),
    "rate -0.1": (lambda: Dropout(-0.1), ValueError, "Dropout: rate"),
    "rate text": (lambda: Dropout("half"), TypeError, "Dropout: rate"),
    "target 0": (lambda: Reshape((0, 2)), ValueError, "target_shape"),
    "target -1 -1": (lambda: Reshape((-1, -1)), ValueError, "target_shape"),
    "slope": (lambda: pynn.layers.LeakyReLU(-1), ValueError, "negative_slope"),
    "Input": (lambda: Input((3, -1)), ValueError, "Input: shape"),
    "loss": (lambda: Network().use("msee"), ValueError, "unknown loss 'msee'.*'mse'"),
    "optimizer": (
        lambda: Network().use("mse", "adma"),
        ValueError,
        "unknown optimizer 'adma'.*'adam'",
    ),
    "metric": (
        lambda: Network().use("mse", metrics=["acuracy"]),
        ValueError,
        "unknown metric 'acuracy'.*'accuracy'",
    ),
    "metric twice": (
        lambda: Network().use("mse", metrics=["mae", "mae"]),
        ValueError,
        "names of their own",
    ),
    "loss number": (lambda: Network().use(3), TypeError, "loss"),
    "seed": (lambda: pynn.seed(-1), ValueError, "seed"),
    "seed text": (lambda: pynn.seed("1"), TypeError, "seed"),
}


@pytest.mark.parametrize("case", CONSTRUCTIONS)
def test_constructors_refuse(case: str) -> None:
    make, error, message = CONSTRUCTIONS[case]
    with pytest.raises(error, match=message):
        make()


def test_a_failed_use_keeps_the_old_one() -> None:
    net = network()
    loss, optimizer = net.loss, net.optimizer
    with pytest.raises(ValueError, match="unknown metric"):
        net.use("mae", "sgd", metrics=["nothing"])
    assert net.loss is loss and net.optimizer is optimizer


def test_layers_name_themselves_in_errors() -> None:
    net = network()
    with pytest.raises(
        ValueError, match=r"Dense 'hidden' expects inputs with 6 features, got \(2, 5\)"
    ):
        net(np.zeros((2, 5)))
    with pytest.raises(
        ValueError, match=r"Reshape 'reshape' can't make \(4,\) of samples of shape \(6,\)"
    ):
        Reshape(4)(X)
    with pytest.raises(ValueError, match=r"Dense 'dense' was declared with input_shape=\(3,\)"):
        Dense(2, input_shape=(3,))(X)
    with pytest.raises(TypeError, match="the input of Dense 'dense' expects real numbers"):
        Dense(2)(np.array([["a"]]))


def test_own_layers_are_told_what_is_wrong() -> None:
    class NoSuper(Layer):
        def __init__(self) -> None:
            self.inner = Dense(2)

        def forward(self, x: Any) -> Any:
            return self.inner(x)

    with pytest.raises(
        RuntimeError, match=r"NoSuper.__init__ must call super\(\).__init__\(\) first"
    ):
        NoSuper()(X)

    class ReturnsNothing(Layer):
        def forward(self, x: Any) -> Any:
            x * 2

    with pytest.raises(TypeError, match="forward must return a tensor, got NoneType"):
        ReturnsNothing()(X)

    class WrongGradients(Layer):
        def build(self, input_shape: tuple[int, ...]) -> None:
            self.w = self.add_weight("w", (3, 2))

        def forward(self, x: np.ndarray) -> np.ndarray:
            return x

        def backward(self, grad: np.ndarray) -> np.ndarray:
            self.gradients = [np.zeros((2, 3))]
            return grad

    layer = WrongGradients()
    y = layer(X)
    with pytest.raises(
        ValueError, match=r"'w' has shape \(3, 2\), got a gradient of shape \(2, 3\)"
    ):
        layer.backward(y)

    class WrongInput(Layer):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return x

        def backward(self, grad: np.ndarray) -> np.ndarray:
            return grad[:, :1]

    net = Network([WrongInput(input_shape=(6,)), Dense(3)])
    net.use("mse", "sgd")
    dense = Network([Dense(6, input_shape=(6,)), WrongInput(), Dense(3)])
    dense.use("mse", "sgd")
    with pytest.raises(
        ValueError, match=r"backward must return .* of shape \(20, 6\), got \(20, 1\)"
    ):
        dense.fit(X, Y, verbose=0)
    with pytest.raises(AttributeError, match="kernl"):
        _ = Dense(2).kernl


def test_out_of_memory_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        Network([Dense(1 << 20, kernel_initializer="zeros", input_shape=(1 << 20,))])
