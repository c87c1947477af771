"""GradientTape: what it follows, what it gives, what it refuses, what it leaves behind."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import GradientTape, Tensor, Variable, _native, ops

X = np.random.default_rng(5).normal(size=(4, 3))


def test_textbook_linear_regression() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = x @ [2.0, -3.0] + 0.5
    w, b = Variable(np.zeros(2)), Variable(0.0, dtype="float64")
    for _ in range(200):
        with GradientTape() as tape:
            loss = ops.square(ops.matmul(x, w) + b - y).mean()
        dw, db = tape.gradient(loss, [w, b])
        w.assign_sub(0.1 * dw)
        b.assign_sub(0.1 * db)
    np.testing.assert_allclose([*w.numpy(), b.item()], [2, -3, 0.5], atol=1e-6)


def test_textbook_perceptron() -> None:
    x = Tensor(np.random.default_rng(1).normal(size=(64, 2)), "float32")
    y = Tensor((x.numpy().sum(1, keepdims=True) > 0.3).astype("float32"))
    w, b = Variable(np.zeros((2, 1), "float32")), Variable([0.0])
    for _ in range(300):
        with GradientTape() as tape:
            p = ops.sigmoid(x @ w + b)
            loss = -(y * ops.log(p) + (1 - y) * ops.log(1 - p)).mean()
        for variable, gradient in zip((w, b), tape.gradient(loss, (w, b)), strict=True):
            variable.assign_sub(2.0 * gradient)
    assert ((p.numpy() > 0.5) == y.numpy()).mean() > 0.97


def test_higher_derivatives_by_nested_tapes_and_by_one_persistent_one() -> None:
    x = Variable(2.0, dtype="float64")
    with GradientTape() as third, GradientTape() as second:
        with GradientTape() as first:
            y = ops.exp(x) * x**4
        dy = first.gradient(y, x)
        ddy = second.gradient(dy, x)
    dddy = third.gradient(ddy, x)
    e = np.exp(2.0)
    expected = [e * (16 + 32), e * (16 + 64 + 48), e * (16 + 96 + 144 + 48)]
    np.testing.assert_allclose([dy.item(), ddy.item(), dddy.item()], expected)

    with GradientTape(persistent=True) as tape:
        y = ops.exp(x) * x**4
        dy = tape.gradient(y, x)
        ddy = tape.gradient(dy, x)
    np.testing.assert_allclose(
        [dy.item(), ddy.item(), tape.gradient(ddy, x).item()], expected, rtol=1e-12
    )


def test_a_python_loop_with_branches() -> None:
    x = Tensor([1.5, -0.5], "float64")
    with GradientTape() as tape:
        tape.watch(x)
        y = x
        for i in range(50):
            y = ops.sin(y) if i % 2 else y * 1.01
        total = y.sum()
    (dx,) = tape.gradient(total, [x])
    h = 1e-6

    def run(x: Any) -> Any:
        for i in range(50):
            x = np.sin(x) if i % 2 else x * 1.01
        return x

    expected = (run(x.numpy() + h) - run(x.numpy() - h)) / (2 * h)
    np.testing.assert_allclose(dx.numpy(), expected, rtol=1e-6)


def test_structures_of_sources_and_targets() -> None:
    a, b = Variable([1.0, 2.0]), Variable(3.0)
    with GradientTape(persistent=True) as tape:
        targets = {"sum": a.sum() * b, "more": [a * a]}
    found = tape.gradient(targets, {"a": a, "rest": (b, [a])})
    np.testing.assert_array_equal(found["a"].numpy(), [5, 7])
    assert found["rest"][0].item() == 3
    np.testing.assert_array_equal(found["rest"][1][0].numpy(), [5, 7])
    seeds = {"sum": 2.0, "more": [np.array([10.0, 20.0])]}
    np.testing.assert_array_equal(tape.gradient(targets, a, seeds).numpy(), [26, 86])
    np.testing.assert_array_equal(
        tape.gradient(targets["more"][0], a, output_gradients=[1.0, 0.0]).numpy(), [2, 0]
    )
    with pytest.raises(ValueError, match="2 targets"):
        tape.gradient(targets, a, [1.0])
    with pytest.raises(ValueError, match="shape"):
        tape.gradient(targets["more"][0], a, np.ones(3))


def test_intermediate_values_and_the_target_itself_are_sources() -> None:
    x = Variable(2.0)
    with GradientTape() as tape:
        y = x * x
        z = y * y
    assert [g.item() for g in tape.gradient(z, [z, y, x])] == [1, 8, 32]


def test_what_is_not_connected_gives_none_or_zeros() -> None:
    x, other = Variable([1.0, 2.0]), Variable([[3.0]], dtype="float64")
    frozen = Variable([1.0, 1.0], trainable=False)
    with GradientTape(persistent=True) as tape:
        y = x * frozen
    assert tape.gradient(y, [other, frozen]) == [None, None]
    zeros = tape.gradient(y, [x, other], unconnected_gradients="zero")[1]
    assert zeros.dtype == "float64" and zeros.shape == (1, 1) and zeros.item() == 0
    assert tape.gradient(Tensor(3.0), x) is None
    with pytest.raises(ValueError, match="unconnected_gradients expects"):
        tape.gradient(y, x, unconnected_gradients="zeros")


def test_constants_made_with_numpy_are_not_followed() -> None:
    x = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = x * x.numpy()
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [1, 2])


def test_watching() -> None:
    x, v = Tensor([1.0, 2.0]), Variable([3.0, 4.0])
    with GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch({"x": [x]})
        y = x * v
    assert tape.gradient(y, v) is None
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [3, 4])
    assert tape.watched_variables() == ()
    with pytest.raises(RuntimeError, match="not recording"):
        tape.watch(x)
    with GradientTape() as tape:
        _ = v * 2 + v
        frozen = Variable(1.0, trainable=False)
        _ = frozen * 2
        with pytest.raises(TypeError, match="int64"):
            tape.watch(Tensor([1, 2]))
        with pytest.raises(TypeError, match="make a Tensor"):
            tape.watch(np.ones(3))
    assert [id(w) for w in tape.watched_variables()] == [id(v)]


def test_a_variable_that_becomes_trainable_is_followed() -> None:
    v = Variable(2.0, trainable=False)
    v.trainable = True
    with GradientTape() as tape:
        y = v * v
    assert v.trainable
    assert tape.gradient(y, v).item() == 4


def test_a_tape_is_spent_after_one_gradient_unless_persistent() -> None:
    x = Variable(2.0)
    with GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    for ask in (tape.gradient, tape.jacobian):
        with pytest.raises(RuntimeError, match="persistent=True"):
            ask(y, x)
    tape.reset()
    with tape:
        y = x * 3
    assert tape.gradient(y, x).item() == 3


def test_entering_twice_and_stopping() -> None:
    x = Variable(2.0)
    tape = GradientTape()
    with tape:
        with pytest.raises(RuntimeError, match="already"), tape:
            pass
        with tape.stop_recording():
            c = x * x
            with pytest.raises(RuntimeError, match="not recording"), tape.stop_recording():
                pass
        y = c * x
    assert tape.gradient(y, x).item() == 4


def test_reset_forgets() -> None:
    x = Variable(2.0)
    with GradientTape(persistent=True) as tape:
        y = x * x
        tape.reset()
        z = x * 3
    assert tape.gradient(y, x) is None
    assert tape.gradient(z, x).item() == 3


@pytest.mark.parametrize("bad", [Tensor([1, 2]), np.ones(2), 3.0, None], ids=str)
def test_targets_and_sources_must_be_floating_tensors(bad: Any) -> None:
    x = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        y = x * x
    with pytest.raises(TypeError, match="source"):
        tape.gradient(y, bad)
    with pytest.raises(TypeError, match="target"):
        tape.gradient(bad, x)


def test_no_gradient_flows_through_whole_numbers_and_comparisons() -> None:
    x = Variable(X)
    with GradientTape(persistent=True) as tape:
        results = [
            ops.one_hot(ops.argmax(x, -1), 3),
            ops.cast(ops.cast(x, "int32"), "float64"),
            ops.cast(x > 0, "float32"),
            ops.floor(x),
        ]
    assert [tape.gradient(y, x) for y in results] == [None] * 4
    kept = ops.where(X > 0, 1.0, 0.0)
    with GradientTape() as tape:
        y = ops.where(x > 0, x * x, 0.0)
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), 2 * X * kept)


def test_what_is_not_differentiable_says_what_and_where() -> None:
    x = Variable([1.0, 2.0])

    def forward(a: Any) -> Any:
        return a * 2

    with GradientTape() as tape:
        (y,) = _native.host_call(forward, [x * 1.0], [((2,), "float32")], name="doubling")
    with pytest.raises(RuntimeError, match="doubling has no backward"):
        tape.gradient(y, x)


def test_stores_do_not_change_what_a_tape_remembers() -> None:
    x, w = Tensor([1.0, 2.0]), Variable([3.0, 4.0])
    out = Tensor([0.0, 0.0])
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = w * w * x
        w.assign([0.0, 0.0])
        z = w + x
        ops.multiply(x, x, out=out)
        u = out * 1.0
        ops.add(x, x, out=out)
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [9, 16])
    np.testing.assert_array_equal(tape.gradient(y, w).numpy(), [6, 16])
    np.testing.assert_array_equal(tape.gradient(z, w).numpy(), [1, 1])
    np.testing.assert_array_equal(tape.gradient(u, x).numpy(), [2, 4])
    np.testing.assert_array_equal(tape.gradient(out, x).numpy(), [2, 2])
    optimizer = pynn.optimizers.SGD(learning_rate=1.0)
    w.assign([3.0, 4.0])
    with GradientTape(persistent=True) as tape:
        y = w * w
    optimizer.apply([w], [tape.gradient(y, w)])
    np.testing.assert_array_equal(w.numpy(), [-3, -4])
    np.testing.assert_array_equal(tape.gradient(y, w).numpy(), [6, 8])


def test_out_and_copies_are_followed() -> None:
    x = Variable([1.0, 2.0])
    out = Tensor([0.0, 0.0])
    with GradientTape() as tape:
        y = ops.exp(x.copy() * 3, out=out)
    assert y is out
    np.testing.assert_allclose(tape.gradient(out, x).numpy(), 3 * np.exp([3.0, 6.0]), rtol=1e-6)


def test_out_of_a_variable_and_of_a_tensor_that_was_followed() -> None:
    x, v, y = Variable([1.0, 2.0]), Variable([0.0, 0.0]), Tensor([5.0, 6.0])
    with GradientTape(persistent=True) as tape:
        tape.watch(y)
        ops.exp(x, out=v)
        z = v * y
    np.testing.assert_array_equal(tape.gradient(z, v).numpy(), [5, 6])
    assert tape.gradient(z, x) is None
    assert [id(w) for w in tape.watched_variables()] == [id(x), id(v)]
    ops.exp([1.0, 2.0], out=y)
    assert tape.gradient(z, y) is None
    np.testing.assert_array_equal(tape.gradient(z, v).numpy(), [5, 6])


def test_a_tape_inside_a_recording() -> None:
    w = Variable([3.0, 4.0])
    with _native.Recorder() as recorder:
        x = recorder.input((2,), "float32")
        with GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = (w * w * x).sum()
            w.assign(w * 0.0)
        program = recorder.compile([*tape.gradient(y, [x, w]), y])
    dx, dw, value = program(np.array([1.0, 2.0], "float32"))
    np.testing.assert_array_equal(dx, [9, 16])
    np.testing.assert_array_equal(dw, [6, 16])
    assert value == 41
    assert not w.numpy().any()


def test_a_recording_inside_a_tape_stays_outside_of_it() -> None:
    x = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = x * 2
        with _native.Recorder() as recorder:
            program = recorder.compile([recorder.input((2,), "float32") * x])
        z = y * program(np.ones(2, "float32"))[0]
    np.testing.assert_array_equal(tape.gradient(z, x).numpy(), [2, 4])


def test_jacobians() -> None:
    torch = pytest.importorskip("torch")
    w = np.random.default_rng(2).normal(size=(3, 2))

    def f(x: Any, w: Any, tanh: Any) -> Any:
        return tanh(x @ w) * x.sum()

    x, v = Variable(X), Variable(w)
    with GradientTape(persistent=True) as tape:
        y = f(x, v, ops.tanh)
    found = tape.jacobian(y, [x, v])
    expected = torch.autograd.functional.jacobian(
        lambda *xs: f(*xs, torch.tanh), (torch.tensor(X), torch.tensor(w))
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == tuple(theirs.shape)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12, atol=1e-14)
    assert tape.jacobian(y, Variable(1.0)) is None
    assert tape.jacobian(y, Variable([1.0]), unconnected_gradients="zero").shape == (4, 2, 1)


def test_batch_jacobian_is_the_diagonal_of_the_jacobian() -> None:
    x, w = Variable(X), Tensor(X[:3, :2])
    with GradientTape(persistent=True) as tape:
        y = ops.softmax(x @ w) ** 2
    full = tape.jacobian(y, x).numpy()
    batched = tape.batch_jacobian(y, x)
    assert batched is not None
    np.testing.assert_allclose(batched.numpy(), np.einsum("ninj->nij", full), rtol=1e-12)
    with pytest.raises(ValueError, match="batch axis"):
        tape.batch_jacobian(y, w)


def test_a_hessian_by_a_jacobian_of_a_gradient() -> None:
    x = Variable(X[0])
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = (ops.sin(x) * x[::-1]).sum()
        dy = inner.gradient(y, x)
    torch = pytest.importorskip("torch")
    expected = torch.autograd.functional.hessian(
        lambda t: (torch.sin(t) * t.flip(0)).sum(), torch.tensor(X[0])
    )
    np.testing.assert_allclose(outer.jacobian(dy, x).numpy(), expected.numpy(), rtol=1e-12)


def test_a_tape_belongs_to_its_thread() -> None:
    x = Variable(2.0)
    seen: list[Any] = []

    def elsewhere() -> None:
        y = x * 10
        with GradientTape() as own:
            z = x * 5
        seen.extend([y, own.gradient(z, x).item()])

    with GradientTape() as tape:
        y = x * x
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert seen[1] == 5
    assert tape.gradient([y, seen[0]], x).item() == 4


def test_many_threads_with_tapes_of_their_own() -> None:
    x = Variable(np.full((8, 8), 0.5))
    failed: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for _ in range(50):
                with GradientTape() as tape:
                    y = ops.tanh(x @ x) * float(n)
                dx = tape.gradient(y, x)
                t = np.tanh(2.0)
                np.testing.assert_allclose(dx.numpy(), 8 * n * (1 - t * t), rtol=1e-10)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_an_exception_ends_the_recording() -> None:
    x = Variable(2.0)
    with pytest.raises(ZeroDivisionError), GradientTape() as tape:  # noqa: PT012
        y = x * x
        raise ZeroDivisionError
    assert _native.is_idle()
    assert tape.gradient(y, x).item() == 4


def test_a_tape_left_by_another_thread_does_no_harm() -> None:
    def recording() -> Any:
        with GradientTape():
            yield Variable(1.0) * 2

    suspended = recording()
    next(suspended)
    assert not _native.is_idle()
    thread = threading.Thread(target=suspended.close)
    thread.start()
    thread.join()
    assert (Variable(3.0) * 2).item() == 6
    assert _native.is_idle()


def test_memory_is_freed() -> None:
    x = Variable(np.ones((256, 256), "float32"))

    def in_use() -> int:
        gc.collect()
        return _native.allocator_stats()["in_use"]

    before = in_use()
    with GradientTape() as tape:
        y = x
        for _ in range(10):
            y = ops.tanh(y)
    total = y.sum()
    assert in_use() - before > 9 * 256 * 256 * 4
    del y
    tape.gradient(total, x)
    assert in_use() - before < 2 * 256 * 256 * 4
    with GradientTape(persistent=True) as tape:
        y = ops.tanh(x) * 2
    tape.gradient(y, x)
    del tape, y
    assert in_use() - before < 256 * 256 * 4
