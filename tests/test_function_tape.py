"""`pynn.function` under tapes: a call is one step, and its gradient another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import GradientTape, Tensor, Variable, ops
from pynn.layers import LSTM, BatchNormalization, Conv2D, Dense, Dropout, Layer, MaxPool2D

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 3))
W1 = Variable(RNG.normal(size=(3, 5)), name="w1")
W2 = Variable(RNG.normal(size=(5, 2)), name="w2")


def mlp(x: Any) -> Any:
    return ops.sum(ops.tanh(ops.relu(x @ W1) @ W2) ** 2)


def several(x: Any) -> Any:
    hidden = ops.exp(x @ W1)
    return {"a": hidden, "rows": ops.argmax(hidden, axis=1), "b": [ops.sum(W2) * x, "text"]}


def loop(x: Any) -> Any:
    return pynn.scan(lambda c, r: (ops.tanh(c + r @ W1), c), ops.zeros((5,), "float64"), x)[0]


def branch(x: Any) -> Any:
    return pynn.cond(ops.sum(x) > 0, lambda: ops.sum(x @ W1), lambda: ops.sum(x * x))


@pynn.custom_gradient
def softplus(x: Any) -> Any:
    e = ops.exp(x)
    return ops.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))


def custom(x: Any) -> Any:
    return ops.sum(softplus(x @ W1) ** 2)


def nested(x: Any) -> Any:
    inner = pynn.function(lambda y: ops.sin(y) * W2[0, 0])
    return ops.sum(inner(x) * inner(2 * x))


def gradient_inside(x: Any) -> Any:
    return ops.sum(pynn.grad(lambda y: ops.sum(y**3) * W2[0, 0])(x) ** 2)


FUNCTIONS = [mlp, several, loop, branch, custom, nested, gradient_inside]


def floats(result: Any) -> list[Any]:
    tensors = [x for x in pynn.structures.flatten(result) if isinstance(x, Tensor)]
    return [x for x in tensors if "float" in x.dtype]


def gradients(f: Callable[..., Any], order: int) -> list[Any]:
    """Differentiate the sum of the squares of what `f` returns, `order` times."""
    x = Tensor(X)
    sources = [x, W1, W2]
    tapes = [GradientTape() for _ in range(order)]
    for tape in tapes:
        tape.__enter__()
        tape.watch(x)
    value: Any = f(x)
    found: list[Any] = []
    for tape in reversed(tapes):
        total = sum((ops.sum(y * y) for y in floats(value)), Tensor(0.0, "float64"))
        tape.__exit__(None, None, None)
        found = tape.gradient(total, sources)
        value = [g for g in found if g is not None]
    return found


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_gradients_are_those_of_the_python_function(f: Callable[..., Any], order: int) -> None:
    recorded = pynn.function(f)
    expected = gradients(f, order)
    for _ in range(2):  # recorded, and from what is kept
        found = gradients(recorded, order)
        for a, b in zip(found, expected, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9, atol=1e-12)
    assert recorded.recordings == 1


def test_a_call_is_one_step_and_its_gradient_another() -> None:
    calls = []

    @pynn.function
    def f(x: Any) -> Any:
        calls.append(1)
        return mlp(x)

    for _ in range(3):
        with GradientTape() as tape:
            loss = f(X)
        assert tape.gradient(loss, W1) is not None
    assert len(calls) == 1
    np.testing.assert_allclose(float(loss), float(mlp(Tensor(X))), rtol=1e-12)


def test_arguments_and_variables_may_change_between_calls() -> None:
    w = Variable([1.0, 2.0])
    f = pynn.function(lambda x: ops.sum(w * x * x))
    for step in range(3):
        x = Variable([step + 1.0, 3.0])
        with GradientTape() as tape:
            y = f(x.copy())
            y = y + f(w)
        np.testing.assert_allclose(
            tape.gradient(y, w), np.asarray(x) ** 2 + 3 * np.asarray(w) ** 2, rtol=1e-6
        )
        w.assign_add([0.5, -0.25])


def test_values_that_change_before_the_gradient_is_taken_are_kept() -> None:
    w = Variable([1.0, 2.0])
    f = pynn.function(lambda: ops.sum(w * w))
    for _ in range(2):
        w.assign([1.0, 2.0])
        with GradientTape() as tape:
            y = f()
        w.assign([5.0, 5.0])
        assert tape.gradient(y, w).tolist() == [2.0, 4.0]


def test_a_persistent_tape_holds_its_values_while_others_run() -> None:
    w = Variable([0.5, 2.0])
    f = pynn.function(lambda x: ops.sum(ops.exp(w * ops.sin(x))))
    tapes, results = [], []
    for step in range(4):
        with GradientTape(persistent=True) as tape:
            results.append(f(Tensor([step + 1.0, 2.0])))
        tapes.append(tape)
    for step, (tape, y) in enumerate(zip(tapes, results, strict=True)):
        s = np.sin(np.array([step + 1.0, 2.0]))
        for _ in range(2):
            np.testing.assert_allclose(
                tape.gradient(y, w), s * np.exp(np.asarray(w) * s), rtol=1e-5
            )


def test_what_does_not_depend_has_no_gradient() -> None:
    v, w = Variable(1.0), Variable(2.0)
    f = pynn.function(lambda x: (x * ops.stop_gradient(v), ops.sum(w)))
    x = Tensor(3.0)
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, z = f(x)
    assert tape.gradient(y, [v, w]) == [None, None]
    assert tape.gradient(z, x) is None and float(tape.gradient([y, z], x)) == 1.0


def test_tapes_may_watch_what_was_recorded_before() -> None:
    outside = Tensor([1.0, 2.0])
    w = Variable(3.0, trainable=False)
    f = pynn.function(lambda: ops.sum(outside * outside) * w)
    with GradientTape() as tape:
        tape.watch(Tensor(1.0))
        y = f()
    assert tape.gradient(y, w) is None
    with GradientTape() as tape:
        tape.watch(outside)
        y = f()
    assert tape.gradient(y, outside).tolist() == [6.0, 12.0]
    w.trainable = True
    with GradientTape() as tape:
        y = f()
    assert tape.watched_variables() == (w,) and float(tape.gradient(y, w)) == 5.0
    assert f.recordings == 1


def test_random_numbers_of_the_value_and_its_gradient_are_the_same() -> None:
    layer = Dropout(0.5)
    w = Variable(np.ones(200, "float32").reshape(1, -1))
    f = pynn.function(lambda: ops.exp(layer(w)), training=True)
    for _ in range(2):
        with GradientTape() as tape:
            y = f()
        np.testing.assert_allclose(
            tape.gradient(y, w), np.where(np.asarray(y) > 1.5, 2 * np.exp(2), 0), rtol=1e-5
        )
    assert not np.array_equal(y, f())


def test_variables_are_assigned_once_a_call() -> None:
    count, w = Variable(0.0, trainable=False), Variable(2.0)

    @pynn.function
    def f(x: Any) -> Any:
        count.assign_add(1.0)
        return w * x * count

    for step in range(1, 4):
        with GradientTape() as tape:
            y = f(Tensor(10.0))
        assert float(count) == step and float(tape.gradient(y, w)) == 10.0 * step


class Times(Layer):
    """A layer whose backward pass is NumPy's."""

    def forward(self, x: Any) -> Any:
        self.x = np.asarray(x)
        return self.x**2

    def backward(self, grad: Any) -> Any:
        return np.asarray(grad) * 2 * self.x


