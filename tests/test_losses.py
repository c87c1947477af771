"""Losses: values against the textbook, gradients against differences, stability, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy_reference import LOSSES, difference_gradient, draw, sigmoid, softmax

import pynn
from pynn import losses, ops
from pynn._native import Recorder


@pytest.fixture
def rng():
    return np.random.default_rng(0)


CLASSES = {
    "binary_crossentropy": losses.BinaryCrossentropy,
    "categorical_crossentropy": losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": losses.SparseCategoricalCrossentropy,
}


def recorded(loss, activation, y, x):
    """Return loss and gradient in x of ``activation(x)``, recorded as a network records it."""
    with Recorder(training=True) as recorder:
        true, logits = recorder.input(y.shape, str(y.dtype)), recorder.input(x.shape, str(x.dtype))
        value = loss(true, activation(logits))
        return recorder.compile([value, *recorder.gradient(value, [logits])])(y, x)


@pytest.mark.parametrize("name", LOSSES)
class TestAgainstTheTextbook:
    def test_value(self, name, rng):
        y, p = draw(name, rng)
        assert losses.get(name)(y, p) == pytest.approx(LOSSES[name](y, p).mean(), rel=1e-10)

    def test_value_of_each_sample(self, name, rng):
        y, p = draw(name, rng)
        values = losses.get(name).values(pynn.Tensor(y), pynn.Tensor(p))
        expected = LOSSES[name](y, p).reshape(len(y), -1).mean(-1)
        np.testing.assert_allclose(values.numpy(), expected, rtol=1e-10)

    def test_float32(self, name, rng):
        y, p = draw(name, rng)
        value = losses.get(name)(y.astype(np.float32), p.astype(np.float32))
        assert value == pytest.approx(LOSSES[name](y, p).mean(), rel=2e-5)

    def test_gradient(self, name, rng):
        y, p = draw(name, rng)
        loss = losses.get(name)
        np.testing.assert_allclose(
            loss.gradient(y, p), difference_gradient(lambda q: loss(y, q), p), rtol=1e-6, atol=1e-9
        )

    def test_further_axes_are_averaged(self, name, rng):
        y, p = draw(name, rng, n=12)
        folded = losses.get(name)(y.reshape(4, 3, 5), p.reshape(4, 3, 5))
        assert folded == pytest.approx(losses.get(name)(y, p), rel=1e-12)

    def test_weights_scale_samples(self, name, rng):
        y, p = draw(name, rng)
        w = rng.uniform(0, 3, len(y))
        per_sample = LOSSES[name](y, p).reshape(len(y), -1).mean(-1)
        assert losses.get(name)(y, p, w) == pytest.approx((w * per_sample).mean(), rel=1e-10)

    def test_config_round_trip(self, name):
        loss = losses.get(name)
        again = losses.get({"class_name": name, "config": loss.get_config()})
        assert type(again) is type(loss) and again.get_config() == loss.get_config()


def test_sparse_is_categorical_of_one_hot(rng):
    y, p = rng.integers(0, 5, 9), softmax(rng.normal(size=(9, 5)))
    for labels in (y, y[:, None], y.astype(np.uint8), y.astype(np.int32)):
        sparse = losses.SparseCategoricalCrossentropy()(labels, p)
        assert sparse == pytest.approx(losses.CategoricalCrossentropy()(np.eye(5)[y], p), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", CLASSES)
def test_logits_and_probabilities_agree(name, smoothing, rng):
    x = rng.normal(size=(6, 4))
    if name == "binary_crossentropy":
        y, p = rng.integers(0, 2, (6, 4)).astype(float), sigmoid(x)
    else:
        numbers = rng.integers(0, 4, 6)
        y, p = numbers if name.startswith("sparse") else np.eye(4)[numbers], softmax(x)
    loss = CLASSES[name](label_smoothing=smoothing)
    of_logits = CLASSES[name](from_logits=True, label_smoothing=smoothing)
    assert of_logits(y, x) == pytest.approx(loss(y, p), rel=1e-9)
    differences = difference_gradient(lambda q: of_logits(y, q), x)
    np.testing.assert_allclose(of_logits.gradient(y, x), differences, rtol=1e-6, atol=1e-9)
    differences = difference_gradient(lambda q: loss(y, q), p)
    np.testing.assert_allclose(loss.gradient(y, p), differences, rtol=1e-6, atol=1e-9)


def test_label_smoothing_mixes_in_the_uniform_distribution(rng):
    y, p = np.eye(4)[rng.integers(0, 4, 6)], softmax(rng.normal(size=(6, 4)))
    smooth = losses.CategoricalCrossentropy(label_smoothing=0.2)(y, p)
    assert smooth == pytest.approx(losses.CategoricalCrossentropy()(0.8 * y + 0.05, p), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_softmax_before_the_loss_is_computed_stably(name, dtype):
    x = np.array([[200.0, 0.0, -200.0], [-300.0, 0.0, 0.0]], dtype)
    numbers = np.array([2, 0])
    y = numbers if name.startswith("sparse") else np.eye(3, dtype=dtype)[numbers]
    value, gradient = recorded(losses.get(name), ops.softmax, y, x)
    assert value == pytest.approx((400 + 300 + np.log(2)) / 2, rel=1e-6)
    np.testing.assert_allclose(gradient, (softmax(x) - np.eye(3)[numbers]) / 2, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sigmoid_before_the_loss_is_computed_stably(dtype):
    x, y = np.array([[200.0], [-300.0], [0.0]], dtype), np.array([[0.0], [1.0], [1.0]], dtype)
    value, gradient = recorded(losses.BinaryCrossentropy(), ops.sigmoid, y, x)
    assert value == pytest.approx((500 + np.log(2)) / 3, rel=1e-6)
    np.testing.assert_allclose(gradient, np.array([[1], [-1], [-0.5]]) / 3, atol=1e-6)


@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_softmax_in_bfloat16_is_seen_through_its_cast(name, rng):
    """Half-precision probabilities have two digits; the loss has the logits' precision."""
    x = rng.integers(-20, 20, (16, 5)).astype(np.float32)  # exact in bfloat16
    numbers = rng.integers(0, 5, 16)
    y = numbers if name.startswith("sparse") else np.eye(5, dtype=np.float32)[numbers]
    value, _ = recorded(losses.get(name), lambda z: ops.softmax(z.astype("bfloat16")), y, x)
    assert value == pytest.approx(-np.log(softmax(x)[range(16), numbers]).mean(), rel=1e-5)


