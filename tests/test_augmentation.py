"""Layers that change images at random: what their factors mean, and whose draws are whose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layer_cases.augmentation import KINDS

import pynn
from pynn import layers

IMAGE = np.arange(1.0, 31.0).reshape(1, 6, 5, 1)


def trained(layer: layers.Layer, x: Any = IMAGE) -> Any:
    return layer(x, training=True)


def test_a_shift_goes_down_and_right() -> None:
    layer = layers.RandomTranslation((0.5, 0.5), (0.2, 0.2), "constant", fill_value=-1.0)
    expected = np.full_like(IMAGE, -1)
    expected[:, 3:, 1:] = IMAGE[:, :3, :4]
    np.testing.assert_allclose(trained(layer), expected, atol=1e-5)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_go_counterclockwise(turns: int) -> None:
    x = np.arange(50.0).reshape(1, 5, 5, 2)
    layer = layers.RandomRotation((turns / 4, turns / 4))
    np.testing.assert_allclose(trained(layer, x), np.rot90(x, turns, (1, 2)), atol=1e-4)


def test_a_zoom_above_0_shows_more() -> None:
    layer = layers.RandomZoom((1.0, 1.0), (0.0, 0.0), "constant", "nearest")
    y = trained(layer)[0, :, :, 0]
    assert (y[[0, -1]] == 0).all() and (y[2:4] > 0).all()
    closer = trained(layers.RandomZoom((-0.5, -0.5), interpolation="nearest"))[0, :, :, 0]
    assert closer.min() >= IMAGE[0, 1, 1, 0] and closer.max() <= IMAGE[0, 4, 3, 0]


def test_zoom_without_a_width_keeps_the_ratio() -> None:
    x = np.random.default_rng(0).normal(size=(20, 5, 5, 1))
    both = trained(layers.RandomZoom((-0.4, 0.4), seed=5), x)
    turned = trained(layers.RandomZoom((-0.4, 0.4), seed=5), x.transpose(0, 2, 1, 3))
    np.testing.assert_allclose(both, turned.transpose(0, 2, 1, 3), atol=1e-6)


def test_light() -> None:
    x = IMAGE / 30
    np.testing.assert_allclose(
        trained(layers.RandomBrightness((0.5, 0.5), (0, 1)), x), np.minimum(x + 0.5, 1), rtol=1e-5
    )
    mean = x.mean()
    np.testing.assert_allclose(
        trained(layers.RandomContrast((-0.2, 0.2), (0, 1)), x),
        np.clip(mean + 1.2 * (x - mean), 0, 1),
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", KINDS)
def test_each_image_and_step_has_its_own_draw_and_prediction_none(name: str) -> None:
    pynn.seed(3)
    layer = KINDS[name]()
    x = np.tile(np.random.default_rng(1).normal(size=(1, 6, 5, 1)), (30, 1, 1, 1))
    x = x.astype("float32")
    np.testing.assert_array_equal(layer(x), x)
    y = trained(layer, x)
    assert len({image.tobytes() for image in y}) > 1
    assert not np.array_equal(trained(layer, x), y)


@pytest.mark.parametrize("name", KINDS)
def test_draws_follow_the_seed(name: str) -> None:
    x = np.random.default_rng(1).normal(size=(9, 6, 5, 1))

    def run() -> Any:
        pynn.seed(8)
        return trained(KINDS[name](), x)

    np.testing.assert_array_equal(run(), run())


OPTIONS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "flips": (lambda: layers.RandomFlip("diagonal"), ValueError, "RandomFlip: mode"),
    "a range upside down": (
        lambda: layers.RandomRotation((0.2, 0.1)),
        ValueError,
        "RandomRotation: factor expects a number or .low, high.",
    ),
    "no number": (
        lambda: layers.RandomTranslation("a", 0.1),
        TypeError,
        "RandomTranslation: height_factor",
    ),
    "a negative zoom": (
        lambda: layers.RandomZoom((-1.5, 0.0)),
        ValueError,
        "RandomZoom: height_factor expects .* of at least -1",
    ),
    "fill_mode": (
        lambda: layers.RandomZoom(0.1, fill_mode="mirror"),
        ValueError,
        "RandomZoom: fill_mode expects one of 'reflect'",
    ),
    "interpolation": (
        lambda: layers.RandomZoom(0.1, interpolation="cubic"),
        ValueError,
        "RandomZoom: interpolation",
    ),
    "contrast": (lambda: layers.RandomContrast(2.0), ValueError, "RandomContrast: factor"),
    "a seed": (lambda: layers.RandomFlip(seed=0.5), TypeError, "RandomFlip: seed"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", OPTIONS)
def test_constructors_refuse(case: str) -> None:
    make, error, message = OPTIONS[case]
    with pytest.raises(error, match=message):
        make()


def test_warp_refuses() -> None:
    x = np.zeros((2, 3, 3, 1))
    with pytest.raises(ValueError, match=r"expected a matrix of shape .2, 6."):
        pynn.ops.warp(x, np.zeros((3, 6)))
    with pytest.raises(ValueError, match="expected images"):
        pynn.ops.warp(x[0], np.zeros((3, 6)))
    with pytest.raises(ValueError, match="fill_mode: expected one of 'constant'"):
        pynn.ops.warp(x, np.zeros((2, 6)), fill_mode="none")


def test_places_far_away_are_no_accident() -> None:
    matrix = np.array([[1e30, 0, 0, 0, np.nan, -1e30]])
    for mode in ("constant", "nearest", "reflect", "wrap"):
        assert np.isfinite(pynn.ops.warp(IMAGE, matrix, fill_mode=mode)).all()
