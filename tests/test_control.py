"""`pynn.cond`, `pynn.scan`, `pynn.while_loop`: values, derivatives, random numbers, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import ops
from pynn._native import Executable, Recorder

T, B, H = 5, 3, 4


def recorded(function: Callable[..., list[Any]], *arrays: np.ndarray[Any, Any]) -> list[Any]:
    """Record a function of tensors and run it on arrays."""
    with Recorder() as recorder:
        program = recorder.compile(
            function(recorder, *(recorder.input(a.shape, a.dtype) for a in arrays))
        )
    return program(*arrays)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def step(h: Any, x: Any, u: Any, b: Any) -> tuple[Any, Any]:
    """A recurrence of plain arithmetic, for pynn and PyTorch alike."""
    z = x + h @ u + b
    h = z * z * 0.1 + h / (z * z + 1.0)
    return h, h * h


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_has_the_derivatives_of_the_loop_it_stands_for(
    rng: np.random.Generator, reverse: bool
) -> None:
    torch = pytest.importorskip("torch")
    u, b = (pynn.Variable(rng.normal(size=s) * 0.5, dtype="float64") for s in [(H, H), (H,)])
    x, h = rng.normal(size=(T, B, H)), rng.normal(size=(B, H))

    def ours(recorder: Recorder, x: Any, h: Any) -> list[Any]:
        last, ys = pynn.scan(lambda h, x: step(h, x, u, b), h, x, reverse=reverse)
        loss = ops.sum(ys * ys) + ops.sum(last)
        sources = [x, h, u, b]
        first = recorder.gradient(loss, sources)
        norm = sum(ops.sum(g * g) for g in first if g is not None)
        second = recorder.gradient(norm, sources)
        return [loss, *first, *second]  # type: ignore[list-item]

    xt, ht, ut, bt = (
        torch.tensor(a, requires_grad=True) for a in (x, h, u.numpy().copy(), b.numpy().copy())
    )
    state, squares = ht, [ht] * T
    for t in reversed(range(T)) if reverse else range(T):
        state, squares[t] = step(state, xt[t], ut, bt)
    loss = (torch.stack(squares) ** 2).sum() + state.sum()
    first = torch.autograd.grad(loss, [xt, ht, ut, bt], create_graph=True)
    second = torch.autograd.grad(sum((g**2).sum() for g in first), [xt, ht, ut, bt])
    theirs = [loss, *first, *second]
    for got, wanted in zip(recorded(ours, x, h), theirs, strict=True):
        np.testing.assert_allclose(got, wanted.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_scan_runs_at_once_as_it_does_in_a_program(rng: np.random.Generator) -> None:
    u, b = rng.normal(size=(H, H)), rng.normal(size=H)
    x, h = rng.normal(size=(T, B, H)), rng.normal(size=(B, H))
    last, ys = pynn.scan(lambda h, x: step(h, x, u, b), h, x)
    state = h
    for t in range(T):
        state, y = step(state, x[t], u, b)
        np.testing.assert_allclose(ys[t], y, rtol=1e-12)
    np.testing.assert_allclose(last, state, rtol=1e-12)


def test_carries_and_rows_may_be_structures() -> None:
    def f(carry: Any, x: Any) -> tuple[Any, Any]:
        (n, totals), (a, b) = carry, x
        return (n + 1, {"sum": totals["sum"] + a * b}), {"n": n, "nothing": None}

    init = (pynn.Tensor(0), {"sum": pynn.Tensor(0.0)})
    (n, totals), ys = pynn.scan(f, init, (pynn.Tensor([1.0, 2.0]), pynn.Tensor([3.0, 4.0])))
    assert int(n) == 2 and float(totals["sum"]) == 11.0
    assert ys["n"].tolist() == [0, 1] and ys["nothing"] is None


def test_a_scan_of_no_rows_gives_the_first_carry() -> None:
    last, ys = pynn.scan(lambda c, _: (c * 2, c), 3.0, length=0)
    assert float(last) == 3.0 and ys.shape == (0,)


def test_scans_nest_and_use_tensors_around_them(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    x, w = rng.normal(size=(3, 4)), pynn.Variable(1.5, dtype="float64")

    def ours(recorder: Recorder, x: Any) -> list[Any]:
        scale = x[0, 0]

        def row(total: Any, r: Any) -> tuple[Any, Any]:
            inner, _ = pynn.scan(lambda c, v: (c * w + v * scale, None), total, r)
            return inner, None

        total, _ = pynn.scan(row, ops.sum(x) * 0, x)
        return [total, *recorder.gradient(total, [x, w])]  # type: ignore[list-item]

    xt = torch.tensor(x, requires_grad=True)
    wt = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    total = torch.zeros((), dtype=torch.float64)
    for value in xt.flatten():
        total = total * wt + value * xt[0, 0]
    wanted = [total, *torch.autograd.grad(total, [xt, wt])]
    for got, expected in zip(recorded(ours, x), wanted, strict=True):
        np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-12)


def test_random_numbers_differ_from_row_to_row_and_follow_the_key() -> None:
    def draws(recorder: Recorder) -> list[Any]:
        return [pynn.scan(lambda c, _: (c, ops.random_uniform((8,))), 0.0, length=4)[1]]

    with Recorder() as recorder:
        program = recorder.compile(draws(recorder))
    assert program.random
    [one], [again], [other] = program(key=1), program(key=1), program(key=2)
    assert len(np.unique(one)) == one.size
    np.testing.assert_array_equal(one, again)
    assert not np.intersect1d(one, other).size


def test_a_gradient_goes_back_through_the_numbers_that_were_drawn() -> None:
    w = pynn.Variable(2.0)

    def ours(recorder: Recorder) -> list[Any]:
        total, masks = pynn.scan(
            lambda c, _: (c + w * (m := ops.random_uniform(())), m), 0.0, length=4
        )
        [dw] = recorder.gradient(total, [w])
        assert dw is not None
        return [masks, dw]

    masks, dw = recorded(ours)
    np.testing.assert_allclose(dw, masks.sum(), rtol=1e-6)


def test_tapes_follow_scan_and_cond_to_any_order() -> None:
    w = pynn.Variable(2.0)
    with pynn.GradientTape() as outer:
        with pynn.GradientTape() as inner:
            y, _ = pynn.scan(lambda c, x: (c * w + x, None), 1.0, [1.0, 2.0, 3.0])
        first = inner.gradient(y, w)  # of w^3 + w^2 + 2 w + 3
    assert (float(y), float(first), float(outer.gradient(first, w))) == (19.0, 18.0, 14.0)
    with pynn.GradientTape() as tape:
        y = pynn.cond(w > 1, lambda: w * w, lambda: w)
    assert float(tape.gradient(y, w)) == 4.0


def test_a_tape_sees_the_random_numbers_that_were_drawn() -> None:
    w = pynn.Variable(2.0)
    with pynn.GradientTape() as tape:
        total, masks = pynn.scan(
            lambda c, _: (c + w * (m := ops.random_uniform(())), m), 0.0, length=4
        )
    np.testing.assert_allclose(tape.gradient(total, w), ops.sum(masks), rtol=1e-6)


def conditional(double: bool) -> Callable[[Any], Any]:
    return lambda x: pynn.cond(double, lambda x: x * 2, lambda x: x, x)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_computes_one_branch_and_its_derivatives(sign: float) -> None:
    w = pynn.Variable(3.0, dtype="float64")
    a = sign * np.array([1.0, 2.0])

    def ours(recorder: Recorder, x: Any) -> list[Any]:
        y = pynn.cond(ops.sum(x) > 0, lambda x: x * x * w, lambda x: x * x * x, x)
        [dx, dw] = recorder.gradient(ops.sum(y), [x, w])
        [dxx] = recorder.gradient(ops.sum(dx), [x])
        return [y, dx, dw, dxx]  # type: ignore[list-item]

    wanted = [a * a * 3, 6 * a, (a * a).sum(), [6, 6]] if sign > 0 else [a**3, 3 * a * a, 0, 6 * a]
    for got, expected in zip(recorded(ours, a), wanted, strict=True):
        np.testing.assert_allclose(got, expected)


def test_cond_runs_at_once_and_inside_scan() -> None:
    assert conditional(True)(pynn.Tensor(3.0)).tolist() == 6.0
    assert conditional(False)(pynn.Tensor(3.0)).tolist() == 3.0
    _, ys = pynn.scan(
        lambda c, x: (c, pynn.cond(x > 0, lambda: x, lambda: c)), 0.0, [1.0, -1.0, 2.0]
    )
    assert ys.tolist() == [1.0, 0.0, 2.0]


def test_results_do_not_depend_on_threads(rng: np.random.Generator) -> None:
    u, b = (pynn.Variable(rng.normal(size=s) * 0.1, dtype="float32") for s in [(128, 128), (128,)])
    x = rng.normal(size=(3, 64, 128)).astype("float32")

    def ours(recorder: Recorder, x: Any) -> list[Any]:
        last, _ = pynn.scan(lambda h, x: step(h, x, u, b), x[0], x)
        return [last, *recorder.gradient(ops.sum(last), [x, u, b])]  # type: ignore[list-item]

    with Recorder() as recorder:
        program: Executable = recorder.compile(ours(recorder, recorder.input(x.shape)))
    before = pynn.num_threads()
    try:
        pynn.set_num_threads(1)
        serial = program(x)
    finally:
        pynn.set_num_threads(before)
    for one, several in zip(serial, program(x), strict=True):
        np.testing.assert_array_equal(one, several)


def collatz(n: int) -> int:
    steps = 0
    while n != 1:
        n, steps = (n // 2 if n % 2 == 0 else 3 * n + 1), steps + 1
    return steps


def test_while_loop_runs_as_often_as_values_say() -> None:
    def odd_or_even(state: Any) -> Any:
        n, steps = state
        return ops.where(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

    @pynn.function
    def count(n: Any) -> Any:
        return pynn.while_loop(lambda state: state[0] != 1, odd_or_even, (n, pynn.Tensor(0)))

    for n in (1, 2, 7, 27):
        last, steps = count(pynn.Tensor(n))
        assert (int(last), int(steps)) == (1, collatz(n))
    assert count.recordings == 1
    state = pynn.while_loop(lambda s: True, lambda s: {"x": s["x"] + 1}, {"x": 0.0}, 5)
    assert float(state["x"]) == 5.0
    assert float(pynn.while_loop(lambda x: x < 3, lambda x: x + 1, 0.0, maximum_iterations=0)) == 0


@pytest.mark.parametrize("limit", [4, 9])  # below and above what the values ask for
@pytest.mark.parametrize("mode", ["tape", "function", "recording"])
def test_while_loop_has_the_derivatives_of_the_loop_it_stands_for(
    rng: np.random.Generator, limit: int, mode: str
) -> None:
    u = pynn.Variable(rng.normal(size=(H, H)) * 0.5, dtype="float64")
    x = pynn.Tensor(rng.normal(size=(B, H)))

    def going(h: Any) -> Any:
        return ops.sum(h * h) < 40.0

    def body(h: Any) -> Any:
        return h * 1.3 + ops.tanh(h @ u)

    def by_python(x: Any) -> Any:
        count = 0
        while count < limit and bool(going(x)):
            x, count = body(x), count + 1
        assert 0 < count < 9
        return ops.sum(ops.sin(x))

    def by_loop(x: Any) -> Any:
        return ops.sum(ops.sin(pynn.while_loop(going, body, x, limit)))

    def derivatives(f: Callable[[Any], Any]) -> list[Any]:
        with pynn.GradientTape() as outer:
            outer.watch([x, u])
            with pynn.GradientTape() as inner:
                inner.watch([x, u])
                y = f(x)
            first = inner.gradient(y, [x, u])
            norm = sum((ops.sum(g * g) for g in first), ops.zeros((), "float64"))
        return [y, *first, *outer.gradient(norm, [x, u])]

    def all_recorded(x: Any) -> list[Any]:
        with Recorder() as recorder:
            s = recorder.input(x.shape, x.dtype)
            y = by_loop(s)
            first = recorder.gradient(y, [s, u])
            norm = sum((ops.sum(g * g) for g in first), ops.zeros((), "float64"))
            return recorder.compile([y, *first, *recorder.gradient(norm, [s, u])])(x)

    found = {
        "tape": lambda: derivatives(by_loop),
        "function": lambda: derivatives(pynn.function(by_loop)),
        "recording": lambda: all_recorded(x),
    }[mode]()
    for a, b in zip(found, derivatives(by_python), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9, atol=1e-12)


def test_while_loop_without_a_bound_has_no_gradient() -> None:
    with pytest.raises(RuntimeError, match=r"while_loop: .* give maximum_iterations"):
        pynn.grad(lambda x: pynn.while_loop(lambda x: x < 9.0, lambda x: x * x, x))(2.0)


def separate(h: Any, x: Any, u: Any, b: Any, scale: Any) -> Any:
    """Compute rows each from itself: products, slices, a row's softmax, values that rows share."""
    z = ops.dense(h, u, b) + ops.concatenate([x, x], -1)
    left, right = ops.split(z, 2, axis=-1)
    gate = ops.softmax(left * scale, axis=-1)
    return gate * h + ops.sum(right, -1, keepdims=True) * 0.1 + h @ u[:, :H].transpose(1, 0) * 0.1


