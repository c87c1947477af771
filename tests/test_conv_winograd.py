"""Convolutions of many channels by 3 by 3 taps, which are computed in tiles of 2 by 2 pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers import record
from test_conv import expected_conv

from pynn import Tensor, num_threads, ops, set_num_threads

Array = npt.NDArray[Any]

# shape of x, filters, options
CASES: list[tuple[tuple[int, ...], int, dict[str, Any]]] = [
    ((2, 6, 8, 32), 32, {}),
    ((3, 7, 5, 24), 40, {"padding": "same"}),
    ((1, 7, 9, 33), 70, {"padding": ((0, 2), (1, 0))}),
    ((1, 6, 7, 32), 48, {"padding": 3}),
    ((0, 6, 6, 32), 32, {}),
    ((2, 3, 6, 6, 24), 24, {}),
    ((20, 16, 16, 16), 20, {"padding": "same"}),  # tiles enough for several sums
]


def operands(case: Any) -> tuple[Array, Array, Array]:
    shape, filters, _ = case
    rng = np.random.default_rng(3)
    taps = (*[1] * (len(shape) - 4), 3, 3)
    kernel = rng.normal(size=(*taps, shape[-1], filters)) / np.sqrt(9 * shape[-1])
    arrays = rng.normal(size=shape), kernel, rng.normal(size=filters)
    return tuple(a.astype("float32") for a in arrays)  # type: ignore[return-value]


def doubles(*arrays: Array) -> list[Array]:
    return [a.astype("float64") for a in arrays]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_as_close_to_float64_as_rounding_allows(case: Any) -> None:
    x, kernel, _ = operands(case)
    expected = expected_conv(*doubles(x, kernel), **case[2])
    np.testing.assert_allclose(ops.conv(x, kernel, **case[2]), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("pool", [False, True])
def test_bias_activation_and_pool_agree_with_float64(
    case: Any, activation: str, pool: bool
) -> None:
    arrays = operands(case)

    def layer(x: Any, kernel: Any, bias: Any) -> Tensor:
        y = getattr(ops, activation)(ops.conv(x, kernel, **case[2]) + bias)
        return ops.max_pool(y, (1, 2, 2)[-x.ndim + 2 :]) if pool else y

    forward, backward = record(layer, *arrays)
    expected, expected_backward = record(layer, *doubles(*arrays))
    y = forward(*arrays)[0]
    np.testing.assert_allclose(y, expected(*doubles(*arrays))[0], rtol=0, atol=5e-6)
    dy = np.random.default_rng(4).normal(size=y.shape).astype("float32")
    for single, double in zip(
        backward(*arrays, dy), expected_backward(*doubles(*arrays, dy)), strict=True
    ):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


def test_an_image_has_the_same_bits_in_any_batch() -> None:
    x, kernel, _ = operands(((40, 7, 7, 32), 32, {}))
    y = np.asarray(ops.conv(x, kernel, padding="same"))
    for batch in (slice(0, 1), slice(5, 12), slice(39, 40)):
        np.testing.assert_array_equal(ops.conv(x[batch], kernel, padding="same"), y[batch])


def test_bits_do_not_depend_on_threads() -> None:
    arrays = operands(CASES[-1])[:2]
    forward, backward = record(lambda x, w: ops.conv(x, w, padding="same"), *arrays)
    dy = np.asarray(ops.conv(*arrays, padding="same"))
    before = num_threads()
    try:
        found = []
        for threads in (1, 2, 3, 8):
            set_num_threads(threads)
            found.append([*forward(*arrays), *backward(*arrays, dy)])
    finally:
        set_num_threads(before)
    for other in found[1:]:
        for one, another in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, another)


def test_what_is_not_finite_stays_in_its_neighbourhood() -> None:
    x, kernel, _ = operands(((1, 12, 12, 32), 32, {}))
    clean = np.asarray(ops.conv(x, kernel))
    x[0, 5, 5, 7] = np.inf
    y = np.asarray(ops.conv(x, kernel))
    assert not np.isfinite(y[0, 3:6, 3:6]).any()
    far = np.ones((10, 10), bool)
    far[2:6, 2:6] = False  # the tiles that see the pixel
    np.testing.assert_array_equal(y[0, far], clean[0, far])
