"""Layers whose forward and backward are NumPy code: one step of a recorded program."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import errstate

from pynn import checks
from pynn._native import Recorder, Tensor, host_call

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pynn.layers.base import Layer
    from pynn.layers.weights import Weighted


def on_arrays(backward: Callable[[Any, Any], Any]) -> Callable[[Layer, Any], Any]:
    """Wrap a subclass's backward: its gradient comes in checked, what it returns is an array."""

    @functools.wraps(backward)
    def call(self: Layer, grad: Any) -> Any:
        return self._state.replay.backward_host(self, backward, grad)

    return call


def record_host(layer: Layer, forward: Callable[[Any, Any], Any], x: Tensor) -> Tensor:
    """Record a layer's NumPy code as one step, with its backward as the step's gradient."""
    training = layer.training
    backward = type(layer).backward.__wrapped__  # type: ignore[attr-defined]
    use = object()  # this place in the program: a shared layer has several

    def compute(x: NDArray[Any], *_: NDArray[Any]) -> NDArray[Any]:
        layer._state.replay.training = training
        layer._state.replay.use = use
        return np.asarray(forward(layer, x), dtype=x.dtype)

    def differentiate(x: NDArray[Any], *rest: NDArray[Any]) -> list[NDArray[Any]]:
        if layer._state.replay.use is not use:  # another use came between: see x again
            compute(x)
        for parameter in parameters:
            parameter.gradient = None
        dx = np.asarray(backward(layer, rest[-1]), dtype=x.dtype)
        if dx.shape != x.shape:
            raise ValueError(
                f"{layer}: backward must return the gradient of its inputs, of shape {x.shape}, "
                f"got {dx.shape}"
            )
        return [dx, *(_gradient(parameter) for parameter in parameters)]

    shape = _output_shape(layer, compute, x)
    parameters = layer.parameters  # now that layers called by forward are built as well
    inputs = [x, *parameters]
    name = f"python_call:{layer.name}"
    return host_call(compute, inputs, [(shape, x.dtype)], backward=differentiate, name=name)[0]


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


def _output_shape(
    layer: Layer, compute: Callable[[NDArray[Any]], NDArray[Any]], x: Tensor
) -> tuple[int, ...]:
    """Find the shape of the outputs by computing them once from zeros."""
    with Recorder.paused(), errstate(all="ignore"):
        y = compute(np.zeros(x.shape, "float32" if x.dtype == "bfloat16" else x.dtype))
    if y.ndim == 0 or len(y) != x.shape[0]:
        raise ValueError(
            f"{layer}: forward must return one row for each of the {x.shape[0]} inputs, "
            f"got an array of shape {y.shape}"
        )
    return y.shape
