"""Eager functions of operands that are stretched: rows, columns, single values, and mixtures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import pynn
from pynn import ops

SHAPES = [
    ((400, 300), (300,)),
    ((400, 300), (400, 1)),
    ((400, 300), ()),
    ((300,), (400, 300)),
    ((1, 300), (400, 1)),
    ((3, 50, 40), (50, 1)),
    ((3, 50, 40), (3, 1, 40)),
    ((3, 1, 40), (50, 1)),
    ((2, 3, 5, 33), (3, 1, 1)),
    ((7, 5), (7, 1)),
    ((2, 1, 1500), (4, 1)),
    ((0, 40), (40,)),
    ((40, 0), (40, 1)),
    ((1, 1), (1,)),
]


def values(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_stretched_operands_give_numpys_bits(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = values(left, 1), values(right, 2)
    np.testing.assert_array_equal(ops.add(a, b), a + b)
    np.testing.assert_array_equal(ops.subtract(b, a), b - a)
    np.testing.assert_array_equal(ops.less(a, b), a < b)
    np.testing.assert_array_equal(ops.maximum(a.astype("f8"), b), np.maximum(a, b))
    np.testing.assert_array_equal(ops.where(a > 0, b, np.float32(3)), np.where(a > 0, b, 3))
    whole, small = (a * 10).astype("i8"), (b * 10).astype("i8")
    np.testing.assert_array_equal(ops.multiply(whole, small), whole * small)


def test_strided_operands_give_numpys_bits() -> None:
    a, b = values((300, 400), 1), values((400, 600), 2)
    np.testing.assert_array_equal(ops.add(a.T, b[:, ::2]), a.T + b[:, ::2])
    np.testing.assert_array_equal(ops.multiply(a.T, b[:, :1]), a.T * b[:, :1])
    np.testing.assert_array_equal(ops.add(a[:, 100:300], b[:1, :200]), a[:, 100:300] + b[:1, :200])


@pytest.mark.parametrize("shape", [(), (700,), (600, 1), (600, 700)])
def test_bits_do_not_depend_on_threads(shape: tuple[int, ...]) -> None:
    a, b = values((600, 700), 1), values(shape, 2)
    before = pynn.num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 8):
            pynn.set_num_threads(threads)
            results.append(ops.power(ops.abs(a), b))
    finally:
        pynn.set_num_threads(before)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
