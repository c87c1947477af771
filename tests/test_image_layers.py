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
    "no filters": (lambda: layers.Conv2D(0, 3), ValueError, "Conv2D: filters"),
    "a kernel of 0": (lambda: layers.Conv1D(2, 0), ValueError, "Conv1D: kernel_size"),
    "groups that don't fit": (
        lambda: layers.Conv2D(3, 3, groups=2),
        ValueError,
        "Conv2D: 3 filters can't form 2 equal groups",
    ),
    "causal images": (
        lambda: layers.Conv2D(3, 3, padding="causal"),
        ValueError,
        "Conv2D: padding expects 'valid', 'same' or integers",
    ),
    "a causal transpose": (
        lambda: layers.Conv1DTranspose(3, 3, padding="causal"),
        ValueError,
        "Conv1DTranspose: padding expects",
    ),
    "a large output_padding": (
        lambda: layers.Conv2DTranspose(3, 3, 2, output_padding=2),
        ValueError,
        "Conv2DTranspose: output_padding must be less than strides",
    ),
    "an unknown activation": (
        lambda: layers.DepthwiseConv2D(3, activation="rleu"),
        ValueError,
        "did you mean 'relu'",
    ),
    "no depth": (
        lambda: layers.SeparableConv2D(2, 3, depth_multiplier=0),
        ValueError,
        "SeparableConv2D: depth_multiplier",
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
    "channels that form no groups": (
        lambda **o: layers.Conv2D(4, 3, groups=2, **o),
        (4, 4, 3),
        "can't divide the 3 channels",
    ),
    "a kernel too large": (lambda **o: layers.Conv2D(4, 5, **o), (4, 9, 3), "larger than samples"),
    "a dilated kernel too large": (
        lambda **o: layers.DepthwiseConv1D(3, dilation_rate=3, **o),
        (6, 3),
        "windows of .7,. pixels",
    ),
    "nothing left of the transpose": (
        lambda **o: layers.Conv2DTranspose(4, 2, padding=1, **o),
        (1, 4, 3),
        "leaves nothing",
    ),
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
    convolution = layers.Conv2D(2, 3, name="edges")
    assert convolution(np.zeros((2, 6, 6, 1))).shape == (2, 4, 4, 2)
    assert convolution(np.zeros((2, 9, 8, 1))).shape == (2, 7, 6, 2)
    with pytest.raises(ValueError, match="'edges' expects inputs with 1 channels"):
        convolution(np.zeros((2, 6, 6, 3)))


def test_the_transpose_leads_back_to_the_images_that_a_convolution_made_small() -> None:
    x = np.zeros((1, 8, 7, 3))
    for padding in ("same", 1):
        small = layers.Conv2D(4, 3, 2, padding)(x)
        more = (1, 0) if padding == 1 else None
        back = layers.Conv2DTranspose(3, 3, 2, padding, more)(small)
        assert back.shape == ((1, 8, 7, 3) if padding == 1 else (1, 8, 8, 3))


def test_kernels_start_with_the_spread_of_their_fans() -> None:
    pynn.seed(1)
    layer = layers.Conv2D(64, 3, kernel_initializer="he_normal")
    layer(np.zeros((1, 5, 5, 32)))
    assert layer.kernel.numpy().std() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.05)


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
