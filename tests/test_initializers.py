"""Initializers: their distributions, their seeds, and clear refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pynn
from pynn import initializers

RANDOM = {
    "random_uniform": 0.1 / math.sqrt(12),
    "random_normal": 0.05,
    "truncated_normal": 0.05 * 0.87962566,
    "glorot_uniform": math.sqrt(2 / 500),
    "glorot_normal": math.sqrt(2 / 500),
    "he_uniform": math.sqrt(2 / 300),
    "he_normal": math.sqrt(2 / 300),
    "lecun_uniform": math.sqrt(1 / 300),
    "lecun_normal": math.sqrt(1 / 300),
    "orthogonal": math.sqrt(1 / 300),
}


@pytest.mark.parametrize("name", RANDOM)
class TestRandom:
    def test_mean_and_deviation(self, name):
        pynn.seed(0)
        w = initializers.get(name)((300, 200), "float64")
        assert w.mean() == pytest.approx(0, abs=5 * RANDOM[name] / math.sqrt(w.size))
        assert w.std() == pytest.approx(RANDOM[name], rel=0.02)

    def test_calls_differ_and_the_package_seed_repeats_them(self, name):
        pynn.seed(3)
        first, second = initializers.get(name)((4, 5)), initializers.get(name)((4, 5))
        pynn.seed(3)
        assert (initializers.get(name)((4, 5)) == first).all()
        assert (first != second).any()

    def test_a_seed_of_its_own(self, name):
        make = type(initializers.get(name))
        w = make(seed=7)
        assert (w((4, 5)) == w((4, 5))).all() and (make(seed=8)((4, 5)) != w((4, 5))).any()
        np.testing.assert_array_equal(w((4, 5), "float64").astype(np.float32), w((4, 5)))

    def test_config_round_trip(self, name):
        one = initializers.get(name)
        assert type(one).from_config(one.get_config()).get_config() == one.get_config()


def test_bounds():
    pynn.seed(0)
    shape = (300, 200)
    assert abs(initializers.RandomUniform(-2, 3)(shape) - 0.5).max() <= 2.5
    assert abs(initializers.TruncatedNormal(1.0, 0.5)(shape, "float64") - 1.0).max() <= 1.0
    assert abs(initializers.GlorotUniform()(shape)).max() <= math.sqrt(6 / 500) * (1 + 1e-6)
    assert abs(initializers.HeNormal()(shape)).max() <= 2.3 * math.sqrt(2 / 300)


def test_a_convolution_counts_its_field():
    pynn.seed(0)
    assert initializers.HeNormal()((3, 3, 16, 512)).std() == pytest.approx(
        math.sqrt(2 / 144), rel=0.02
    )


def test_variance_scaling_modes():
    pynn.seed(0)
    for mode, fan in (("fan_in", 300), ("fan_out", 200), ("fan_avg", 250)):
        for distribution in ("uniform", "truncated_normal", "untruncated_normal"):
            w = initializers.VarianceScaling(3.0, mode, distribution)((300, 200))
            assert w.std() == pytest.approx(math.sqrt(3 / fan), rel=0.02)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (2, 3, 4), (2, 2, 7)])
def test_orthogonal(shape):
    w = initializers.Orthogonal(gain=2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_constants():
    assert initializers.Zeros()((2, 3)).tolist() == [[0.0] * 3] * 2
    assert initializers.Ones()((2,)).tolist() == [1.0, 1.0]
    assert initializers.Constant([1.0, 2.0])((2, 2)).tolist() == [[1.0, 2.0]] * 2


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 1)])
def test_any_shape(shape):
    for name in ("zeros", "uniform", "truncated_normal", "glorot_uniform", "he_normal"):
        w = initializers.get(name)(shape)
        assert w.shape == shape and w.dtype == np.float32 and w.flags.writeable


class TestLookUp:
    def test_names(self):
        assert isinstance(initializers.get("GlorotUniform"), initializers.GlorotUniform)
        assert isinstance(initializers.get("uniform"), initializers.RandomUniform)
        assert isinstance(initializers.get(initializers.Ones), initializers.Ones)

    def test_a_function_of_the_shape(self):
        w = initializers.get(lambda shape: np.full(shape, 3.0))((2, 2))
        assert w.tolist() == [[3.0, 3.0], [3.0, 3.0]] and w.dtype == np.float32

    def test_unknown(self):
        with pytest.raises(
            ValueError, match="unknown initializer 'glorot'; did you mean 'glorot_n"
        ):
            initializers.get("glorot")


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: initializers.RandomUniform(1, 0), "minval 1 exceeds maxval 0"),
            (lambda: initializers.RandomNormal(stddev=-1), "stddev must be at least 0"),
            (lambda: initializers.VarianceScaling(0), "scale must be positive"),
            (lambda: initializers.VarianceScaling(mode="in"), "mode must be fan_in, fan_out or"),
            (lambda: initializers.VarianceScaling(distribution="flat"), "distribution must be"),
            (lambda: initializers.Orthogonal()((3,)), "at least two axes"),
            (lambda: initializers.Zeros()((-1,)), "extents must be at least 0"),
            (lambda: initializers.Constant([1, 2, 3])((2,)), r"cannot fill shape \(2,\)"),
            (
                lambda: initializers.get(lambda shape: 1.0)((2,)),
                r"expected an array of shape \(2,\)",
            ),
        ],
    )
    def test_arguments(self, make, says):
        with pytest.raises(ValueError, match=says):
            make()