def test_a_mask_leaves_samples_out(rng):
    y, p, mask = rng.normal(size=6), rng.normal(size=6), np.arange(6) < 3
    expected = ((y - p) ** 2)[:3].sum() / 6
    assert losses.MeanSquaredError()(y, p, mask) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", CLASSES)
def test_certain_and_wrong_stays_finite(name):
    """A probability of zero for what is true costs -log(1e-7), as in Keras."""
    p = np.array([[0.0, 1.0]])
    y = {"binary_crossentropy": [[1.0, 0.0]], "categorical_crossentropy": [[1.0, 0.0]]}.get(
        name, [0]
    )
    assert CLASSES[name]()(np.array(y), p) == pytest.approx(-np.log(1e-7), rel=1e-6)
    assert np.isfinite(CLASSES[name]().gradient(np.array(y), p)).all()


def test_no_error_has_no_gradient():
    y = np.array([[1.0, -2.0]])
    for name in ("mse", "mae", "huber", "log_cosh"):
        assert losses.get(name).gradient(y, y).tolist() == [[0.0, 0.0]]


def test_hinge_takes_labels_of_zero_and_one(rng):
    y, p = rng.choice([-1.0, 1.0], (6, 2)), rng.normal(size=(6, 2))
    assert losses.Hinge()((y + 1) / 2, p) == losses.Hinge()(y, p)


def test_huber_delta(rng):
    y, p = rng.normal(size=(6, 2)), 4 * rng.normal(size=(6, 2))
    assert losses.Huber(delta=1e9)(y, p) == pytest.approx(losses.MeanSquaredError()(y, p) / 2)
    assert losses.Huber(delta=1e-9)(y, p) / 1e-9 == pytest.approx(losses.MeanAbsoluteError()(y, p))


def test_targets_of_n_fit_predictions_of_n_by_1(rng):
    y, p = rng.normal(size=6), rng.normal(size=6)
    for loss in (losses.MeanSquaredError(), losses.get(lambda t, q: (t - q) ** 2)):
        expected = ((y - p) ** 2).mean()
        assert loss(y, p[:, None]) == pytest.approx(expected, rel=1e-12)
        assert loss(y[:, None], p) == pytest.approx(expected, rel=1e-12)
        assert loss.gradient(y, p[:, None]).shape == (6, 1)


