"""`pynn.function`: one recording for each kind of arguments, replayed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Tensor, Variable, ops
from pynn.layers import Dense, Dropout


def test_python_runs_once_for_each_kind_of_arguments() -> None:
    calls = []

    @pynn.function
    def f(x: Any, scale: float = 2.0) -> Any:
        calls.append(scale)
        return x * scale

    assert f(Tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert f(np.array([3.0, 4.0], "float32")).tolist() == [6.0, 8.0]
    assert f(Tensor([3.0, 4.0]), 3.0).tolist() == [9.0, 12.0]
    assert f(Tensor([3.0, 4.0]), scale=2.0).tolist() == [6.0, 8.0]
    assert f(Tensor([3.0])).tolist() == [6.0]
    assert f(Tensor([3])).tolist() == [6.0]
    assert len(calls) == f.recordings == 5


def test_structures_go_in_and_out() -> None:
    @pynn.function
    def f(pair: Any, *, options: dict[str, Any]) -> Any:
        a, b = pair
        return {"sum": a + b, "name": options["name"], "all": [a * options["x"], None]}

    out = f((Tensor(1.0), Tensor(2.0)), options={"x": Tensor(5.0), "name": "n"})
    assert float(out["sum"]) == 3.0 and out["name"] == "n"
    assert float(out["all"][0]) == 5.0 and out["all"][1] is None


def test_variables_are_read_and_assigned_at_each_replay() -> None:
    count, weight = Variable(0.0), Variable(1.0)

    @pynn.function
    def f(x: Any) -> Any:
        count.assign_add(1.0)
        return x * weight + count

    assert [float(f(Tensor(10.0))) for _ in range(3)] == [11.0, 12.0, 13.0]
    weight.assign(2.0)
    assert float(f(Tensor(10.0))) == 24.0 and float(count) == 4.0 and f.recordings == 1


def test_methods_are_recorded_for_each_object() -> None:
    class Scale:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        @pynn.function
        def apply(self, x: Any) -> Any:
            return x * self.factor

    two, three = Scale(2.0), Scale(3.0)
    assert [float(s.apply(Tensor(1.0))) for s in (two, three, two)] == [2.0, 3.0, 2.0]


def test_functions_call_functions_and_layers_and_are_called_in_recordings() -> None:
    layer = Dense(2, kernel_initializer="ones")

    @pynn.function
    def inner(x: Any) -> Any:
        return layer(x) * 2

    @pynn.function
    def outer(x: Any) -> Any:
        return pynn.scan(lambda c, r: (c + ops.sum(inner(r.reshape(1, 3))), None), 0.0, x)[0]

    assert float(outer(Tensor(np.ones((4, 3), "float32")))) == 48.0


def test_a_tape_follows_a_function() -> None:
    w = Variable(3.0)

    @pynn.function
    def f(x: Any) -> Any:
        return w * x * x

    x = Tensor(2.0)
    f(x)
    with pynn.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    dx, dw = tape.gradient(y, [x, w])
    assert float(dx) == 12.0 and float(dw) == 4.0


def test_random_numbers_are_fresh_and_training_is_chosen() -> None:
    layer = Dropout(0.5)
    x = np.ones(1000, "float32").reshape(1, -1)
    noisy, plain = pynn.function(layer.forward, training=True), pynn.function(layer.forward)
    assert not np.array_equal(noisy(x), noisy(x))
    np.testing.assert_array_equal(plain(x), x)


@pytest.mark.parametrize("ask", [float, bool, np.asarray, lambda x: x.tolist()])
def test_asking_for_values_names_the_line(ask: Any) -> None:
    @pynn.function
    def f(x: Any) -> Any:
        return x * ask(x)

    with pytest.raises(TypeError, match=r"test_function\.py, line \d+: .*no values yet"):
        f(Tensor(1.0))


def test_other_errors_come_as_they_are() -> None:
    @pynn.function
    def f(x: Any) -> Any:
        return ops.matmul(x, x)

    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        f(Tensor(np.ones((2, 3))))
    with pytest.raises(TypeError, match="values that can be hashed, got set"):
        f({1, 2})
    with pytest.raises(TypeError, match="expects a function"):
        pynn.function(3)


def test_recording_again_and_again_is_warned_about() -> None:
    f = pynn.function(lambda x, n: x * n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(5):
            f(Tensor(1.0), n)
    with pytest.warns(UserWarning, match=r"recorded 6 times.*4\) became .*5\)"):
        f(Tensor(1.0), 5)
