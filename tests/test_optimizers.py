"""Optimizers: steps against the published equations, decay, clipping, state and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy_reference import optimize

from pynn import Variable, ops, optimizers
from pynn._native import Recorder


@pytest.fixture
def rng():
    return np.random.default_rng(0)


CASES = {
    "sgd": (optimizers.SGD(0.1), "sgd", {}),
    "momentum": (optimizers.SGD(0.1, momentum=0.9), "sgd", {"momentum": 0.9}),
    "nesterov": (
        optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        "sgd",
        {"momentum": 0.9, "nesterov": True},
    ),
    "rmsprop": (optimizers.RMSprop(0.1), "rmsprop", {}),
    "rmsprop_momentum": (
        optimizers.RMSprop(0.1, rho=0.8, momentum=0.5),
        "rmsprop",
        {"rho": 0.8, "momentum": 0.5},
    ),
    "rmsprop_centered": (optimizers.RMSprop(0.1, centered=True), "rmsprop", {"centered": True}),
    "adagrad": (optimizers.Adagrad(0.1), "adagrad", {"start": 0.1}),
    "adam": (optimizers.Adam(0.1), "adam", {}),
    "adam_without_memory": (
        optimizers.Adam(0.1, beta_1=0, beta_2=0),
        "adam",
        {"b1": 0.0, "b2": 0.0},
    ),
    "amsgrad": (optimizers.Adam(0.1, amsgrad=True), "adam", {"amsgrad": True}),
    "adamw": (optimizers.AdamW(0.1, weight_decay=0.2), "adam", {"decay": 0.2}),
    "nadam": (optimizers.Nadam(0.1), "nadam", {}),
    "decay": (optimizers.SGD(0.1, weight_decay=0.5), "sgd", {"decay": 0.5}),
}
NAMES = ["sgd", "rmsprop", "adagrad", "adam", "adamw", "nadam"]


def fresh(optimizer):
    return type(optimizer).from_config(optimizer.get_config())


def descend(optimizer, gradients, w):
    variable = Variable(w.copy())
    for gradient in gradients:
        optimizer.apply([variable], [gradient])
    return variable.numpy()


@pytest.mark.parametrize("case", CASES)
class TestAgainstTheEquations:
    def test_steps(self, case, rng):
        optimizer, rule, options = CASES[case]
        w, gradients = rng.normal(size=(3, 5)), list(rng.normal(size=(30, 3, 5)))
        np.testing.assert_allclose(
            descend(fresh(optimizer), gradients, w),
            optimize(rule, w, gradients, 0.1, **options),
            rtol=1e-11,
        )

    def test_float32(self, case, rng):
        optimizer, rule, options = CASES[case]
        w, gradients = rng.normal(size=(3, 5)), list(rng.normal(size=(30, 3, 5)))
        np.testing.assert_allclose(
            descend(
                fresh(optimizer), [g.astype(np.float32) for g in gradients], w.astype(np.float32)
            ),
            optimize(rule, w, gradients, 0.1, **options),
            rtol=1e-4,
            atol=1e-5,
        )

    def test_recorded_with_a_network_is_the_same(self, case, rng):
        """The step that a recording makes part of itself equals the step by hand, to the bit."""
        w, gradients = rng.normal(size=(3, 5)), list(rng.normal(size=(5, 3, 5)))
        optimizer, variable = fresh(CASES[case][0]), Variable(w.copy())
        optimizer.build([variable])
        with Recorder(training=True) as recorder:
            gradient = recorder.input((3, 5), "float64")
            optimizer.apply([variable], [gradient])
            step = recorder.compile([])
        for gradient in gradients:
            step(gradient)
        by_hand = descend(fresh(CASES[case][0]), gradients, w)
        assert variable.numpy().tobytes() == by_hand.tobytes()

    def test_config_round_trip(self, case):
        optimizer = CASES[case][0]
        assert fresh(optimizer).get_config() == optimizer.get_config()

    def test_no_step_at_a_rate_of_zero(self, case, rng):
        optimizer, w = fresh(CASES[case][0]), rng.normal(size=4)
        optimizer.learning_rate = 0.0
        assert descend(optimizer, [np.array([0.0, 1.0, -1e-20, 1e20])], w).tolist() == w.tolist()


def test_a_gradient_of_zero_moves_nothing():
    for name in NAMES:
        if name != "adamw":
            assert descend(optimizers.get(name), [np.zeros(3)], np.ones(3)).tolist() == [1, 1, 1]


def test_bias_corrections_do_not_cancel():
    """1 - βᵗ is accurate for a β close to 1, float32 weights or not."""
    optimizer, w = optimizers.Adam(0.5, beta_2=0.9999999), Variable(np.zeros(1, np.float32))
    optimizer.apply([w], [np.array([3.0])])
    assert w.numpy()[0] == pytest.approx(-0.5, rel=1e-5)
    assert int(optimizer.iterations) == 1


class TestLearningRate:
    def test_set_between_steps(self):
        optimizer, w = optimizers.SGD(0.5), Variable(np.zeros(1))
        optimizer.apply([w], [np.ones(1)])
        optimizer.learning_rate = 0.25
        assert optimizer.learning_rate == 0.25
        optimizer.apply([w], [np.ones(1)])
        assert w.numpy().tolist() == [-0.75]

    def test_is_kept_exactly(self):
        assert optimizers.SGD(0.1).learning_rate == 0.1

    @pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
    def test_out_of_range(self, value):
        with pytest.raises(ValueError, match="learning_rate must be finite and at least 0"):
            optimizers.Adam(value)


class TestClipping:
    GRADIENTS = (np.array([3.0, -4.0]), np.array([12.0]))

    def steps(self, **clip):
        optimizer = optimizers.SGD(1.0, **clip)
        variables = [Variable(np.zeros(2)), Variable(np.zeros(1))]
        optimizer.apply(variables, list(self.GRADIENTS))
        return [(-v.numpy()).tolist() for v in variables]

    def test_by_value(self):
        assert self.steps(clipvalue=3.5) == [[3.0, -3.5], [3.5]]

    def test_by_norm_of_each(self):
        assert self.steps(clipnorm=10.0) == [[3.0, -4.0], [10.0]]

    def test_by_global_norm(self):
        first, second = self.steps(global_clipnorm=6.5)
        assert first == pytest.approx([1.5, -2.0]) and second == pytest.approx([6.0])
        assert self.steps(global_clipnorm=13.5) == [[3.0, -4.0], [12.0]]

    def test_a_gradient_of_zero_stays_zero(self):
        for clip in ({"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}):
            w = descend(optimizers.SGD(1.0, **clip), [np.zeros(2)], np.ones(2))
            assert w.tolist() == [1.0, 1.0]

    def test_only_one_kind(self):
        with pytest.raises(ValueError, match="only one kind of clipping"):
            optimizers.SGD(clipvalue=1.0, clipnorm=1.0)


class TestState:
    def test_resume_is_exact(self, rng):
        gradients = list(rng.normal(size=(10, 4)))
        for name in NAMES:
            whole = descend(optimizers.get(name), gradients, np.ones(4))
            first, second = optimizers.get(name), optimizers.get(name)
            w = Variable(descend(first, gradients[:5], np.ones(4)).copy())
            second.build([w])
            for new, old in zip(second.variables, first.variables, strict=True):
                new.assign(old)
            for gradient in gradients[5:]:
                second.apply([w], [gradient])
            assert w.numpy().tobytes() == whole.tobytes()

    def test_iterations_count_steps(self):
        optimizer, w = optimizers.Adam(), Variable(np.zeros(2))
        for _ in range(3):
            optimizer.apply([w], [np.ones(2)])
        assert int(optimizer.iterations) == 3

    def test_slots_only_where_they_are_used(self):
        w = Variable(np.zeros((2, 3), np.float32))
        for optimizer, slots in (
            (optimizers.SGD(), 0),
            (optimizers.SGD(momentum=0.5), 1),
            (optimizers.Adam(), 2),
        ):
            optimizer.build([w])
            optimizer.build([w])
            assert len(optimizer.variables) == 2 + slots
            assert all(v.shape == (2, 3) and v.dtype == "float32" for v in optimizer.variables[2:])

    def test_mixed_dtypes(self):
        single, double = Variable(np.ones(2, np.float32)), Variable(np.ones(2))
        optimizers.Adam(0.5).apply([single, double], [np.ones(2), np.ones(2)])
        assert single.dtype == "float32" and double.dtype == "float64"
        np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=1e-6)

    def test_a_variable_without_gradient_stays(self):
        a, b = Variable(np.ones(2)), Variable(np.ones(2))
        optimizers.AdamW(0.5).apply([a, b], [np.ones(2), None])
        assert b.numpy().tolist() == [1.0, 1.0] and a.numpy()[0] < 1


class TestOnesOwn:
    class Signs(optimizers.Optimizer):
        slots = ("momentum",)

        def update(self, variable, gradient, momentum):
            momentum.assign(0.5 * momentum + 0.5 * gradient)
            variable.assign_sub(self.learning_rate * ops.sign(momentum))

    def test_runs_and_follows_the_rate(self):
        optimizer = self.Signs(0.5)
        w = Variable(np.zeros(2, np.float32))
        optimizer.apply([w], [np.array([3.0, -0.1])])
        optimizer.learning_rate = 0.25
        optimizer.apply([w], [np.array([3.0, -0.1])])
        assert w.numpy().tolist() == [-0.75, 0.75]
        assert optimizer.name == "signs" and optimizer.learning_rate == 0.25

    def test_without_update(self):
        with pytest.raises(NotImplementedError, match=r"defines no update\(variable"):
            optimizers.Optimizer().apply([Variable(np.zeros(1))], [np.zeros(1)])


class TestLookUp:
    @pytest.mark.parametrize("name", NAMES)
    def test_names(self, name):
        assert type(optimizers.get(name)).__name__.lower() == name

    def test_unknown(self):
        with pytest.raises(ValueError, match="unknown optimizer 'adamm'; did you mean 'adam'"):
            optimizers.get("adamm")

    def test_a_function_is_none(self):
        with pytest.raises(TypeError, match="optimizer: expected a name"):
            optimizers.get(lambda w, g: w - g)


class TestRefusals:
    def test_numbers_differ(self):
        with pytest.raises(ValueError, match="1 gradients for 2 variables"):
            optimizers.SGD().apply([Variable(np.zeros(1)), Variable(np.zeros(1))], [np.zeros(1)])

    def test_shapes_differ(self):
        with pytest.raises(ValueError, match=r"'kernel' must have shape \(2, 3\), got \(3, 2\)"):
            optimizers.SGD().apply([Variable(np.zeros((2, 3)), name="kernel")], [np.zeros((3, 2))])

    def test_an_array_is_no_variable(self):
        with pytest.raises(TypeError, match="expected a Variable, got ndarray"):
            optimizers.SGD().apply([np.zeros(1)], [np.zeros(1)])

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: optimizers.SGD(momentum=2), "momentum must be from 0 to 1"),
            (lambda: optimizers.Adam(beta_1=1.0), "beta_1 must be at least 0 and below 1"),
            (lambda: optimizers.RMSprop(epsilon=-1), "epsilon must be at least 0"),
            (lambda: optimizers.AdamW(weight_decay=-1), "weight_decay must be at least 0"),
            (lambda: optimizers.SGD(clipnorm=0), "clipnorm must be positive"),
        ],
    )
    def test_arguments_out_of_range(self, make, says):
        with pytest.raises(ValueError, match=says):
            make()


@pytest.mark.parametrize("rate", ["0.1", None, [0.1]])
def test_a_learning_rate_that_is_no_number_is_named(rate: object) -> None:
    with pytest.raises(TypeError, match="sgd: learning_rate expects a number, got"):
        optimizers.SGD(learning_rate=rate)
