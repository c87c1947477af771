"""Layers: what each computes, its gradient, its weights, and layers of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import GradientTape, Tensor, Variable, activations, layers, ops
from pynn.layers import Activation, Dense, Dropout, Layer


def inputs(shape: tuple[int, ...], batch: int = 3) -> np.ndarray:
    """Numbers away from 0, where some activations have a corner."""
    rng = np.random.default_rng(5)
    x = rng.uniform(0.1, 2.0, (batch, *shape))
    return x * rng.choice([-1.0, 1.0], x.shape)


def check_layer(
    layer: Layer, x: np.ndarray, training: bool = False, tolerance: float = 1e-6
) -> None:
    """Compare a float64 layer's gradients with central differences of ``sum(y · r)``."""
    pynn.seed(3)
    state = pynn._native.random_state()

    def output() -> np.ndarray:
        pynn._native.set_random_state(*state)
        return np.asarray(layer.forward(x, training=training))

    y = output()
    assert y.dtype == np.float64
    r = np.random.default_rng(1).normal(size=y.shape)
    dx = layer.backward(r)
    gradients = layer.gradients
    assert dx.shape == x.shape
    assert [g.shape for g in gradients] == [tuple(p.shape) for p in layer.parameters]

    h = 1e-6
    places = [(x, dx), *((p.numpy(), g) for p, g in zip(layer.parameters, gradients, strict=True))]
    for values, gradient in places:
        for at in np.ndindex(values.shape):
            old = values[at]
            values[at] = old + h
            above = (output() * r).sum()
            values[at] = old - h
            below = (output() * r).sum()
            values[at] = old
            expected = (above - below) / (2 * h)
            assert gradient[at] == pytest.approx(expected, rel=tolerance, abs=tolerance * 0.1)


@pytest.mark.parametrize("name", activations.names())
def test_activation_names_and_layers_compute_the_ops(name: str) -> None:
    x = inputs((7,)).astype("float32")
    function = activations.get(name)
    np.testing.assert_array_equal(Activation(name)(x), function(x))
    kernel = np.eye(7, dtype="float32")
    dense = Dense(7, name, use_bias=False, kernel_initializer=lambda shape: kernel)
    np.testing.assert_allclose(dense(x), function(x), rtol=2e-6, atol=1e-6)


FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ELU": lambda x: np.where(x > 0, x, np.expm1(x)),
    "GELU": lambda x: x * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(x),
    "HardSigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "HardTanh": lambda x: np.clip(x, -1, 1),
    "LeakyReLU": lambda x: np.where(x > 0, x, 0.2 * x),
    "Linear": lambda x: x,
    "LogSigmoid": lambda x: -np.log1p(np.exp(-x)),
    "LogSoftmax": lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True)),
    "Mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "ReLU": lambda x: np.maximum(x, 0),
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "SELU": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "SiLU": lambda x: x / (1 + np.exp(-x)),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    "Softplus": lambda x: np.log1p(np.exp(x)),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Swish": lambda x: x / (1 + np.exp(-x)),
    "Tanh": np.tanh,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_layers_compute_the_equation_in_their_docstring(name: str) -> None:
    x = 3 * inputs((9,))
    y = getattr(layers, name)(dtype="float64")(x)
    np.testing.assert_allclose(y, FORMULAS[name](x), rtol=1e-12, atol=1e-14)


# --- Dense


def test_dense_is_x_w_plus_b() -> None:
    layer = Dense(3, bias_initializer="normal", dtype="float64")
    x = inputs((4,))
    y = layer(x)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(y, x @ kernel + bias, rtol=1e-13)
    assert kernel.shape == (4, 3) and bias.shape == (3,)
    assert [p.name for p in layer.parameters] == ["kernel", "bias"]


def test_dense_reads_arrays_in_any_layout() -> None:
    layer = Dense(3)
    x = np.ascontiguousarray(inputs((4,), 6).astype("float32"))
    y = layer(x)
    frozen = x.copy()
    frozen.flags.writeable = False
    wide = np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)
    big_endian = x.astype(">f4")
    for same in (np.asfortranarray(x), frozen, wide[::2, ::3], x[::-1][::-1], big_endian):
        np.testing.assert_array_equal(layer(same), y)


def test_weights_go_out_as_copies_and_come_in_checked() -> None:
    layer = Dense(3)
    layer(inputs((4,)))
    before = layer.get_weights()
    before[0][:] = 7
    assert not (layer.get_weights()[0] == 7).any()
    layer.set_weights(before)
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])
    for bad, error in (
        ([before[0]], ValueError),
        ([before[0].T, before[1]], ValueError),
        ([np.zeros((4, 3)), np.array(["a", "b", "c"])], TypeError),
        ([np.zeros((4, 3)), np.zeros(3, complex)], TypeError),
    ):
        with pytest.raises(error, match="Dense 'dense'"):
            layer.set_weights(bad)
        np.testing.assert_array_equal(layer.get_weights()[0], before[0])


