"""Calling a layer on numbers: recorded once for each kind of input, replayed after that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import checks, ops
from pynn._native import Executable, Recorder, Tensor
from pynn.programs import ProgramCache
from pynn.random import fresh_key

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from pynn.layers.base import Layer
    from pynn.steps import Program


@dataclass(frozen=True)
class Call:
    """The last forward call: what backward needs to compute it again."""

    x: NDArray[Any]
    y_shape: tuple[int, ...]
    training: bool
    key: int  # the same key and call draw the same random numbers
    call: int
    single: bool  # one sample came in, without a batch axis


class Changes:
    """Counts the settings of layers that were made or changed, of all layers together."""

    count = 0


class Replay:
    """The calls of one layer outside recordings."""

    def __init__(self) -> None:
        self.programs: ProgramCache[Executable] = ProgramCache(16)
        self.steps: ProgramCache[Program] = ProgramCache(8)  # of fit, evaluate and predict
        self.training_lock = threading.Lock()
        self.last: Call | NDArray[Any] | None = None
        self.calls = 0  # calls in training, which layers with a seed of their own go by
        self.training = False  # what a hosted layer runs for
        self.use: object = None  # the place in a program that ran a hosted layer last
        # For the short way of `Layer.__call__`: programs by shape, valid until something changes.
        self.known: dict[tuple[int, ...], Executable] = {}
        self.predicts: dict[tuple[tuple[int, ...], Any], Executable] = {}  # by shape and dtype
        self.seen = 0

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()  # a copy of a layer records its programs anew

    def forward(
        self, layer: Layer, forward: Callable[[Any, Any], Any], x: Any, training: bool
    ) -> Any:
        array = checks.as_array(x, f"the input of {layer}")
        single = array.shape == layer.input_shape
        batch = array[np.newaxis] if single else array
        if layer.hosted:
            key = 0
            y = self._forward_host(layer, forward, batch, training)
            y_shape = y.shape
            y = y[0] if single else y
        else:
            program = self._forward_program(layer, array, single, training)
            key = fresh_key()
            self.calls += training
            [y] = program(array, key=key, call=self.calls)
            y_shape = (1, *y.shape) if single else y.shape
        self.last = Call(batch, y_shape, training, key, self.calls, single)
        return Tensor(y) if isinstance(x, Tensor) else y

    def _forward_program(
        self, layer: Layer, array: NDArray[Any], single: bool, training: bool
    ) -> Executable:
        if array.size == 0:
            raise ValueError(f"the input of {layer} is empty: shape {array.shape}")
        dtype = layer.input_dtype(array.dtype.name)

        def record() -> Executable:
            with Recorder(training=training) as recorder:
                x = recorder.input(array.shape, dtype)
                y = visible(layer.forward(x.reshape(1, *array.shape) if single else x))
                return recorder.compile([y.reshape(y.shape[1:]) if single else y])

        signature = ("forward", array.shape, dtype, single, training, structure(layer))
        program = self.programs.get(signature, record)
        self.forget_outdated()
        if not (training or program.random) and layer.input_dtype("bool") != "bool":
            self.known[array.shape] = program
        return program

    def forget_outdated(self) -> None:
        """Drop what the short ways know, where it may be out of date or there is too much."""
        if self.seen != Changes.count or len(self.known) + len(self.predicts) >= 32:
            self.known.clear()
            self.predicts.clear()
            self.seen = Changes.count

    def backward(self, layer: Layer, grad: Any) -> Any:
        call = self._last_call(layer)
        seed = _seed(layer, grad, call)
        dtype = layer.input_dtype(call.x.dtype.name)
        parameters = layer.parameters

        def record() -> Executable:
            with Recorder(training=call.training) as recorder:
                x = recorder.input(call.x.shape, dtype)
                y = layer.forward(x)
                dy = recorder.input(tuple(y.shape), program_dtype(y.dtype)).astype(y.dtype)
                sources = [x, *parameters]
                found = recorder.gradient(y, sources, seed=dy)
                pairs = zip(sources, found, strict=True)
                gradients = [ops.zeros_like(s) if g is None else g for s, g in pairs]
                # What forward stored, running statistics say, it has stored already.
                return recorder.compile([visible(g) for g in gradients], stores=False)

        signature = ("backward", call.x.shape, dtype, call.training, structure(layer))
        dx, *gradients = self.programs.get(signature, record)(
            call.x, seed, key=call.key, call=call.call
        )
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.gradient = gradient
        if call.single:
            dx = dx[0]
        return Tensor(dx) if isinstance(grad, Tensor) else dx

    def backward_host(
        self, layer: Layer, backward: Callable[[Any, Any], Any], grad: Any
    ) -> NDArray[Any] | Tensor:
        call = self._last_call(layer)
        dx = np.asarray(backward(layer, _seed(layer, grad, call)))
        if call.single and dx.shape == call.x.shape:
            dx = dx[0]
        return Tensor(dx) if isinstance(grad, Tensor) else dx

    def _forward_host(
        self, layer: Layer, forward: Callable[[Any, Any], Any], array: NDArray[Any], training: bool
    ) -> NDArray[Any]:
        if layer.autocast:
            array = checks.stored(array, layer.dtype)
        layer._ensure_built(array.shape[1:])
        layer.check_input(array.shape)
        self.training = training
        return np.asarray(forward(layer, array), dtype=array.dtype)

    def _last_call(self, layer: Layer) -> Call:
        if self.last is None:
            raise RuntimeError(f"{layer}: backward needs a forward before it")
        if isinstance(self.last, Call):
            return self.last
        single = self.last.shape == layer.input_shape
        x = self.last[np.newaxis] if single else self.last
        return Call(x, (len(x), *(layer.output_shape or ())), False, 0, 0, single)


def structure(layer: Layer) -> Hashable:
    """Identify what `layer` computes: its layers, their settings and what of it is trained."""
    revisions = tuple((part, part._state.revision) for part in layer.walk())
    return revisions, tuple(map(id, layer.parameters))


def program_dtype(dtype: str) -> str:
    """Say as what type numbers go in and out: NumPy has no bfloat16."""
    return "float32" if dtype == "bfloat16" else dtype


def visible(x: Tensor) -> Tensor:
    """Cast what a program gives to a type that NumPy has."""
    return x.astype("float32") if x.dtype == "bfloat16" else x


def _seed(layer: Layer, grad: Any, call: Call) -> NDArray[Any]:
    array = checks.as_array(grad, f"the gradient given to {layer}")
    if call.single:
        array = array[np.newaxis]
    if array.shape != call.y_shape:
        raise ValueError(
            f"{layer} gave outputs of shape {call.y_shape}, so its gradient has that shape, "
            f"got {array.shape}"
        )
    return array
