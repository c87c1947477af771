"""Regularizers: values and gradients against NumPy, and look-up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy_reference import difference_gradient

from pynn import Tensor, ops, regularizers
from pynn._native import Recorder

CASES = [
    (regularizers.L1(0.3), lambda w: 0.3 * np.abs(w).sum()),
    (regularizers.L2(0.2), lambda w: 0.2 * (w**2).sum()),
    (regularizers.L1L2(0.3, 0.2), lambda w: 0.3 * np.abs(w).sum() + 0.2 * (w**2).sum()),
    (regularizers.L1L2(), lambda w: 0.0),
    (regularizers.get(lambda w: 0.5 * ops.exp(w).sum()), lambda w: 0.5 * np.exp(w).sum()),
]


@pytest.mark.parametrize(("regularizer", "expected"), CASES)
def test_value_and_gradient(regularizer, expected):
    w = np.random.default_rng(0).normal(size=(3, 4))
    assert regularizer(Tensor(w)).item() == pytest.approx(expected(w), rel=1e-12)
    with Recorder() as recorder:
        weight = recorder.input(w.shape, "float64")
        program = recorder.compile(recorder.gradient(regularizer(weight), [weight]))
    np.testing.assert_allclose(
        program(w)[0], difference_gradient(expected, w), rtol=1e-6, atol=1e-9
    )


def test_look_up():
    assert regularizers.get(None) is None
    assert regularizers.get("l1").get_config() == {"l1": 0.01}
    assert regularizers.get("l2").get_config() == {"l2": 0.01}
    assert isinstance(regularizers.get("l1_l2"), regularizers.L1L2)
    assert repr(regularizers.L1L2(l2=0.5)) == "L1L2(l2=0.5)"


def test_unknown():
    with pytest.raises(ValueError, match="unknown regularizer 'l3'; did you mean 'l"):
        regularizers.get("l3")


def test_negative():
    with pytest.raises(ValueError, match="L2: l2 must be at least 0, got -1"):
        regularizers.L2(-1)
