"""Preprocessing layers: statistics of data, and in networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pynn import Network, layers
from pynn.layers import CategoryEncoding, Dense, Discretization, Normalization, Rescaling

DATA = np.random.default_rng(0).normal([1, -50, 3], [2, 30, 0.1], (200, 3))


def test_adapt_gives_mean_zero_and_variance_one() -> None:
    layer = Normalization()
    layer.adapt(DATA)
    y = layer(DATA)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-4)
    known = Normalization(mean=DATA.mean(0), variance=DATA.var(0))
    np.testing.assert_allclose(known(DATA), y, rtol=1e-4, atol=1e-5)


def test_adapt_to_minimum_and_maximum() -> None:
    layer = Normalization(method="min-max")
    layer.adapt(DATA)
    y = layer(DATA)
    np.testing.assert_allclose(y.min(0), 0, atol=1e-6)
    np.testing.assert_allclose(y.max(0), 1, atol=1e-6)


@pytest.mark.parametrize(("axis", "along"), [(1, (0, 2, 3)), (-1, (0, 1, 2)), (None, None)])
def test_adapt_along_any_axis(axis: int | None, along: Any) -> None:
    x = np.random.default_rng(0).normal(5, 3, (6, 2, 3, 4))
    layer = Normalization(axis=axis, dtype="float64")
    layer.adapt(x)
    expected = (x - x.mean(along, keepdims=True)) / x.std(along, keepdims=True)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["z-score", "min-max"])
def test_a_feature_that_never_varies_becomes_zero(method: str) -> None:
    layer = Normalization(method=method)
    x = np.array([[7.0, 1.0], [7.0, 3.0]])
    layer.adapt(x)
    assert (layer(x)[:, 0] == 0).all()


def test_statistics_are_weights_that_training_leaves_alone() -> None:
    layer = Normalization(input_shape=(3,))
    layer.adapt(DATA)
    net = Network([layer, Dense(1)])
    net.use(loss="mse", optimizer="adam")
    before = layer.get_weights()
    net.fit(DATA, DATA[:, :1], epochs=2, verbose=0)
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    layer.adapt(DATA * 2)
    assert (layer.get_weights()[0] != before[0]).all()


def test_wrong_data_is_refused_by_name() -> None:
    layer = Normalization()
    layer.adapt(DATA)
    with pytest.raises(ValueError, match=r"Normalization .* expects 3 features along axis -1"):
        layer(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"Normalization .*: data has NaN"):
        Normalization().adapt(np.array([[np.nan]]))
    with pytest.raises(ValueError, match="method expects one of 'z-score', 'min-max'"):
        Normalization(method="robust")
    with pytest.raises(ValueError, match="go together"):
        Normalization(mean=[1.0])
    with pytest.raises(ValueError, match="no features along 2"):
        Normalization(axis=2)(np.zeros((2, 4)))


def test_categories_out_of_range_and_unknown_modes() -> None:
    with pytest.raises(IndexError, match="expects whole numbers from 0 to 4, got 5"):
        CategoryEncoding(5)(np.array([[5]]))
    with pytest.raises(ValueError, match="CategoryEncoding: output_mode"):
        CategoryEncoding(5, "tf_idf")
    with pytest.raises(ValueError, match="CategoryEncoding: num_tokens"):
        CategoryEncoding(0)


def test_intervals_are_numpys() -> None:
    edges = [-1.0, 0.0, 2.0]
    x = np.array([[-5.0, -1.0, -0.5], [0.0, 2.0, 9.0]])
    np.testing.assert_array_equal(Discretization(edges)(x), np.digitize(x, edges))
    with pytest.raises(ValueError, match="ascending"):
        Discretization([1.0, 0.0])


def test_preprocessing_is_part_of_the_network() -> None:
    x = np.random.default_rng(0).integers(0, 256, (8, 4)).astype("uint8")
    net = Network([Rescaling(1 / 127.5, -1.0, input_shape=(4,)), Dense(2)])
    plain = net.layers[1]
    np.testing.assert_allclose(net.predict(x), plain(x / 127.5 - 1), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="Rescaling: scale"):
        Rescaling([[1.0]])


def test_reshaping_and_wrapping_layers_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="Permute: dims expects an order of 1, 2"):
        layers.Permute((1, 3))
    with pytest.raises(ValueError, match=r"Permute .* expects samples with 2 axes"):
        layers.Permute((2, 1))(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"RepeatVector .* \(batch, features\)"):
        layers.RepeatVector(2)(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match=r"TimeDistributed .* \(batch, time, ...\)"):
        layers.TimeDistributed(Dense(2))(np.zeros((2, 3)))
    with pytest.raises(TypeError, match="TimeDistributed: layer"):
        layers.TimeDistributed("dense")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Lambda: function"):
        layers.Lambda("square")  # type: ignore[arg-type]
