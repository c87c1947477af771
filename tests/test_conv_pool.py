"""Convolution, activation and max pooling as one step, and its gradient from winners alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers import check_gradient, record

from pynn import Tensor, _native, ops

Array = npt.NDArray[Any]

# shape of x, taps, window, options of the convolution
CASES: list[tuple[tuple[int, ...], tuple[int, ...], Any, dict[str, Any]]] = [
    ((2, 8, 9, 1), (3, 3), 2, {}),
    ((2, 8, 9, 3), (3, 3), 2, {"padding": "same"}),
    ((2, 9, 8, 4), (2, 3), (3, 2), {"strides": 2, "padding": 1}),
    ((3, 9, 2), (3,), 2, {}),
    ((1, 6, 5, 5, 2), (2, 2, 2), (1, 2, 2), {}),
    ((2, 9, 9, 4), (3, 3), 2, {"groups": 2, "dilation_rate": 2}),
    ((2, 8, 9, 4), (3, 3), 2, {"groups": 4, "padding": "same"}),
    ((1, 20, 20, 1), (3, 3), 17, {}),
]


def operands(case: Any, dtype: str = "float64") -> tuple[Array, Array, Array]:
    shape, taps, _, options = case
    rng = np.random.default_rng(5)
    kernel = rng.normal(size=(*taps, shape[-1] // options.get("groups", 1), 4))
    x, bias = rng.normal(size=shape), rng.normal(size=4)
    return x.astype(dtype), kernel.astype(dtype), bias.astype(dtype)


def layer(case: Any, activation: str) -> Any:
    _, _, window, options = case

    def forward(x: Any, kernel: Any, bias: Any) -> Tensor:
        y = ops.conv(x, kernel, **options) + bias
        y = y if activation == "linear" else getattr(ops, activation)(y)
        return ops.max_pool(y, window)

    return forward


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "gelu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_step_gives_what_four_give(case: Any, activation: str, dtype: str) -> None:
    arrays = operands(case, dtype)
    f = layer(case, activation)
    forward, _ = record(f, *arrays)
    assert forward.step_count == 1
    np.testing.assert_allclose(
        forward(*arrays)[0], f(*arrays), rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6
    )


@pytest.mark.parametrize("case", CASES[:-1], ids=str)
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "gelu"])
def test_gradients(case: Any, activation: str) -> None:
    check_gradient(layer(case, activation), *operands(case), tolerance=2e-6)


@pytest.mark.parametrize(
    "case",
    [
        *CASES,
        ((2, 9, 11, 16), (3, 3), 2, {"padding": "same"}),  # wide patches
        ((2, 11, 8, 21), (3, 2), (2, 3), {"padding": ((2, 0), (0, 1)), "strides": (1, 2)}),
        ((1, 1105, 2), (3,), 2, {}),  # more windows than are collected at a time
    ],
    ids=str,
)
def test_float32_gradients_agree_with_float64(case: Any) -> None:
    arrays = operands(case)
    arrays = tuple(a.astype("float32").astype("float64") for a in arrays)
    forward, backward = record(layer(case, "relu"), *arrays)
    [y] = forward(*arrays)
    dy = np.random.default_rng(6).normal(size=y.shape).astype("float32")
    dy[0, 0] = 0
    expected = backward(*arrays, dy.astype("float64"))
    narrow = [a.astype("float32") for a in arrays]
    _, backward = record(layer(case, "relu"), *narrow)
    for got, want in zip(backward(*narrow, dy), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_no_image_is_unpooled(activation: str) -> None:
    arrays = operands(CASES[1])
    _, backward = record(layer(CASES[1], activation), *arrays)
    dy = np.ones((2, 4, 4, 4))
    steps = [name for name, _ in backward.profile([*arrays, dy], 1)]
    assert not [s for s in steps if "max_pool" in s]
    assert len([s for s in steps if "unpooling" in s]) == 2


def test_images_that_others_read_are_stored() -> None:
    arrays = operands(CASES[1])
    with _native.Recorder() as recorder:
        x, kernel, bias = (recorder.input(a.shape, a.dtype) for a in arrays)
        y = ops.relu(ops.conv(x, kernel, padding="same") + bias)
        program = recorder.compile([ops.max_pool(y, 2), y])
    pooled, image = program(*arrays)
    np.testing.assert_allclose(image, ops.relu(ops.conv(*arrays[:2], padding="same") + arrays[2]))
    np.testing.assert_array_equal(pooled, ops.max_pool(image, 2))


def test_windows_that_overlap_or_are_padded_stay_apart() -> None:
    arrays = operands(CASES[0])

    def forward(x: Any, kernel: Any, bias: Any) -> Tensor:
        y = ops.relu(ops.conv(x, kernel) + bias)
        return ops.max_pool(y, 3, 2)

    check_gradient(forward, *arrays)
    check_gradient(lambda x, k, b: ops.max_pool(ops.conv(x, k) + b, 2, padding="same"), *arrays)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_bits_do_not_depend_on_threads(threads: int) -> None:
    case = ((9, 28, 28, 3), (3, 3), 2, {"padding": "same"})
    arrays = operands(case, "float32")
    forward, backward = record(layer(case, "relu"), *arrays)
    before = _native.num_threads()
    try:
        _native.set_num_threads(1)
        [y] = forward(*arrays)
        expected = [y, *backward(*arrays, y)]
        _native.set_num_threads(threads)
        for value, same in zip([*forward(*arrays), *backward(*arrays, y)], expected, strict=True):
            np.testing.assert_array_equal(value, same)
    finally:
        _native.set_num_threads(before)
