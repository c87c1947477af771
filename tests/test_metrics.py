"""Metrics: values against NumPy, sums over batches, choice by loss, weights and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pynn
from pynn import losses, metrics


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def in_batches(metric, y, p, w=None):
    """Return the metric from the totals of uneven batches, as training computes it."""
    totals = 0.0
    for rows in (slice(0, 7), slice(7, 9), slice(9, None)):
        weight = None if w is None else pynn.Tensor(w[rows])
        parts = metric.statistics(pynn.Tensor(y[rows]), pynn.Tensor(p[rows]), weight)
        totals = totals + np.concatenate([np.ravel(part.numpy()) for part in parts])
    return metric.result(list(totals))


def top_k(y, p, k):
    return np.mean([np.sum(row > row[label]) < k for row, label in zip(p, y, strict=True)])


class TestClasses:
    def test_binary(self, rng):
        y, p = rng.integers(0, 2, 40), rng.uniform(size=40)
        expected = np.mean((p > 0.5) == y)
        assert metrics.BinaryAccuracy()(y, p) == pytest.approx(expected)
        assert metrics.BinaryAccuracy()(y, p[:, None]) == pytest.approx(expected)
        assert metrics.BinaryAccuracy(threshold=0.9)(y, p) == pytest.approx(np.mean((p > 0.9) == y))

    @pytest.mark.parametrize(
        "name", ["categorical_accuracy", "sparse_categorical_accuracy", "accuracy"]
    )
    def test_categorical(self, name, rng):
        y, p = rng.integers(0, 4, 40), rng.normal(size=(40, 4))
        expected = np.mean(p.argmax(1) == y)
        for labels in (y, y[:, None], np.eye(4)[y], y.astype(np.int32)):
            assert metrics.get(name)(labels, p) == pytest.approx(expected)

    @pytest.mark.parametrize("k", [1, 2, 3, 10])
    def test_top_k(self, k, rng):
        y, p = rng.integers(0, 6, 40), rng.normal(size=(40, 6))
        expected = top_k(y, p, k)
        assert metrics.TopKCategoricalAccuracy(k)(np.eye(6)[y], p) == pytest.approx(expected)
        assert metrics.SparseTopKCategoricalAccuracy(k)(y, p) == pytest.approx(expected)

    def test_top_k_defaults_to_five(self, rng):
        y, p = rng.integers(0, 9, 40), rng.normal(size=(40, 9))
        metric = metrics.get("sparse_top_k_categorical_accuracy")
        assert metric(y, p) == pytest.approx(top_k(y, p, 5))


class TestNumbers:
    def test_errors(self, rng):
        y, p = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
        assert metrics.get("mse")(y, p) == pytest.approx(np.mean((y - p) ** 2))
        assert metrics.get("mae")(y, p) == pytest.approx(np.mean(np.abs(y - p)))
        assert metrics.get("rmse")(y, p) == pytest.approx(math.sqrt(np.mean((y - p) ** 2)))

    def test_r2_averages_over_outputs(self, rng):
        y, p = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
        scores = 1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
        assert metrics.R2Score()(y, p) == pytest.approx(scores.mean())

    def test_r2_far_from_zero(self, rng):
        y = (1e4 + rng.normal(size=400)).astype(np.float32)
        p = y + rng.normal(size=400).astype(np.float32) / 10
        expected = 1 - ((y - p).astype(float) ** 2).sum() / y.astype(float).var() / 400
        assert metrics.R2Score()(y, p) == pytest.approx(expected, abs=1e-6)

    def test_r2_of_targets_that_do_not_vary(self):
        assert metrics.R2Score()(np.ones(3), np.ones(3)) == 1.0
        assert metrics.R2Score()(np.ones(3), np.zeros(3)) == 0.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["mse", "mae", "rmse", "r2", "binary_accuracy", "huber"])
def test_batches_add_up_to_the_whole(name, weighted, rng):
    y, p = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    w = rng.uniform(0.5, 2, 20) if weighted else None
    metric = metrics.get(name)
    assert in_batches(metric, y, p, w) == pytest.approx(metric(y, p, w), rel=1e-6)


@pytest.mark.parametrize("name", ["mse", "mae", "rmse", "r2", "accuracy"])
def test_a_weight_of_two_is_the_sample_twice(name, rng):
    y, p = rng.normal(size=(10, 2)), rng.normal(size=(10, 2))
    w = rng.integers(1, 4, 10)
    twice = metrics.get(name)(np.repeat(y, w, axis=0), np.repeat(p, w, axis=0))
    assert metrics.get(name)(y, p, w) == pytest.approx(twice, rel=1e-6)


def test_no_weight_at_all_is_nan():
    assert math.isnan(metrics.get("mse")(np.ones(3), np.zeros(3), np.zeros(3)))
    assert math.isnan(metrics.get("r2")(np.ones(3), np.zeros(3), np.zeros(3)))


class TestChoiceByLoss:
    def test_one_output_is_binary(self):
        assert metrics.get("accuracy")(np.array([1, 0]), np.array([[0.9], [0.2]])) == 1.0

    def test_several_outputs_of_a_binary_loss(self):
        y, p = np.array([[1, 0, 0]]), np.array([[0.9, 0.8, 0.1]])
        assert metrics.get("accuracy", losses.get("bce"))(y, p) == pytest.approx(2 / 3)
        assert metrics.get("accuracy", losses.get("cce"))(y, p) == 1.0

    def test_logits_and_margins_are_cut_at_zero(self):
        y, p = np.array([1.0, 0.0]), np.array([0.3, -0.3])
        assert metrics.get("accuracy", losses.BinaryCrossentropy(from_logits=True))(y, p) == 1.0
        assert metrics.get("accuracy", losses.get("hinge"))(2 * y - 1, p) == 1.0
        assert metrics.get("accuracy", losses.get("bce"))(y, p) == 0.5

    def test_the_name_is_the_one_asked_for(self):
        assert [metrics.get(name).name for name in ("acc", "mse", "huber")] == [
            "acc",
            "mse",
            "huber",
        ]


class TestLookUp:
    def test_losses_serve_as_metrics(self, rng):
        y, p = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
        assert metrics.get(losses.Huber(delta=0.5))(y, p) == pytest.approx(
            losses.Huber(delta=0.5)(y, p)
        )

    def test_functions(self, rng):
        def bias(y_true, y_pred):
            return y_pred - y_true

        y, p = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
        metric = metrics.get(bias)
        assert metric.name == "bias" and metric(y, p) == pytest.approx((p - y).mean())

    def test_unknown(self):
        with pytest.raises(ValueError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
            metrics.get("acuracy")

    def test_something_else(self):
        with pytest.raises(TypeError, match="metric: expected a name"):
            metrics.get(3)


class TestRefusals:
    def test_lengths_differ(self):
        with pytest.raises(ValueError, match="3 targets for 2 predictions"):
            metrics.get("mse")(np.ones(3), np.ones(2))

    def test_weights_of_another_length(self):
        with pytest.raises(ValueError, match=r"sample_weight: expected shape \(3,\)"):
            metrics.get("mse")(np.ones(3), np.ones(3), np.ones(2))

    def test_k_of_zero(self):
        with pytest.raises(ValueError, match="k must be at least 1, got 0"):
            metrics.TopKCategoricalAccuracy(0)
