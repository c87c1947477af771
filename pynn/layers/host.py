"""Layers whose forward and backward are NumPy code: one step of a recorded program."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import errstate

from pynn import checks
from pynn._native import Recorder, host_call
from pynn.layers import nested

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pynn.layers.arguments import Arguments
    from pynn.layers.base import Layer
    from pynn.layers.weights import Weighted


def on_arrays(backward: Callable[[Any, Any], Any]) -> Callable[[Layer, Any], Any]:
    """Wrap a subclass's backward: its gradient comes in checked, what it returns is an array."""

    @functools.wraps(backward)
    def call(self: Layer, grad: Any) -> Any:
        return self._state.replay.backward_host(self, backward, grad)

    return call


def record_host(layer: Layer, forward: Callable[..., Any], call: Arguments) -> Any:
    """Record a layer's NumPy code as one step, with its backward as the step's gradient."""
    training = layer.training
    backward = type(layer).backward.__wrapped__  # type: ignore[attr-defined]
    use = object()  # this place in the program: a shared layer has several
    count = len(call.tensors)

    def run(arrays: Iterable[NDArray[Any]]) -> Any:
        layer._state.replay.training = training
        layer._state.replay.use = use
        given = call.filled(arrays)
        return host_outputs(given.given_to(forward, layer, training), given)

    def compute(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
        return nested.tensors(run(arrays[:count]))

    def differentiate(*arrays: NDArray[Any]) -> list[NDArray[Any] | None]:
        xs, dys = arrays[:count], arrays[-len(types) :]
        if layer._state.replay.use is not use:  # another use came between: see the inputs again
            run(xs)
        for parameter in parameters:
            parameter.gradient = None
        given = call.filled(xs)
        dxs = host_gradients(layer, given, backward(layer, nested.filled(outputs, dys)))
        options = [None] * (count - len(dxs))
        dxs = [np.asarray(dx, dtype=x.dtype) for dx, x in zip(dxs, xs, strict=False)]
        return [*dxs, *options, *(_gradient(parameter) for parameter in parameters)]

    outputs = _outputs(layer, run, call)
    types = [(y.shape, y.dtype.name) for y in nested.tensors(outputs)]
    parameters = layer.parameters  # now that layers called by forward are built as well
    inputs = [*call.tensors, *parameters]
    name = f"python_call:{layer.name}"
    found = host_call(compute, inputs, types, backward=differentiate, name=name)
    return nested.filled(outputs, found)


def host_outputs(y: Any, call: Arguments) -> Any:
    """Give what forward returned as arrays of the inputs' type."""
    dtype = call.tensors[0].dtype
    if nested.holds_tensors(y):
        return nested.mapped(lambda array: np.asarray(array, dtype=dtype), y)
    return np.asarray(y, dtype=dtype)


def host_gradients(layer: Layer, call: Arguments, dx: Any) -> list[NDArray[Any]]:
    """Check what backward returned: a gradient for each positional input, in their structure."""
    xs = nested.tensors(call.args)
    found = [dx] if len(xs) == 1 and not nested.holds_tensors(dx) else nested.tensors(dx)
    gradients = [np.asarray(gradient) for gradient in found]
    expected, got = [x.shape for x in xs], [gradient.shape for gradient in gradients]
    if expected != got:
        raise ValueError(
            f"{layer}: backward must return the gradient of its inputs, of shape "
            f"{', '.join(map(str, expected))}, got {', '.join(map(str, got))}"
        )
    return gradients


def gradients_from_arrays(layer: Weighted, arrays: Iterable[ArrayLike]) -> None:
    """Set the gradients of a layer's parameters, in order."""
    parameters = layer.parameters
    found = list(arrays)
    if len(found) != len(parameters):
        names = ", ".join(repr(p.name) for p in parameters)
        raise ValueError(
            f"{layer} has {len(parameters)} parameters ({names}), got {len(found)} gradients"
        )
    for parameter, value in zip(parameters, found, strict=True):
        gradient = checks.as_array(value, f"{layer}: the gradient of {parameter.name!r}")
        if gradient.shape != tuple(parameter.shape):
            raise ValueError(
                f"{layer}: {parameter.name!r} has shape {tuple(parameter.shape)}, "
                f"got a gradient of shape {gradient.shape}"
            )
        parameter.gradient = checks.stored(gradient, parameter.dtype)


def _gradient(parameter: Any) -> NDArray[Any]:
    """Return what backward set, or zeros where it set nothing."""
    if parameter.gradient is None:
        return np.zeros(parameter.shape, parameter.numpy().dtype)
    return np.asarray(parameter.gradient)


def _outputs(layer: Layer, run: Callable[[Iterable[NDArray[Any]]], Any], call: Arguments) -> Any:
    """Find the structure, shapes and types of the outputs by computing them once from zeros."""
    with Recorder.paused(), errstate(all="ignore"):
        zeros = (np.zeros(x.shape, _NUMPYS.get(x.dtype, x.dtype)) for x in call.tensors)
        outputs = run(zeros)
    rows = call.tensors[0].shape[0]
    for y in nested.tensors(outputs):
        if y.ndim == 0 or len(y) != rows:
            raise ValueError(
                f"{layer}: forward must return one row for each of the {rows} inputs, "
                f"got an array of shape {y.shape}"
            )
    return outputs


_NUMPYS = {"bfloat16": "float32"}
