"""Layers with several inputs and outputs, and layers written in NumPy with several inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pynn import Input, Tensor, ops
from pynn.layers import Dense, Layer

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 4, 3))


class Sum(Layer):
    def forward(self, inputs: list[Tensor]) -> Tensor:
        first, second = inputs
        return first + second * 2


class Attend(Layer):
    """Two inputs, options among which one is a tensor, a sublayer, and outputs by name."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.dense = Dense(3)

    def build(self, query: Any, value: Any, key: Any = None) -> None:
        self.shapes = (query, value, key)
        self.scale = self.add_weight("scale", query, "ones")

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        mask: Tensor | None = None,
        negate: bool = False,
    ) -> dict[str, Tensor]:
        y = self.dense(query * self.scale) + value * value
        if mask is not None:
            y = ops.where(mask, y, 0)
        return {"y": -y if negate else y, "twice": value * 2}


class Both(Layer):
    """Product and sum in NumPy, with the gradient by hand."""

    def forward(self, a: Any, b: Any) -> Any:
        self.a, self.b = a, b
        return a * b, a + b

    def backward(self, grad: Any) -> Any:
        product, total = grad
        return product * self.b + total, product * self.a + total


def test_a_list_of_arrays_goes_to_forward_as_a_list() -> None:
    layer = Sum(dtype="float64")
    np.testing.assert_allclose(layer([A, B]), A + 2 * B)
    assert layer.input_shape == [(3,), (3,)] and layer.output_shape == (3,)
    da, db = layer.backward(np.ones((4, 3)))
    assert (da == 1).all() and (db == 2).all()
    np.testing.assert_allclose(layer([A[0], B[0]]), A[0] + 2 * B[0])
    assert [g.shape for g in layer.backward(np.ones(3))] == [(3,), (3,)]


def test_numpy_gives_numpy_and_tensors_give_tensors_in_the_outputs_structure() -> None:
    layer = Attend(dtype="float64")
    mask = np.arange(12).reshape(4, 3) % 2 == 0
    out = layer(A, B, mask=mask)
    assert layer.shapes == ((3,), (3,), None)
    w, b = layer.dense.get_weights()
    expected = np.where(mask, A @ w + b + B * B, 0)
    np.testing.assert_allclose(out["y"], expected)
    assert isinstance(out["y"], np.ndarray)
    named = layer(value=Tensor(B), query=A, mask=mask, negate=True)
    assert isinstance(named["y"], Tensor)
    np.testing.assert_allclose(named["y"].numpy(), -expected)
    np.testing.assert_allclose(layer(A, B)["y"], A @ w + b + B * B)


def test_backward_adds_up_the_gradients_of_all_outputs() -> None:
    layer = Attend(dtype="float64")
    out = layer.forward(A, B)
    r = {"y": RNG.normal(size=(4, 3)), "twice": RNG.normal(size=(4, 3))}
    dq, dv = layer.backward(r)
    w, _ = layer.dense.get_weights()
    np.testing.assert_allclose(dq, r["y"] @ w.T, rtol=1e-10)
    np.testing.assert_allclose(dv, 2 * B * r["y"] + 2 * r["twice"], rtol=1e-10)
    assert len(layer.gradients) == 3
    assert out["twice"].shape == (4, 3)
    with pytest.raises(ValueError, match="2 outputs"):
        layer.backward(r["y"])


def test_numpy_code_with_several_inputs_runs_alone_and_inside_a_program() -> None:
    class Wrap(Layer):
        def __init__(self) -> None:
            super().__init__(dtype="float64")
            self.both = Both()

        def forward(self, x: Tensor) -> Tensor:
            product, total = self.both(x, x * 2)
            return product + total

    both = Both(dtype="float64")
    product, total = both(A, B)
    np.testing.assert_allclose(product, A * B)
    np.testing.assert_allclose(total, A + B)
    da, db = both.backward((A, B))
    np.testing.assert_allclose(da, A * B + B)
    np.testing.assert_allclose(db, A * A + B)
    wrap = Wrap()
    np.testing.assert_allclose(wrap(A), 2 * A * A + 3 * A)
    np.testing.assert_allclose(wrap.backward(np.ones_like(A)), 4 * A + 3)


def test_training_reaches_a_forward_that_asks_for_it() -> None:
    class Asks(Layer):
        def forward(self, x: Tensor, training: bool = False) -> Tensor:
            return x + (1 if training else 0)

    np.testing.assert_allclose(Asks(dtype="float64")(A), A)
    np.testing.assert_allclose(Asks(dtype="float64")(A, training=True), A + 1)


def test_calls_on_nodes_give_nodes_in_the_outputs_structure() -> None:
    a, b = Input(3), Input(3)
    layer = Attend()
    out = layer(a, b)
    assert out["y"].shape == (3,) and out["y"].inputs == (a, b) and out["twice"].layer is layer


def test_wrong_calls_name_the_layer() -> None:
    with pytest.raises(TypeError, match=r"Attend 'attend': .*missing.*'value'"):
        Attend()(A)
    with pytest.raises(TypeError, match=r"Attend 'attend': .*'masks'"):
        Attend()(A, B, masks=A)
    layer = Sum()
    layer([A, B])
    with pytest.raises(ValueError, match="Sum 'sum' expects samples"):
        layer(A)
    with pytest.raises(TypeError, match="input 'value' of Attend 'attend'"):
        Attend()(A, "text")
