"""What holds for every layer: PyTorch's outputs and gradients, dtypes, copies, single samples."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, Array, Case

from pynn import Tensor, layers
from pynn._native import Executable, Recorder
from pynn.layers import Layer

# Names in pynn.layers that are no layers to be called, or are for subclassing only.
ABSTRACT = {"Input", "Layer"}
ENCODERS = {"Hashing", "IntegerLookup", "StringLookup", "TextVectorization"}  # take no tensors
SINGLE = [name for name, case in CASES.items() if case.single and not case.training]
EXACT = {"float64": 1e-10, "float32": 1e-5}


def flat(outputs: Any) -> list[Any]:
    """List the tensors of a structure of lists, tuples and dicts."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [y for part in outputs for y in flat(part)] if isinstance(outputs, (list, tuple)) else [
        outputs
    ]  # fmt: skip


def made(case: Case, dtype: str) -> Layer:
    """Build the layer with random weights; those that are not trained are positive."""
    layer = case.make(dtype=dtype)
    case.call(layer, case.arrays(dtype))
    rng = np.random.default_rng(9)
    for weight in layer.weights:
        if weight.dtype == dtype:
            drawn = rng.normal(0, 0.5, weight.shape)
            weight.assign(drawn if weight.trainable else 0.5 + np.abs(drawn))
    return layer


class Programs:
    """A layer's outputs as a program, and its gradients: of float inputs and of parameters.

    The gradients are of ``sum(y · r)`` summed over the outputs, with the same random numbers r
    everywhere.
    """

    def __init__(self, case: Case, layer: Layer, arrays: list[Array], mixed: bool = False) -> None:
        with Recorder(training=case.training) as recorder:
            recorder.rounds_products = mixed
            inputs = [recorder.input(x.shape, x.dtype) for x in arrays]
            outputs = flat(case.call(layer, inputs))
            self.weights = seeds([y.shape for y in outputs])
            terms = [
                (y * Tensor(r, y.dtype)).sum()
                for y, r in zip(outputs, self.weights, strict=True)
                if y.dtype in EXACT
            ]
            self.differentiable = [x for x in inputs if x.dtype in EXACT]
            sources = [*self.differentiable, *layer.parameters]
            loss = functools.reduce(lambda a, b: a + b, terms, Tensor(0.0))
            found = recorder.gradient(loss, sources) if sources else []
            self.known = [g is not None for g in found]
            self.forward: Executable = recorder.compile([*outputs, loss])
            self.backward: Executable = recorder.compile([g for g in found if g is not None])

    def outputs(self, arrays: list[Array]) -> list[Array]:
        return self.forward(*arrays, key=3)[:-1]

    def loss(self, arrays: list[Array]) -> float:
        return float(self.forward(*arrays, key=3)[-1])

    def gradients(self, arrays: list[Array]) -> list[Array | None]:
        found = iter(self.backward(*arrays, key=3))
        return [next(found) if known else None for known in self.known]


def seeds(shapes: list[tuple[int, ...]]) -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape) for shape in shapes]


def close(a: Any, b: Any, tolerance: float, what: str) -> None:
    scale = max(1.0, float(np.abs(b).max(initial=0)))
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=what)


def test_every_layer_has_a_case() -> None:
    covered = {type(case.make()) for case in CASES.values()}
    public = [name for name in layers.__all__ if name not in ABSTRACT | ENCODERS]
    assert [name for name in public if getattr(layers, name) not in covered] == []


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.torch])
def test_outputs_and_gradients_are_pytorchs(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    case = CASES[name]
    assert case.torch is not None
    layer, arrays = made(case, dtype), case.arrays(dtype)
    trained = {id(p) for p in layer.parameters}
    weights = [
        torch.tensor(w.numpy(), requires_grad=id(w) in trained) for w in layer.weights
    ]  # before a step in training changes them
    inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    programs = Programs(case, layer, arrays)

    ours = programs.outputs(arrays)
    theirs = flat(case.torch(weights, *inputs))
    assert [y.shape for y in ours] == [tuple(y.shape) for y in theirs]
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        close(a, b.detach().numpy(), EXACT[dtype], f"output {i}")
    for a, b in zip(layer.weights, weights, strict=True):
        close(a.numpy(), b.detach().numpy(), EXACT[dtype], f"{a.name} after a step")

    sources = [t for t in (*inputs, *weights) if t.requires_grad]
    loss = sum(
        (y * torch.tensor(r, dtype=y.dtype)).sum()
        for y, r in zip(theirs, programs.weights, strict=True)
        if y.is_floating_point()
    )
    if sources and getattr(loss, "requires_grad", False):
        expected = torch.autograd.grad(loss, sources, allow_unused=True)
        for i, (a, b) in enumerate(zip(programs.gradients(arrays), expected, strict=True)):
            assert (a is None) == (b is None), f"gradient {i}"
            if a is not None:
                close(a, b.numpy(), EXACT[dtype], f"gradient {i}")


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    case = CASES[name]
    layer, arrays = made(case, "float64"), case.arrays("float64")
    programs = Programs(case, layer, arrays)
    gradients = programs.gradients(arrays)
    places = [x for x in arrays if x.dtype.kind == "f"]
    places += [p.numpy() for p in layer.parameters]
    h = 1e-6
    for i, (values, gradient) in enumerate(zip(places, gradients, strict=True)):
        expected = np.zeros(values.shape)
        for at in np.ndindex(values.shape):
            old = values[at]
            values[at] = old + h
            above = programs.loss(arrays)
            values[at] = old - h
            expected[at] = (above - programs.loss(arrays)) / (2 * h)
            values[at] = old
        found = np.zeros(values.shape) if gradient is None else gradient
        close(found, expected, 1e-6, f"gradient {i}")


@pytest.mark.parametrize("name", CASES)
def test_mixed_precision_rounds_to_three_digits(name: str) -> None:
    case = CASES[name]
    layer, arrays = made(case, "float32"), case.arrays("float32")
    plain, mixed = Programs(case, layer, arrays), Programs(case, layer, arrays, mixed=True)
    for a, b in zip(mixed.outputs(arrays), plain.outputs(arrays), strict=True):
        assert a.dtype == b.dtype
        close(a, b, 3e-2, "output")
    for a, b in zip(mixed.gradients(arrays), plain.gradients(arrays), strict=True):
        if a is not None:
            close(a, b, 1e-1, "gradient")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.training])