LAYERS = [
    (lambda: Dense(3, activation="gelu"), (4, 5)),
    (lambda: Conv2D(3, 3, activation="relu"), (2, 6, 6, 2)),
    (lambda: MaxPool2D(2), (2, 6, 6, 2)),
    (lambda: LSTM(3), (2, 5, 3)),
    (BatchNormalization, (6, 3)),
    (Times, (2, 3)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
@pytest.mark.parametrize("training", [False, True])
def test_layers_in_functions(make: Callable[[], Layer], shape: Any, training: bool) -> None:
    x = Tensor(RNG.normal(size=shape).astype("float32"))
    layer = make()
    layer(x)
    f = pynn.function(lambda x: ops.sum(layer(x) ** 2), training=training)
    replayed = pynn.function(  # the gradient inside the recording
        lambda x: pynn.grad(lambda y: ops.sum(layer(y) ** 2))(x), training=training
    )
    expected = replayed(x)
    for _ in range(2):
        with GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        dx, *dweights = tape.gradient(y, [x, *layer.parameters])
        np.testing.assert_allclose(dx, expected, rtol=1e-4, atol=1e-5)
        assert all(g is not None for g in dweights)


def test_a_training_loop_is_the_one_of_python() -> None:
    def train(wrap: Callable[[Any], Any]) -> list[float]:
        w, b = Variable(np.zeros((3, 1), "float32")), Variable(np.zeros(1, "float32"))
        x = RNG.normal(size=(16, 3)).astype("float32")
        y = x @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1
        f = wrap(lambda x, y: ops.mean((x @ w + b - y) ** 2))
        losses = []
        for _ in range(20):
            with GradientTape() as tape:
                loss = f(x, y)
            for v, g in zip((w, b), tape.gradient(loss, [w, b]), strict=True):
                v.assign_sub(0.1 * g)
            losses.append(float(loss))
        return losses

    state = RNG.bit_generator.state
    step_by_step = train(lambda f: f)
    RNG.bit_generator.state = state
    np.testing.assert_allclose(train(pynn.function), step_by_step, rtol=1e-4)


def test_threads_call_one_function_under_tapes_of_their_own() -> None:
    w = Variable(np.linspace(0.1, 1.0, 50, dtype="float32"))
    f = pynn.function(lambda x: ops.sum(ops.exp(w * x)))
    wrong = []

    def work(k: int) -> None:
        for i in range(20):
            x = float(k + i) / 20
            with GradientTape() as tape:
                y = f(Tensor(x))
            if not np.allclose(tape.gradient(y, w), x * np.exp(np.asarray(w) * x), rtol=1e-4):
                wrong.append((k, i))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_structures_constants_and_lines_of_errors() -> None:
    @pynn.function
    def f(x: Any) -> Any:
        return x * float(x)

    with (
        pytest.raises(TypeError, match=r"test_function_tape\.py, line \d+: .*no values yet"),
        GradientTape(),
    ):
        f(Tensor(1.0))
    with GradientTape():
        out = pynn.function(several)(X)
    assert out["rows"].dtype == "int64" and out["b"][1] == "text"
