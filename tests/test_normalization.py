"""Normalization layers inside networks: running averages, freezing, wrong inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Network, layers
from pynn.layers import BatchNorm, Dense, Layer


def test_training_moves_the_running_averages_once_a_step() -> None:
    x = np.random.default_rng(0).normal(3, 2, (64, 4)).astype("float32")
    norm = BatchNorm(momentum=0.8, input_shape=(4,))
    net = Network([norm, Dense(1)])
    net.use(loss="mse", optimizer="sgd")
    net.fit(x, x[:, :1], batch_size=16, epochs=2, shuffle=False, verbose=0)
    mean, variance = np.zeros(4), np.ones(4)
    for _ in range(2):
        for batch in np.split(x.astype(float), 4):
            mean = 0.8 * mean + 0.2 * batch.mean(0)
            variance = 0.8 * variance + 0.2 * batch.var(0)
    np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-5)
    before = net.get_weights()
    net.evaluate(x, x[:, :1], verbose=0)
    net.predict(x)
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_forward_and_backward_by_hand_move_them_once() -> None:
    norm = BatchNorm(momentum=0.5)
    x = np.array([[1.0], [3.0]], "float32")
    y = norm.forward(x, training=True)
    np.testing.assert_allclose(norm.moving_mean, [1.0])
    norm.backward(np.ones_like(y))
    norm.backward(np.ones_like(y))
    np.testing.assert_allclose(norm.moving_mean, [1.0])


def test_a_frozen_layer_predicts_while_the_rest_trains() -> None:
    x = np.random.default_rng(0).normal(3, 2, (32, 4)).astype("float32")
    norm = BatchNorm(input_shape=(4,))
    net = Network([norm, Dense(1)])
    net.use(loss="mse", optimizer="sgd")
    net.fit(x, x[:, :1], verbose=0)
    norm.trainable = False
    before = norm.get_weights()
    dense = net.layers[1].get_weights()[0]
    net.fit(x, x[:, :1], verbose=0)
    for a, b in zip(norm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (net.layers[1].get_weights()[0] != dense).any()
    norm.trainable = True
    net.fit(x, x[:, :1], verbose=0)
    assert (norm.get_weights()[2] != before[2]).any()


def test_freezing_a_network_freezes_its_running_averages() -> None:
    x = np.random.default_rng(0).normal(3, 2, (32, 4)).astype("float32")
    base = Network([BatchNorm(center=False, scale=False, input_shape=(4,))], name="base")
    net = Network([base, Dense(1)])
    net.use(loss="mse", optimizer="sgd")
    net.fit(x, x[:, :1], verbose=0)
    base.trainable = False
    before = base.get_weights()
    net.fit(x, x[:, :1], verbose=0)
    for a, b in zip(base.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    base.trainable = True
    net.fit(x, x[:, :1], verbose=0)
    assert (base.get_weights()[0] != before[0]).any()


def test_a_loss_that_is_not_finite_returns_the_running_averages() -> None:
    x = np.random.default_rng(0).normal(3, 2, (32, 4)).astype("float32")
    norm = BatchNorm(input_shape=(4,))
    net = Network([norm, Dense(1)])
    net.use(loss="mse", optimizer=pynn.optimizers.SGD(1e30))
    before = norm.get_weights()
    with pytest.raises(pynn.NonFiniteLossError):
        net.fit(x, x[:, :1], batch_size=4, verbose=0)
    for a, b in zip(norm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_with_batch_normalization_learns_and_freezes() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(256, 6)) * 50 + 30).astype("float32")
    y = (x[:, :1] > x[:, 1:2]).astype("float32")
    net = Network([Dense(16, input_shape=(6,)), BatchNorm(), layers.ReLU(), Dense(1, "sigmoid")])
    net.use(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    net.fit(x, y, epochs=60, batch_size=32, verbose=0)
    assert net.evaluate(x, y, verbose=0)["accuracy"] > 0.9
    np.testing.assert_allclose(net.freeze()(x[0]), net.predict(x)[0], rtol=1e-4, atol=1e-5)


def test_large_offsets_cost_no_precision() -> None:
    x = np.random.default_rng(0).normal(1e4, 1, (64, 8)).astype("float32")
    wide = x.astype(float)
    for layer, axis in ((layers.LayerNorm(), 1), (BatchNorm(), 0)):
        standard = (wide - wide.mean(axis, keepdims=True)) / np.sqrt(
            wide.var(axis, keepdims=True) + 1e-3
        )
        np.testing.assert_allclose(layer(x, training=True), standard, atol=2e-3)


def test_bfloat16_layers_keep_statistics_in_float32() -> None:
    x = np.random.default_rng(0).normal(3, 2, (64, 4)).astype("float32")
    norm = BatchNorm(dtype="bfloat16", momentum=0.0)
    y = norm(x, training=True)
    assert [w.dtype for w in norm.weights] == ["bfloat16", "bfloat16", "float32", "float32"]
    np.testing.assert_allclose(norm.moving_mean, x.mean(0), rtol=5e-3)
    np.testing.assert_allclose(y, (x - x.mean(0)) / x.std(0), atol=2e-2)


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: layers.LayerNorm(axis=3), (2, 4), "LayerNormalization .* axis 3"),
        (lambda: layers.LayerNorm(axis=0), (2, 4), "LayerNormalization .* axis 0"),
        (lambda: layers.LayerNorm(axis=(1, -1)), (2, 4), "LayerNormalization .* axis"),
        (lambda: layers.BatchNorm(axis=-3), (2, 4), "BatchNormalization .* axis -3"),
        (lambda: layers.GroupNormalization(3), (2, 4), "GroupNormalization .* 3 groups"),
        (lambda: layers.RMSNormalization(epsilon=0), (2, 4), "RMSNormalization: epsilon"),
        (lambda: layers.BatchNorm(momentum=1.5), (2, 4), "BatchNormalization: momentum"),
    ],
)
def test_bad_options_and_shapes_name_the_layer(make: Any, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()(np.zeros(shape))


@pytest.mark.parametrize("kind", ["BatchNorm", "LayerNorm", "GroupNormalization"])
def test_another_number_of_features_is_refused(kind: str) -> None:
    options = {"groups": 1} if kind == "GroupNormalization" else {}
    layer: Layer = getattr(layers, kind)(**options)
    layer(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"expects inputs of extent \(4,\) along axis -1"):
        layer(np.zeros((2, 5)))


@pytest.mark.parametrize("shape", [(2, 1), (5, 3), (700, 33), (3, 4, 5, 2100)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_standardize(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, shape).astype(dtype)
    gamma, beta = rng.normal(size=(2, shape[-1])).astype(dtype)
    rows = x.astype(float).reshape(-1, shape[-1])
    y, mean, variance = pynn.ops.batch_standardize(x, 0.5, gamma, beta)
    h = (x - rows.mean(0)) / np.sqrt(rows.var(0) + 0.5)
    close = {"rtol": 1e-12, "atol": 1e-12} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(mean, rows.mean(0), **close)
    np.testing.assert_allclose(variance, rows.var(0), **close)
    np.testing.assert_allclose(y, h * gamma + beta, **close)
    np.testing.assert_allclose(pynn.ops.batch_standardize(x, 0.5, beta=beta)[0], h + beta, **close)


def test_batch_standardize_needs_rows() -> None:
    with pytest.raises(ValueError, match="rows of features"):
        pynn.ops.batch_standardize(np.ones(3))


@pytest.mark.parametrize("layer", [layers.LayerNormalization, BatchNorm])
def test_gradients_have_the_same_bits_for_any_number_of_threads(layer: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3000, 40)).astype("float32")
    dy = x[::-1].copy()
    found = []
    before = pynn.num_threads()
    for threads in (1, 2, 3):
        pynn.set_num_threads(threads)
        try:
            norm = layer()
            norm.forward(x, training=True)
            found.append([norm.backward(dy), *norm.gradients])
        finally:
            pynn.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
