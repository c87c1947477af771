"""Layers of images: what they refuse, and what parity with PyTorch cannot say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import layers, ops

OPTIONS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a window of 0": (lambda: layers.MaxPool2D(0), ValueError, "MaxPool2D: pool_size"),
    "too many extents": (lambda: layers.AvgPool2D((2, 2, 2)), ValueError, "AvgPool2D: pool_size"),
    "a fraction": (lambda: layers.MaxPool1D(2.5), TypeError, "MaxPool1D: pool_size"),  # type: ignore[arg-type]
    "a stride of 0": (lambda: layers.MaxPool3D(2, 0), ValueError, "MaxPool3D: strides"),
    "unknown padding": (lambda: layers.MaxPool2D(2, padding="full"), ValueError, "'full'"),
    "padding as wide as the window": (
        lambda: layers.AvgPool2D(2, padding=2),
        ValueError,
        "AvgPool2D: padding must be less than pool_size",
    ),
    "negative padding": (lambda: layers.ZeroPadding2D(-1), ValueError, "ZeroPadding2D: padding"),
    "padding for three axes": (
        lambda: layers.ZeroPadding2D((1, 2, 3)),
        ValueError,
        "ZeroPadding2D: padding expects an integer, or 2",
    ),
    "padding in words": (lambda: layers.ZeroPadding1D("same"), TypeError, "ZeroPadding1D: padding"),
    "cropping of halves": (lambda: layers.Cropping1D(0.5), TypeError, "Cropping1D: cropping"),
    "outputs of nothing": (lambda: layers.AdaptiveAvgPool2D(0), ValueError, "output_size"),
    "no factor": (lambda: layers.UpSampling2D(0), ValueError, "UpSampling2D: size"),
    "unknown interpolation": (
        lambda: layers.UpSampling2D(2, "bicubic"),
        ValueError,
        "UpSampling2D: interpolation expects 'nearest' or 'bilinear', got 'bicubic'",
    ),
    "no rows": (lambda: layers.Resizing(0, 3), ValueError, "Resizing: height"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_constructors_refuse(case: str) -> None:
    make, error, message = OPTIONS[case]
    with pytest.raises(error, match=message.replace("(", r"\(")):
        make()


SHAPES: dict[str, tuple[Callable[..., layers.Layer], tuple[int, ...], str]] = {
    "a row": (layers.MaxPool2D, (4,), "expects inputs of shape .batch, rows, columns, channels."),
    "no channels": (layers.AvgPool2D, (4, 4), "rows, columns, channels"),
    "an axis too many": (layers.GlobalMaxPool1D, (4, 4, 3), "steps, channels"),
    "images too small": (lambda **o: layers.MaxPool2D(3, **o), (4, 2, 1), "larger than samples"),
    "nothing left": (lambda **o: layers.Cropping2D(2, **o), (9, 4, 1), "leaves nothing"),
    "a crop too large": (lambda **o: layers.CenterCrop(5, 5, **o), (4, 9, 1), "at least 5 x 5"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_first_inputs_are_refused_by_name(case: str) -> None:
    make, shape, message = SHAPES[case]
    layer = make(name="mine")
    with pytest.raises(ValueError, match=f"'mine' .*{message}"):
        layer(np.zeros((2, *shape)))
    assert not layer.built


def test_later_inputs_are_refused_too() -> None:
    layer = layers.MaxPool2D(3)
    assert layer(np.zeros((2, 6, 6, 1))).shape == (2, 2, 2, 1)
    with pytest.raises(ValueError, match="larger than samples"):
        layer(np.zeros((2, 2, 6, 1)))


@pytest.mark.parametrize("function", [ops.max_pool, ops.avg_pool])
def test_pooling_functions_refuse(function: Callable[..., Any]) -> None:
    x = np.zeros((2, 5, 5, 1))
    with pytest.raises(ValueError, match="spatial axes"):
        function(np.zeros((5, 5)), 2)
    with pytest.raises(ValueError, match="larger than the padded image"):
        function(x, 6)
    with pytest.raises(ValueError, match="less than the window"):
        function(x, 2, padding=2)
    with pytest.raises(ValueError, match="strides: expected at least 1"):
        function(x, 2, 0)
    with pytest.raises(ValueError, match="'same'"):
        function(x, 2, padding="both")
    with pytest.raises(ValueError, match="each of 2 axes, got 3"):
        function(x, 2, padding=(1, 1, 1))


def test_nan_wins_a_window_and_the_first_greatest_gets_the_gradient() -> None:
    x = np.array([1.0, np.nan, 3.0, 3.0]).reshape(1, 4, 1)
    assert np.isnan(ops.max_pool(x, 2)[0, 0, 0])
    layer = layers.MaxPool1D(2, dtype="float64")
    layer.forward(np.array([[[2.0], [2.0], [3.0], [5.0]]]))
    np.testing.assert_array_equal(layer.backward([[[10.0], [20.0]]])[0, :, 0], [10, 0, 0, 20])


def test_whole_numbers_and_bfloat16_are_pooled() -> None:
    x = np.arange(8).reshape(1, 8, 1)
    np.testing.assert_array_equal(ops.max_pool(x, 3)[0, :, 0], [2, 5])
    wide = pynn.Tensor(x, dtype="bfloat16")
    assert ops.avg_pool(wide, 2).dtype == "bfloat16"
    np.testing.assert_array_equal(ops.avg_pool(wide, 2).numpy()[0, :, 0], [0.5, 2.5, 4.5, 6.5])


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("function", [ops.max_pool, ops.avg_pool])
def test_bits_do_not_depend_on_threads(function: Callable[..., Any], threads: int) -> None:
    x = np.random.default_rng(0).normal(size=(9, 33, 31, 7)).astype("float32")
    before = pynn.num_threads()
    try:
        pynn.set_num_threads(1)
        expected = function(x, 3, 2, 1)
        pynn.set_num_threads(threads)
        np.testing.assert_array_equal(function(x, 3, 2, 1), expected)
    finally:
        pynn.set_num_threads(before)
