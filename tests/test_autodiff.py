"""Gradients of functions, custom gradients, and where gradients end."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import GradientTape, Network, Tensor, Variable, _native, ops
from pynn.layers import Dense, Layer

X = np.random.default_rng(8).normal(size=(3, 2))


def test_gradients_of_chosen_arguments_and_structures() -> None:
    def f(p: Any, x: Any, power: int) -> Any:
        return ((p["w"] * x).sum() + p["b"][0]) ** power

    parameters = {"w": Tensor([1.0, 2.0], "float64"), "b": [Tensor(0.5, "float64")]}
    x = np.array([3.0, -1.0])
    dp, dx = pynn.grad(f, argnums=(0, 1))(parameters, x, power=2)
    np.testing.assert_allclose(dp["w"].numpy(), 2 * 1.5 * x)
    assert dp["b"][0].item() == 3
    np.testing.assert_allclose(dx.numpy(), [3, 6])
    (value, found) = pynn.value_and_grad(f, argnums=-2)(parameters, x, 2)
    assert value.item() == 2.25
    np.testing.assert_allclose(found.numpy(), [3, 6])


def test_one_tensor_in_two_places_has_two_gradients() -> None:
    x = Tensor([1.0, 2.0], "float64")
    a, b = pynn.grad(lambda a, b: (a * b * b).sum(), argnums=(0, 1))(x, x)
    np.testing.assert_array_equal(a.numpy(), [1, 4])
    np.testing.assert_array_equal(b.numpy(), [2, 8])


def test_auxiliary_results_pass_through() -> None:
    def f(x: Any) -> Any:
        return x * x, {"note": "as it is"}

    assert pynn.grad(f, has_aux=True)(3.0)[1] == {"note": "as it is"}
    (value, aux), found = pynn.value_and_grad(f, has_aux=True)(3.0)
    assert (value.item(), aux["note"], found.item()) == (9, "as it is", 6)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_gradients_of_gradients(order: int) -> None:
    f: Any = lambda x: ops.sin(2 * x)  # noqa: E731
    for _ in range(order):
        f = pynn.grad(f)
    expected = [2 * np.cos(2.0), -4 * np.sin(2.0), -8 * np.cos(2.0), 16 * np.sin(2.0)]
    np.testing.assert_allclose(f(Tensor(1.0, "float64")).item(), expected[order - 1], rtol=1e-12)


def test_what_a_function_does_not_depend_on_has_gradient_zero() -> None:
    assert pynn.grad(lambda x, y: y * 2.0)(1.0, Tensor(2.0)).item() == 0


def test_bad_calls_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"without dimensions, got shape \(2,\)"):
        pynn.grad(lambda x: x)([1.0, 2.0])
    with pytest.raises(ValueError, match="got float"):
        pynn.grad(lambda x: 1.0)(1.0)
    with pytest.raises(ValueError, match="argnums 1"):
        pynn.grad(lambda x: x, argnums=1)(1.0)
    with pytest.raises(TypeError, match="int64"):
        pynn.grad(lambda x: x * 1.0)(np.array(1))
    assert _native.is_idle()


def test_jacobian_hessian_and_products_agree_with_pytorch() -> None:
    functional = pytest.importorskip("torch").autograd.functional
    torch = pytest.importorskip("torch")

    def f(x: Any, w: Any, tanh: Any = ops.tanh) -> Any:
        return tanh(x @ w) * x

    def total(x: Any, tanh: Any = ops.tanh) -> Any:
        return (tanh(x) * x[::-1] * x).sum() if tanh is ops.tanh else (
            tanh(x) * x.flip(0) * x).sum()  # fmt: skip

    w = X[:2]
    ours = pynn.jacobian(f, argnums=(0, 1))(X, w)
    arguments = torch.tensor(X), torch.tensor(w)
    theirs = functional.jacobian(lambda x, w: f(x, w, torch.tanh), arguments)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)

    theirs = functional.hessian(lambda x: total(x, torch.tanh), arguments[0])
    np.testing.assert_allclose(pynn.hessian(total)(X).numpy(), theirs.numpy(), rtol=1e-10,
                               atol=1e-14)  # fmt: skip

    dx, dw = np.cos(X), np.sin(w)
    value, tangent = pynn.jvp(f, [X, w], [dx, dw])
    expected, theirs = functional.jvp(
        lambda x, w: f(x, w, torch.tanh), arguments, (torch.tensor(dx), torch.tensor(dw))
    )
    np.testing.assert_allclose(value.numpy(), expected.numpy())
    np.testing.assert_allclose(tangent.numpy(), theirs.numpy(), rtol=1e-12)

    value, product = pynn.vjp(f, X, w)
    for seed in (dx, np.ones_like(dx)):
        _, theirs = functional.vjp(lambda x, w: f(x, w, torch.tanh), arguments, torch.tensor(seed))
        for a, b in zip(product(seed), theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


# --- where gradients end


def test_stop_gradient_on_a_tape_and_in_a_recording() -> None:
    x = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = pynn.stop_gradient(x * x) * x
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [1, 4])
    with _native.Recorder() as recorder:
        y = pynn.stop_gradient(x * x) * x
        program = recorder.compile([*recorder.gradient(y, [x]), y])
    np.testing.assert_array_equal(program()[0], [1, 4])
    np.testing.assert_array_equal(program()[1], [1, 8])
    with _native.Recorder() as recorder:
        assert recorder.gradient(pynn.stop_gradient(x), [x]) == [None]


# --- custom gradients


@pynn.custom_gradient
def doubled(x: Any, y: Any) -> Any:
    def rule(dy: Any) -> Any:
        return 10.0 * dy * y, None

    return x * y, rule


def test_a_custom_gradient_replaces_the_one_that_follows() -> None:
    x, y = Variable([1.0, 2.0]), Variable([3.0, 4.0])
    with GradientTape() as tape:
        z = doubled(x, y) * 2.0
    np.testing.assert_array_equal(z.numpy(), [6, 16])
    dx, dy = tape.gradient(z, [x, y])
    np.testing.assert_array_equal(dx.numpy(), [60, 80])
    assert dy is None


def test_a_custom_gradient_in_a_recording_and_in_fit() -> None:
    x = Variable([1.0, 2.0])
    with _native.Recorder() as recorder:
        y = recorder.input((2,), "float32")
        z = doubled(x, y)
        program = recorder.compile([z, *recorder.gradient(z, [x])])
    z, dx = program(np.array([3.0, 4.0], "float32"))
    np.testing.assert_array_equal(z, [3, 8])
    np.testing.assert_array_equal(dx, [30, 40])

    class Reversed(Layer):
        def forward(self, x: Any) -> Any:
            return pynn.custom_gradient(lambda t: (t * 1.0, lambda dy: -dy))(x)

    def trained(*layers: Any) -> Any:
        pynn.seed(0)
        net = Network([Dense(2, input_shape=(2,)), *layers])
        net.use(loss="mse", optimizer=pynn.optimizers.SGD(learning_rate=0.1))
        before = net.get_weights()[0]
        net.fit(X, X, epochs=1, batch_size=3, verbose=0)
        return net.get_weights()[0] - before

    np.testing.assert_allclose(trained(Reversed()), -trained(), rtol=1e-5)


def test_a_custom_gradient_is_differentiated_again() -> None:
    @pynn.custom_gradient
    def log1pexp(x: Any) -> Any:
        e = ops.exp(x)
        return ops.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))

    s = 1 / (1 + np.exp(-0.3))
    x = Tensor(0.3, "float64")
    np.testing.assert_allclose(pynn.grad(log1pexp)(x).item(), s)
    np.testing.assert_allclose(pynn.grad(pynn.grad(log1pexp))(x).item(), s * (1 - s))


def test_a_custom_gradient_of_several_values_and_of_variables() -> None:
    v = Variable(2.0)

    @pynn.custom_gradient
    def f(x: Any, scale: float = 1.0) -> Any:
        def rule(da: Any, db: Any, variables: Any) -> Any:
            assert [id(w) for w in variables] == [id(v)]
            return da + 100.0 * db, [7.0 * da]

        return (x * v * scale, x + v), rule

    x = Variable(3.0)
    with GradientTape(persistent=True) as tape:
        a, b = f(x, scale=2.0)
    assert (a.item(), b.item()) == (12, 5)
    assert [g.item() for g in tape.gradient([a, b], [x, v])] == [101, 7]
    assert [g.item() for g in tape.gradient(b, [x, v])] == [100, 0]

    @pynn.custom_gradient
    def forgets(x: Any) -> Any:
        return x * v, lambda dy: dy

    with pytest.raises(TypeError, match="reads the variables 'variable'"):
        forgets(x)


def test_errors_of_custom_gradients() -> None:
    with pytest.raises(TypeError, match="must return its value and a function"):
        pynn.custom_gradient(lambda x: x)(1.0)
    wrong: list[tuple[Any, str]] = [
        (lambda dy: [dy, dy], "returned 2 gradients"),
        (lambda dy: ops.zeros((3,)), r"has shape \(2,\), its gradient \(3,\)"),
    ]
    for rule, message in wrong:
        f = pynn.custom_gradient(lambda x, rule=rule: (x * 2, rule))
        with pytest.raises(ValueError, match=message):
            pynn.grad(lambda x, f=f: f(x).sum())(np.ones(2))

    def raises(dy: Any) -> Any:
        raise KeyError("from the rule")

    f = pynn.custom_gradient(lambda x: (x * 2, raises))
    with pytest.raises(KeyError, match="from the rule"):
        pynn.grad(f)(1.0)
    assert _native.is_idle()


def test_the_page_about_gradients_runs() -> None:
    page = Path(__file__).parents[1] / "docs" / "gradients.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0
