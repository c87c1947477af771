"""Training: the same numbers as the textbook's loop, however it is called."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_mlp import LABELS, X, Y, assert_same_weights, mlp, same_bits

import pynn
from pynn import Network
from pynn.layers import Dense, Dropout, Layer
from pynn.optimizers import SGD, Adam


def textbook(
    weights: list[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    rate: float,
    batch: int,
    epochs: int,
    sample_weight: np.ndarray | None = None,
    l2: float = 0.0,
) -> tuple[list[np.ndarray], list[float]]:
    """Mini-batch gradient descent of a tanh MLP on squared error, in plain NumPy, in order."""
    w1, b1, w2, b2 = (w.copy() for w in weights)
    weight = np.ones(len(x)) if sample_weight is None else sample_weight
    history = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch):
            xb, yb, s = (a[start : start + batch] for a in (x, y, weight))
            h = np.tanh(xb @ w1 + b1)
            out = h @ w2 + b2
            loss = (s * ((out - yb) ** 2).mean(1)).mean() + l2 * (w1**2).sum()
            total += loss * len(xb)
            d_out = 2 * (out - yb) * s[:, None] / yb.size
            d_h = (d_out @ w2.T) * (1 - h**2)
            w2 -= rate * h.T @ d_out
            b2 -= rate * d_out.sum(0)
            w1 -= rate * (xb.T @ d_h + 2 * l2 * w1)
            b1 -= rate * d_h.sum(0)
        history.append(total / len(x))
    return [w1, b1, w2, b2], history


# --- the numbers


@pytest.mark.parametrize("batch", [1, 7, 10, 50, 64])
def test_fit_is_the_textbooks_loop(batch: int) -> None:
    net = mlp()
    expected, losses = textbook(net.get_weights(), X, Y, 0.1, batch, 3)
    net.use("mse", SGD(0.1))
    history = net.fit(X, Y, epochs=3, batch_size=batch, shuffle=False, verbose=0)
    assert_same_weights(net, expected)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-9)
    assert history.epoch == [0, 1, 2] and net.history is history
    assert history.params == {"epochs": 3, "steps": -(-50 // min(batch, 50)), "batch_size": batch}


def test_sample_weights_scale_the_terms_of_the_mean() -> None:
    weight = np.random.default_rng(3).uniform(0, 2, 50)
    net = mlp()
    expected, losses = textbook(net.get_weights(), X, Y, 0.1, 8, 2, weight)
    net.use("mse", SGD(0.1))
    history = net.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0, sample_weight=weight)
    assert_same_weights(net, expected)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-9)


def test_regularizers_are_part_of_loss_and_gradient() -> None:
    net = mlp(kernel_regularizer=pynn.regularizers.L2(0.05))
    expected, losses = textbook(net.get_weights(), X, Y, 0.1, 10, 2, l2=0.05)
    net.use("mse", SGD(0.1))
    history = net.fit(X, Y, epochs=2, batch_size=10, shuffle=False, verbose=0)
    assert_same_weights(net, expected)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-9)
    kernel = net.get_weights()[0]
    loss = net.evaluate(X, Y)["loss"]
    assert loss == pytest.approx(((net.predict(X) - Y) ** 2).mean() + 0.05 * (kernel**2).sum())


def test_class_weights_are_sample_weights_by_label() -> None:
    table = {0: 1.0, 1: 2.0, 2: 0.5, 3: 0.0}
    a, b, c = mlp(4), mlp(4), mlp(4)
    for net in (a, b):
        net.use("sparse_categorical_crossentropy", SGD(0.1))
    c.use("categorical_crossentropy", SGD(0.1))
    options: dict[str, Any] = {"epochs": 2, "shuffle": False, "verbose": 0}
    a.fit(X, LABELS, class_weight=table, **options)
    b.fit(X, LABELS, sample_weight=np.array([table[k] for k in LABELS]), **options)
    c.fit(X, np.eye(4)[LABELS], class_weight=table, **options)
    assert_same_weights(a, b.get_weights())
    with pytest.raises(ValueError, match="no weight for class 3"):
        a.fit(X, LABELS, class_weight={0: 1.0, 1: 1.0, 2: 1.0}, verbose=0)


def test_a_column_and_a_row_of_targets_are_the_same() -> None:
    a, b = mlp(1), mlp(1)
    y = Y[:, 0]
    for net in (a, b):
        net.use("mse", SGD(0.1))
    a.fit(X, y, verbose=0, shuffle=False)
    b.fit(X, y[:, None], verbose=0, shuffle=False)
    assert same_bits(a, b)


def test_frozen_layers_stay_as_they_are() -> None:
    net = mlp()
    before = net.get_weights()
    net.use("mse", Adam(0.1))
    net.layers[0].trainable = False
    net.fit(X, Y, verbose=0)
    after = net.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before[:2], after[:2], strict=True))
    assert (before[2] != after[2]).any()
    net.layers[0].trainable = True
    net.fit(X, Y, verbose=0)
    assert (net.get_weights()[0] != before[0]).any()


def test_metrics_are_exact_over_the_epoch() -> None:
    net = mlp(4, dtype="float32")
    net.use("sparse_categorical_crossentropy", SGD(0.0), metrics=["accuracy", "mse_of_nothing"][:1])
    history = net.fit(X, LABELS, batch_size=7, verbose=0)
    out = net.predict(X)
    accuracy = (out.argmax(1) == LABELS).mean()
    assert history.history["accuracy"] == [pytest.approx(accuracy)]
    figures = net.evaluate(X, LABELS, batch_size=9)
    assert figures["accuracy"] == pytest.approx(accuracy)
    assert figures["loss"] == pytest.approx(history.history["loss"][0], rel=1e-5)
    assert list(figures) == ["loss", "accuracy"]


def test_validation_measures_after_the_epoch() -> None:
    net = mlp()
    net.use("mse", SGD(0.1), metrics=["mae"])
    history = net.fit(X[:40], Y[:40], epochs=2, verbose=0, validation_data=(X[40:], Y[40:]))
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert history.history["val_mae"][-1] == pytest.approx(
        np.abs(net.predict(X[40:]) - Y[40:]).mean()
    )
    weighted = net.evaluate(X[40:], Y[40:], sample_weight=np.full(10, 2.0))["loss"]
    assert weighted == pytest.approx(2 * history.history["val_loss"][-1])


def test_validation_split_takes_the_last_samples() -> None:
    a, b = mlp(), mlp()
    for net in (a, b):
        net.use("mse", SGD(0.1))
    pynn.seed(1)
    split = a.fit(X, Y, verbose=0, validation_split=0.2)
    pynn.seed(1)
    apart = b.fit(X[:40], Y[:40], verbose=0, validation_data=(X[40:], Y[40:]))
    assert same_bits(a, b) and split.history == apart.history


def test_xor_is_learned() -> None:
    pynn.seed(1)
    x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    net = Network()
    net.add(Dense(3, activation="tanh", input_shape=(2,)))
    net.add(Dense(1, activation="tanh"))
    net.use(loss="mse", optimizer=SGD(learning_rate=0.1))
    net.fit(x, y, epochs=1000, batch_size=1, verbose=0)
    np.testing.assert_array_equal(net.predict(x).round(), y)


def test_dropout_trains_with_noise_and_predicts_without() -> None:
    pynn.seed(2)
    net = Network([Dense(32, "relu", input_shape=(3,)), Dropout(0.5), Dense(2)])
    net.use("mse", SGD(0.0))
    losses = net.fit(X, Y, epochs=3, verbose=0).history["loss"]
    assert len(set(losses)) == 3
    assert net.evaluate(X, Y)["loss"] == pytest.approx(((net.predict(X) - Y) ** 2).mean(), rel=1e-4)


# --- layers of one's own


def test_a_numpy_layer_trains_like_the_native_one() -> None:
    class Tanh(Layer):
        def forward(self, x: np.ndarray) -> np.ndarray:
            self.y = np.tanh(x)
            return self.y

        def backward(self, grad: np.ndarray) -> np.ndarray:
            return grad * (1 - self.y**2)

    class OwnDense(Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = units

        def build(self, input_shape: tuple[int, ...]) -> None:
            self.kernel = self.add_weight("kernel", (input_shape[0], self.units))
            self.bias = self.add_weight("bias", (self.units,), "zeros")

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return x @ self.kernel + self.bias

        def backward(self, grad: np.ndarray) -> np.ndarray:
            self.gradients = [self.x.T @ grad, grad.sum(0)]
            return grad @ self.kernel.T

    pynn.seed(4)
    own = Network([OwnDense(5), Tanh(), OwnDense(2)], dtype="float64")
    own.use("mse", Adam(0.01))
    native = mlp()
    native.use("mse", Adam(0.01))
    own(X)  # builds
    own.set_weights(native.get_weights())
    a = own.fit(X, Y, epochs=3, batch_size=8, shuffle=False, verbose=0)
    b = native.fit(X, Y, epochs=3, batch_size=8, shuffle=False, verbose=0)
    assert_same_weights(own, native.get_weights(), rtol=1e-8)
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=1e-9)


def test_an_error_in_a_numpy_layer_comes_out_of_fit() -> None:
    class Breaks(Layer):
        def forward(self, x: np.ndarray) -> np.ndarray:
            if x.any():
                raise KeyError("mine")
            return x

        def backward(self, grad: np.ndarray) -> np.ndarray:
            return grad

    net = Network([Dense(3, input_shape=(3,)), Breaks()])
    net.use("mse", "sgd")
    with pytest.raises(KeyError, match="mine"):
        net.fit(X, X, verbose=0)


# --- using again, settings


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_goes_on_training_where_the_original_was(copied: Callable[[Any], Any]) -> None:
    net = mlp()
    net.use("mse", Adam(0.01), metrics=["mae"])
    net.fit(X, Y, verbose=0)
    twin = copied(net)
    for n in (net, twin):
        n.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    assert same_bits(net, twin)
    np.testing.assert_array_equal(net.predict(X), twin.predict(X))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the pool survives it
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_trains_and_predicts_like_its_parent(tmp_path: Path) -> None:
    saved = tmp_path / "child.npy"
    net = mlp()
    net.use("mse", Adam(0.01))
    net.fit(X, Y, shuffle=False, verbose=0)
    twin = copy.deepcopy(net)
    child = os.fork()
    if child == 0:
        try:
            twin.fit(X, Y, shuffle=False, verbose=0)
            np.save(saved, twin.predict(X))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    net.fit(X, Y, shuffle=False, verbose=0)
    np.testing.assert_array_equal(np.load(saved), net.predict(X))


def test_use_again_starts_a_new_optimizer_state() -> None:
    a, b = mlp(), mlp()
    a.use("mae", Adam(0.5))
    a.fit(X, Y, verbose=0, shuffle=False)
    a.set_weights(b.get_weights())
    for net in (a, b):
        net.compile("mse", "adam")
        net.fit(X, Y, verbose=0, shuffle=False)
    assert same_bits(a, b)


def test_a_changed_setting_reaches_the_next_fit() -> None:
    net = Network([Dropout(0.0, input_shape=(3,)), Dense(2)])
    net.use("mse", SGD(0.0))
    exact = net.evaluate(X, Y)["loss"]
    assert net.fit(X, Y, verbose=0).history["loss"] == [pytest.approx(exact, rel=1e-5)]
    net.layers[0].rate = 0.9
    assert net.fit(X, Y, verbose=0).history["loss"] != [pytest.approx(exact, rel=1e-5)]


def test_any_function_of_tensors_is_a_loss() -> None:
    net, other = mlp(), mlp()
    net.use(lambda y_true, y_pred: (y_true - y_pred) ** 2, SGD(0.1))
    other.use("mse", SGD(0.1))
    for n in (net, other):
        n.fit(X, Y, verbose=0, shuffle=False)
    assert_same_weights(net, other.get_weights())


def test_history_plots_with_matplotlib() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    net = mlp()
    net.use("mse", "sgd", metrics=["mae"])
    figure = net.fit(X, Y, epochs=2, verbose=0, validation_split=0.2).plot()
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