class TestFunctions:
    def test_any_function_of_tensors(self, rng):
        y, p = draw("mean_squared_error", rng)
        loss = losses.get(lambda true, pred: ops.exp(pred - true))
        assert loss(y, p) == pytest.approx(np.exp(p - y).mean(), rel=1e-12)
        np.testing.assert_allclose(loss.gradient(y, p), np.exp(p - y) / p.size, rtol=1e-12)

    def test_one_number_for_the_batch(self, rng):
        y, p = draw("mean_squared_error", rng)
        assert losses.get(lambda t, q: ops.square(t - q).mean())(y, p) == pytest.approx(
            ((y - p) ** 2).mean()
        )

    def test_a_function_that_leaves_the_tensors(self, rng):
        y, p = draw("mean_squared_error", rng)
        with pytest.raises(TypeError, match="'off' must return a tensor"):
            losses.FunctionLoss(lambda t, q: 3.0, name="off")(y, p)


def test_tensors_in_give_tensors_out(rng):
    y, p = (pynn.Tensor(x) for x in draw("mean_squared_error", rng))
    loss = losses.MeanSquaredError()
    assert isinstance(loss(y, p), pynn.Tensor) and loss(y, p).shape == ()
    assert isinstance(loss.gradient(y, p), pynn.Tensor)


def test_integer_and_list_inputs():
    assert losses.MeanSquaredError()([[1], [2]], [[3], [2]]) == 2.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("MSE", losses.MeanSquaredError),
        ("mean_squared_error", losses.MeanSquaredError),
        ("MeanSquaredError", losses.MeanSquaredError),
        ("mae", losses.MeanAbsoluteError),
        ("kld", losses.KLDivergence),
        ("kl_divergence", losses.KLDivergence),
        ("log_cosh", losses.LogCosh),
        (losses.Huber, losses.Huber),
    ],
)
def test_look_up(given, expected):
    assert type(losses.get(given)) is expected


class TestRefusals:
    def test_unknown_name_suggests_the_nearest(self):
        with pytest.raises(
            ValueError, match="unknown loss 'binary_crosentropy'; did you mean 'binary_c"
        ):
            losses.get("binary_crosentropy")

    def test_something_else(self):
        with pytest.raises(TypeError, match="loss: expected a name"):
            losses.get(3)

    @pytest.mark.parametrize(
        ("loss", "y", "p", "error", "says"),
        [
            (
                "mse",
                np.zeros((4, 2)),
                np.zeros((4, 3)),
                ValueError,
                r"shape \(4, 3\).*got \(4, 2\)",
            ),
            ("mse", np.zeros((4, 3)), np.zeros((5, 3)), ValueError, "4 targets for 5 predictions"),
            ("bce", np.array([[-1.0]]), np.array([[0.5]]), ValueError, "from 0 to 1"),
            ("cce", np.array([0, 1]), np.full((2, 3), 0.3), ValueError, "one_hot"),
            ("cce", np.ones((2, 1)), np.ones((2, 1)), ValueError, "at least two outputs"),
            ("poisson", np.array([[-1.0]]), np.array([[0.5]]), ValueError, "at least 0"),
        ],
    )
    def test_targets_that_do_not_fit(self, loss, y, p, error, says):
        with pytest.raises(error, match=says):
            losses.get(loss)(y, p)

    @pytest.mark.parametrize(
        ("y", "error", "says"),
        [
            (np.array([0.0, 1.0]), TypeError, r"y\.astype\(int\)"),
            (np.array([0, 3]), ValueError, "from 0 to 2 for 3 outputs, got 3"),
            (np.array([-1, 2]), ValueError, "got -1"),
            (np.eye(3)[:2], ValueError, "categorical_crossentropy"),
        ],
    )
    def test_labels_of_the_sparse_loss(self, y, error, says):
        with pytest.raises(error, match=says):
            losses.SparseCategoricalCrossentropy()(y, np.full((2, 3), 0.3))

    def test_weights_of_another_length(self):
        with pytest.raises(ValueError, match=r"sample_weight: expected shape \(4,\)"):
            losses.MeanSquaredError()(np.zeros((4, 1)), np.zeros((4, 1)), np.ones(3))

    def test_arguments_out_of_range(self):
        with pytest.raises(ValueError, match="delta must be positive"):
            losses.Huber(delta=0)
        with pytest.raises(ValueError, match="label_smoothing must lie from 0 to 1"):
            losses.BinaryCrossentropy(label_smoothing=1.5)