def mixed(h: Any, x: Any, u: Any, b: Any, scale: Any) -> Any:
    """Compute rows that depend on each other."""
    return separate(h, x, u, b, scale) - ops.mean(h, 0)


@pytest.mark.parametrize("body", [separate, mixed])
def test_many_rows_give_what_the_steps_one_by_one_give(
    rng: np.random.Generator, body: Callable[..., Any]
) -> None:
    rows, length = 33, 40
    u, b = (pynn.Variable(rng.normal(size=s) * 0.4, dtype="float64") for s in [(H, 2 * H), 2 * H])
    x, h = rng.normal(size=(length, rows, H)), rng.normal(size=(rows, H))
    scale = rng.normal(size=(rows, 1))

    def loop(recorder: Recorder, x: Any, h: Any, scale: Any) -> list[Any]:
        state, ys = h, []
        for t in range(length):
            state = body(state, x[t], u, b, scale)
            ys.append(state)
        return results(recorder, state, ops.stack(ys), [x, h, scale, u, b])

    def scanned(recorder: Recorder, x: Any, h: Any, scale: Any) -> list[Any]:
        def step(h: Any, x: Any) -> tuple[Any, Any]:
            h = body(h, x, u, b, scale)
            return h, h

        last, ys = pynn.scan(step, h, x)
        return results(recorder, last, ys, [x, h, scale, u, b])

    def results(recorder: Recorder, last: Any, ys: Any, sources: list[Any]) -> list[Any]:
        loss = ops.sum(ys * ys) + ops.sum(last)
        return [last, ys, *recorder.gradient(loss, sources)]

    wanted = recorded(loop, x, h, scale)
    for got, expected in zip(recorded(scanned, x, h, scale), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_that_only_pointwise_steps_see_are_those_of_their_run(
    rng: np.random.Generator, reverse: bool
) -> None:
    """They are read and written where they lie, under any strides."""
    x, h = rng.normal(size=(5, 24, 64)), rng.normal(size=(24, 64))

    def f(h: Any, x: Any) -> tuple[Any, Any]:
        y = h * x[:1, :1] + ops.tanh(x) * 0.5 + x[:, ::-1] * x[3]
        return y * 0.5, (y, y > 0)

    state, ys = h, np.empty_like(x)
    for t in range(5)[::-1] if reverse else range(5):
        ys[t] = state * x[t, 0, 0] + np.tanh(x[t]) * 0.5 + x[t, :, ::-1] * x[t, 3]
        state = ys[t] * 0.5
    last, (found, positive) = pynn.scan(f, h, x, reverse=reverse)
    np.testing.assert_allclose(last, state, rtol=1e-12)
    np.testing.assert_allclose(found, ys, rtol=1e-12)
    np.testing.assert_array_equal(positive, ys > 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: pynn.scan(lambda c, x: (c, x), 0.0),
            ValueError,
            "is not known: give xs or length",
        ),
        (lambda: pynn.scan(lambda c, x: (c, x), 0.0, 1.0), ValueError, "got a scalar"),
        (
            lambda: pynn.scan(lambda c, x: (c, x), 0.0, [1.0, 2.0], length=3),
            ValueError,
            r"number of rows differ: \[2, 3\]",
        ),
        (lambda: pynn.scan(lambda c, x: c, 0.0, [1.0]), TypeError, "must return a pair"),
        (
            lambda: pynn.scan(lambda c, x: ((c, c), x), 0.0, [1.0]),
            TypeError,
            r"carry of the structure.*float32 \(\), got a structure",
        ),
        (lambda: pynn.scan(lambda c, x: (x, x), 0, [1.0]), TypeError, r"int64 \(\), got float32"),
        (
            lambda: pynn.cond([True, False], lambda: 1.0, lambda: 2.0),
            ValueError,
            r"one truth value, got shape \(2,\)",
        ),
        (
            lambda: pynn.while_loop(lambda x: x < 3, lambda x: (x, x), 0.0),
            TypeError,
            r"body must return a state of the structure.*float32 \(\), got a structure",
        ),
        (
            lambda: pynn.while_loop(lambda x: x < 3, lambda x: x, [0.0, 1.0]),
            ValueError,
            r"what cond returns must be one truth value, got shape \(2,\)",
        ),
        (
            lambda: pynn.while_loop(lambda x: x < 3, lambda x: x, 0.0, -1),
            ValueError,
            "while_loop: maximum_iterations",
        ),
        (
            lambda: pynn.cond(True, lambda: 1.0, lambda: [1.0, 2.0]),
            TypeError,
            r"float32 \(\) and float32 \(2,\)",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_variable_cannot_be_assigned_inside() -> None:
    v = pynn.Variable(0.0)
    with pytest.raises(RuntimeError, match="cannot be assigned inside scan or cond"):
        pynn.scan(lambda c, x: (c, v.assign(x)), 0.0, [1.0])
    assert Recorder.current() is None