def test_a_row_does_not_depend_on_the_others(name: str) -> None:
    case = CASES[name]
    layer = made(case, "float64")
    one = flat(case.call(layer, case.arrays("float64", 1)))
    every = flat(case.call(layer, case.arrays("float64")))
    for a, b in zip(one, every, strict=True):
        assert a.shape == (1, *b.shape[1:])
        close(a, b[:1], 1e-12, "output")


@pytest.mark.parametrize("name", CASES)
def test_numpy_gives_numpy_and_tensors_give_tensors(name: str) -> None:
    case = CASES[name]
    layer = case.make()
    arrays = case.arrays("float32")
    y = flat(case.call(layer, arrays))
    assert all(type(part) is np.ndarray for part in y)
    out = flat(case.call(layer, [Tensor(x) for x in arrays]))
    assert all(isinstance(part, Tensor) and not part.symbolic for part in out)
    for a, b in zip(out, y, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
    assert layer.built and layer.output_shape is not None


@pytest.mark.parametrize("name", SINGLE)
def test_shapes_are_known_and_lists_are_read(name: str) -> None:
    case = CASES[name]
    layer, [x] = case.make(), case.arrays("float32")
    y = layer(x)
    for a, b in zip(flat(layer(x.tolist())), flat(y), strict=True):
        np.testing.assert_array_equal(a, b)
    if isinstance(y, np.ndarray):
        assert isinstance(layer.backward(Tensor(np.ones_like(y))), Tensor)
        assert layer.input_shape == case.shape and layer.output_shape == y.shape[1:]


@pytest.mark.parametrize("name", [name for name in SINGLE if CASES[name].shape])
def test_one_sample_gives_one_output(name: str) -> None:
    case = CASES[name]
    layer = case.make(input_shape=case.shape)
    [x] = case.arrays("float32")
    batch = layer(x)
    if isinstance(batch, np.ndarray):
        np.testing.assert_allclose(layer(x[0]), batch[0], rtol=1e-6, atol=1e-7)
        assert layer.backward(np.ones_like(batch[0])).shape == case.shape


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("dtype", EXACT)
def test_the_layers_dtype_is_its_outputs_dtype(name: str, dtype: str) -> None:
    case = CASES[name]
    layer = case.make(dtype=dtype)
    for given in ("float16", "float32", "float64", "int64", "uint8", "bool"):
        for y in flat(layer(np.ones((2, *case.shape), given))):
            assert y.dtype == dtype
    assert all(w.dtype == dtype for w in layer.get_weights())


# One case for each class: (its layer, an option that is on or off).
SWITCHES = {
    f"{type(layer).__name__}({option}=)": (layer, option)
    for layer in (case.make() for case in CASES.values())
    for option, value in layer.get_config().items()
    if isinstance(value, bool) and type(layer).__module__.startswith("pynn.")
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_options_that_are_on_or_off_take_nothing_else(switch: str) -> None:
    layer, option = SWITCHES[switch]
    for wrong in ("no", None, 2, [True]):
        with pytest.raises(TypeError, match=f"{option} expects True or False, got "):
            type(layer)(**{**layer.get_config(), option: wrong})


@pytest.mark.parametrize("name", CASES)
def test_copies_and_pickles_compute_the_same(name: str) -> None:
    case = CASES[name]
    layer, arrays = made(case, "float32"), case.arrays("float32")
    y = flat(case.call(layer, arrays))

    def same(twin: Layer) -> None:
        for a, b in zip(flat(case.call(twin, arrays)), y, strict=True):
            np.testing.assert_array_equal(a, b)

    twin = copy.deepcopy(layer)
    same(twin)
    if case.picklable:
        same(pickle.loads(pickle.dumps(layer)))
    for weight in twin.parameters:
        weight.assign(np.zeros(weight.shape))
    same(layer)


@pytest.mark.parametrize("name", CASES)
def test_a_layer_made_from_its_configuration_is_the_same_layer(name: str) -> None:
    case = CASES[name]
    layer, arrays = made(case, "float32"), case.arrays("float32")
    remake: Callable[..., Layer] = type(layer)
    twin = remake(**layer.get_config())
    case.call(twin, arrays)
    assert [(w.name, w.shape) for w in twin.weights] == [(w.name, w.shape) for w in layer.weights]
    twin.set_weights(layer.get_weights())
    for a, b in zip(flat(case.call(twin, arrays)), flat(case.call(layer, arrays)), strict=True):
        np.testing.assert_array_equal(a, b)
