"""Layers that draw: what is dropped, how often, and which seed decides it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import pynn
from pynn import Network, layers, ops
from pynn.layers import Layer

ONES = np.ones((40, 6, 5, 50), "float32")
NOISY: dict[str, Callable[..., Layer]] = {
    "Dropout": lambda **o: layers.Dropout(0.3, **o),
    "SpatialDropout2D": lambda **o: layers.SpatialDropout2D(0.3, **o),
    "AlphaDropout": lambda **o: layers.AlphaDropout(0.3, **o),
    "GaussianDropout": lambda **o: layers.GaussianDropout(0.3, **o),
    "GaussianNoise": lambda **o: layers.GaussianNoise(0.3, **o),
}


@pytest.mark.parametrize("kind", NOISY)
def test_noise_with_a_seed_repeats_whatever_the_global_seed_is(kind: str) -> None:
    x = ONES[:4]

    def draws(seed: int | None, start: int) -> list[np.ndarray]:
        pynn.seed(start)
        layer = NOISY[kind](seed=seed)
        return [layer(x, training=True) for _ in range(3)]

    first, other = draws(5, 1), draws(5, 2)
    for a, b in zip(first, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[0] != first[1]).any() and (first[1] != first[2]).any()
    assert (draws(6, 1)[0] != first[0]).any()
    assert (draws(None, 1)[0] != draws(None, 2)[0]).any()


@pytest.mark.parametrize("kind", NOISY)
def test_training_with_a_seed_draws_anew_in_each_step(kind: str) -> None:
    def losses(start: int) -> list[float]:
        pynn.seed(start)
        net = Network([NOISY[kind](seed=5, input_shape=ONES.shape[1:])])
        net.use(loss="mse")
        history = net.fit(ONES, ONES, epochs=3, batch_size=20, shuffle=False, verbose=0)
        return history.history["loss"]

    first = losses(1)
    assert first == losses(2)
    assert len(set(first)) == 3


def test_gradients_are_those_of_the_mask_that_was_drawn() -> None:
    for seed in (None, 4):
        layer = layers.Dropout(0.5, seed=seed)
        for _ in range(3):
            y = layer(ONES, training=True)
            np.testing.assert_array_equal(layer.backward(np.ones_like(y)), y)


def test_spatial_dropout_drops_whole_channels() -> None:
    for layer, x in (
        (layers.SpatialDropout1D(0.3), ONES[:, :, 0]),
        (layers.SpatialDropout2D(0.3), ONES),
        (layers.SpatialDropout3D(0.3), ONES[:, :, :, None]),
    ):
        y = layer(x, training=True)
        channels = y.reshape(len(y), -1, y.shape[-1])
        assert (channels == channels[:, :1]).all()
        assert (channels[:, 0] == 0).mean() == pytest.approx(0.3, abs=0.05)
        with pytest.raises(ValueError, match=r"expects inputs of shape \(batch, .*channels\)"):
            layer(np.ones((2, 3)))


def test_noise_shape_shares_draws_along_axes_of_extent_one() -> None:
    y = layers.Dropout(0.5, noise_shape=(None, 1, 5, None))(ONES, training=True)
    assert (y == y[:, :1]).all() and (y != y[:, :, :1]).any()
    with pytest.raises(ValueError, match="noise_shape"):
        layers.Dropout(0.5, noise_shape=(None, 2, 1, 1))(ONES, training=True)


def test_noise_keeps_its_promise_of_mean_and_variance() -> None:
    z = np.random.default_rng(0).normal(size=(400, 500)).astype("float32")
    y = layers.AlphaDropout(0.4)(z, training=True)
    assert y.mean() == pytest.approx(0, abs=0.02) and y.std() == pytest.approx(1, abs=0.02)
    noise = layers.GaussianNoise(0.5)(z, training=True) - z
    assert noise.mean() == pytest.approx(0, abs=0.01) and noise.std() == pytest.approx(0.5, 0.02)
    factors = layers.GaussianDropout(0.2)(np.ones_like(z), training=True)
    assert factors.mean() == pytest.approx(1, abs=0.01) and factors.std() == pytest.approx(
        0.5, 0.02
    )


@pytest.mark.parametrize("kind", ["Dropout", "AlphaDropout", "GaussianDropout"])
def test_rates_are_checked(kind: str) -> None:
    for rate, error in ((1.0, ValueError), (-0.1, ValueError), ("half", TypeError)):
        with pytest.raises(error, match=rf"{kind}: rate"):
            getattr(layers, kind)(rate)
    with pytest.raises(ValueError, match="GaussianNoise: stddev"):
        layers.GaussianNoise(-1)
    with pytest.raises(ValueError, match="seed"):
        layers.Dropout(0.5, seed=-1)


def test_eager_draws_with_a_seed_are_the_same_each_time() -> None:
    for draw in (ops.random_uniform, ops.random_normal):
        np.testing.assert_array_equal(draw((5,), seed=3), draw((5,), seed=3))
        assert (draw((5,), seed=3) != draw((5,), seed=4)).all()
        assert (draw((5,)) != draw((5,))).all()


def test_activity_penalties_join_the_loss_and_its_gradient() -> None:
    x = np.array([[1.0, -3.0], [2.0, 0.5]], "float32")
    net = Network(
        [
            layers.Dense(2, kernel_initializer="ones", use_bias=False, input_shape=(2,)),
            layers.ActivityRegularization(l2=0.5),
        ]
    )
    net.use(loss="mse", optimizer=pynn.optimizers.SGD(0.1))
    y = net(x)
    assert net.evaluate(x, y, verbose=0)["loss"] == pytest.approx(0.5 * (y**2).sum() / 2)
    kernel = net.get_weights()[0]
    net.fit(x, y, batch_size=2, verbose=0)
    np.testing.assert_allclose(net.get_weights()[0], kernel - 0.1 * x.T @ y / 2, rtol=1e-5)