def test_a_changed_setting_is_seen_by_the_next_call() -> None:
    layer = Dense(2, kernel_initializer="ones")
    x = np.array([[-1.0, -2.0]], "float32")
    np.testing.assert_array_equal(layer(x), [[-3, -3]])
    layer.activation = ops.relu
    np.testing.assert_array_equal(layer(x), [[0, 0]])


# --- Dropout


def test_dropout_keeps_the_mean_and_follows_the_seed() -> None:
    layer = Dropout(0.25)
    x = np.ones((200, 300), "float32")
    np.testing.assert_array_equal(layer(x), x)
    pynn.seed(5)
    first = layer(x, training=True)
    second = layer(x, training=True)
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.75)}
    assert first.mean() == pytest.approx(1, abs=0.01)
    assert (first == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert (first != second).any()
    pynn.seed(5)
    np.testing.assert_array_equal(layer(x, training=True), first)


def test_dropout_in_training_has_the_gradient_of_the_mask_it_drew() -> None:
    check_layer(Dropout(0.4, dtype="float64"), inputs((40,)), training=True)


def test_dropout_of_nothing_is_the_identity() -> None:
    x = inputs((4,)).astype("float32")
    np.testing.assert_array_equal(Dropout(0)(x, training=True), x)


# --- layers of one's own


class Residual(Layer):
    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.inner = Dense(units, activation="relu", dtype=options.get("dtype"))

    def forward(self, x: Any) -> Any:
        return x + self.inner(x)


class Scale(Layer):
    """A weight made in the constructor, and settings beside it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.factor = Variable(2.0, dtype=self.dtype, name="factor")
        self.log: list[int] = []

    def forward(self, x: Any) -> Any:
        return x * self.factor


class NumpyDense(Layer):
    """The textbook's layer: both passes in NumPy, the input kept in between."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units))
        self.bias = self.add_weight("bias", (self.units,), "zeros")

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        self.y = np.tanh(np.dot(x, self.kernel) + self.bias)
        return self.y

    def backward(self, grad: np.ndarray) -> np.ndarray:
        dz = grad * (1 - self.y**2)
        self.gradients = [self.x.T @ dz, dz.sum(axis=0)]
        return dz @ self.kernel.T


@pytest.mark.parametrize(
    "make", [lambda **o: Residual(4, **o), Scale, lambda **o: NumpyDense(3, **o)]
)
def test_own_layers_have_the_right_gradients(make: Callable[..., Layer]) -> None:
    check_layer(make(dtype="float64"), inputs((4,)))


def test_a_recorded_numpy_layer_has_the_right_gradients() -> None:
    class Outer(Layer):
        """Records the NumPy layer twice in one program."""

        def __init__(self) -> None:
            super().__init__(dtype="float64")
            self.inner = NumpyDense(4, dtype="float64")

        def forward(self, x: Any) -> Any:
            return self.inner(self.inner(x)) * 2.0

    check_layer(Outer(), inputs((4,)))


def test_a_numpy_layer_may_call_native_ones() -> None:
    class Wrapped(Layer):
        def __init__(self) -> None:
            super().__init__(dtype="float64")
            self.inner = Dense(2, "tanh")

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return np.sin(self.inner.forward(x))

        def backward(self, grad: np.ndarray) -> np.ndarray:
            return self.inner.backward(grad * np.cos(self.inner.forward(self.x)))

    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__(dtype="float64")
            self.wrapped = Wrapped()

        def forward(self, x: Any) -> Any:
            return self.wrapped(x) * 3.0

    check_layer(Wrapped(), inputs((4,)))
    check_layer(Outer(), inputs((4,)))


def test_a_layer_may_extend_another() -> None:
    class Doubled(Dense):
        def forward(self, x: Any) -> Any:
            return 2.0 * super().forward(x)

    layer = Doubled(3, "tanh", dtype="float64")
    x = inputs((4,))
    check_layer(layer, x)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(layer(x), 2 * np.tanh(x @ kernel + bias), rtol=1e-12)
    assert layer.name == "doubled"


def test_a_numpy_layer_equals_the_native_one() -> None:
    own, native = NumpyDense(3), Dense(3, "tanh")
    x = inputs((4,)).astype("float32")
    own(x)
    native(x)
    native.set_weights(own.get_weights())
    np.testing.assert_allclose(own(x), native(x), rtol=1e-5)
    grad = np.ones((3, 3), "float32")
    np.testing.assert_allclose(own.backward(grad), native.backward(grad), rtol=1e-4, atol=1e-6)
    for a, b in zip(own.gradients, native.gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_numpy_layers_weights_are_arrays_that_can_be_written() -> None:
    layer = NumpyDense(3)
    layer(inputs((4,)))
    assert type(layer.bias) is np.ndarray
    layer.bias += 1.0
    np.testing.assert_array_equal(layer.get_weights()[1], np.ones(3))
    assert [type(p) for p in layer.parameters] == [Variable, Variable]


def test_weights_and_sublayers_are_found_by_attribute_in_order() -> None:
    class Module(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first = Dense(2)
            self.several = [Dense(3), {"inside": Dense(4)}]
            self.pair = (self.first, Dense(5))
            self.own = Variable(np.zeros(6), name="own")
            self.numbers = [1, 2, "three"]

        def forward(self, x: Any) -> Any:
            a, b = self.several[0], self.several[1]["inside"]
            return self.pair[1](b(a(self.first(x)))) + self.own.sum()

    module = Module()
    module(np.ones((1, 1)))
    assert [tuple(w.shape) for w in module.weights] == [
        (1, 2), (2,), (2, 3), (3,), (3, 4), (4,), (4, 5), (5,), (6,)
    ]  # fmt: skip
    module.first.trainable = False
    assert len(module.parameters) == 7 and len(module.weights) == 9
    module.own.trainable = False
    assert len(module.parameters) == 6
    module.trainable = False
    assert module.parameters == []


def test_training_is_known_inside_forward() -> None:
    class Which(Layer):
        def forward(self, x: Any) -> Any:
            return x * 0.0 + (1.0 if self.training else 2.0)

    x = np.zeros((1, 1))
    assert Which()(x).item() == 2 and Which()(x, training=True).item() == 1


def test_regularizers_add_penalties_on_trained_weights_only() -> None:
    layer = Dense(2, kernel_initializer="ones", kernel_regularizer="l2", bias_regularizer="l1")
    assert layer.penalty() is None
    layer(np.ones((1, 3)))
    penalty = layer.penalty()
    assert penalty is not None and float(penalty) == pytest.approx(0.06)
    layer.trainable = False
    assert layer.penalty() is None


def test_two_threads_that_come_first_build_a_layer_once() -> None:
    x = np.ones((2, 4), "float32")
    for _ in range(20):
        with ThreadPoolExecutor(4) as threads:
            first, *others = threads.map(Dense(8), [x] * 4)
        for y in others:
            np.testing.assert_array_equal(y, first)


def test_a_failed_build_leaves_no_trace() -> None:
    class Breaks(Layer):
        def build(self, input_shape: tuple[int, ...]) -> None:
            self.kernel = self.add_weight("kernel", input_shape, regularizer="l2")
            raise ValueError("no")

        def forward(self, x: Any) -> Any:
            return x * self.kernel

    layer = Breaks()
    with pytest.raises(ValueError, match="no"):
        layer(np.ones((1, 2)))
    assert layer.weights == [] and not layer.built and layer.penalty() is None


def test_programs_are_kept_for_a_bounded_number_of_shapes() -> None:
    layer = Dense(1)
    for rows in range(1, 40):
        assert layer(np.ones((rows, 2))).shape == (rows, 1)
    assert len(layer._state.replay.programs) <= 16


def test_a_shape_that_was_seen_before_goes_the_short_way_and_means_the_same() -> None:
    layer = Dense(3, activation="tanh")
    row, rows = np.ones((1, 2), np.float32), np.full((4, 2), 0.5, np.float32)
    expected, many = layer(row), layer(rows)
    for _ in range(3):  # recorded, known by its shape, answered at once
        np.testing.assert_array_equal(layer(row), expected)
        np.testing.assert_array_equal(layer(rows), many)
        np.testing.assert_array_equal(layer(row.astype(np.float64)), expected)
    assert isinstance(layer(row), np.ndarray) and isinstance(layer(Tensor(row)), Tensor)
    with pytest.raises(ValueError, match="dense"):
        layer(np.ones((1, 3), np.float32))

    layer.bias.assign_add([1.0, 2.0, 3.0])  # new values
    moved = layer(row)
    assert not np.array_equal(moved, expected)
    with GradientTape() as tape:  # a tape sees the same step by step
        y = layer(row)
    np.testing.assert_array_equal(y, moved)
    assert tape.gradient(y, layer.bias).shape == (3,)

    layer.activation = activations.get("relu")  # a new setting
    np.testing.assert_allclose(layer(row), np.maximum(np.arctanh(moved), 0), rtol=1e-3)
