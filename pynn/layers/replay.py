"""Calling a layer on numbers: recorded once for each kind of input, replayed after that."""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import checks, ops
from pynn._native import Executable, Recorder, Tensor
from pynn._record import Record
from pynn.layers import nested
from pynn.layers.arguments import Arguments, is_float
from pynn.layers.host import host_gradients, host_outputs
from pynn.programs import ProgramCache
from pynn.random import fresh_key

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from pynn.layers.base import Layer
    from pynn.steps import Program


class Call(Record):
    """The last forward call: what backward needs to compute it again."""

    arguments: Arguments
    outputs: Any  # placeholders, alone or in lists, tuples and dicts
    shapes: list[tuple[int, ...]]  # of the outputs, batch axis included
    training: bool
    key: int  # the same key and call draw the same random numbers
    call: int
    single: bool  # one sample came in, without a batch axis


class Recorded(Record):
    """A forward pass of certain inputs."""

    executable: Executable
    outputs: Any  # placeholders, alone or in lists, tuples and dicts


class Changes:
    """Counts the settings of layers that were made or changed, of all layers together."""

    count = 0


class Replay:
    """The calls of one layer outside recordings."""

    def __init__(self) -> None:
        self.programs: ProgramCache[Recorded] = ProgramCache(16)
        self.gradients: ProgramCache[Executable] = ProgramCache(16)
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
        # The ways of the programs that `known` and `predicts` gave last.
        self.answer: Callable[[Any], NDArray[Any] | None] | None = None
        self.predicted: Callable[[Any], NDArray[Any] | None] | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()  # a copy of a layer records its programs anew

    def forward(
        self,
        layer: Layer,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
        training: bool,
    ) -> Any:
        call = Arguments.of(layer, forward, args, options)
        given = call.tensors
        call = call.filled(map(np.asarray, given))
        single = call.input_shape(type(layer).build, 0) == layer.input_shape
        batch = call.filled(x[np.newaxis] for x in call.tensors) if single else call
        key = 0
        if layer.hosted:
            y = self._forward_host(layer, forward, batch, training)
            outputs, arrays = nested.placeholders(y), nested.tensors(y)
            shapes = [array.shape for array in arrays]
            arrays = [array[0] for array in arrays] if single else arrays
        else:
            recorded = self._forward_program(layer, call, single, training)
            key = fresh_key()
            self.calls += training
            outputs = recorded.outputs
            arrays = recorded.executable(*call.tensors, key=key, call=self.calls)
            shapes = [(1, *array.shape) if single else array.shape for array in arrays]
        self.last = Call(batch, outputs, shapes, training, key, self.calls, single)
        if _are_tensors(given):
            arrays = list(map(Tensor, arrays))
        return nested.filled(outputs, arrays)

    def _forward_program(
        self, layer: Layer, call: Arguments, single: bool, training: bool
    ) -> Recorded:
        types = call.types(layer)
        for array in call.tensors:
            if array.size == 0:
                raise ValueError(f"the input of {layer} is empty: shape {array.shape}")

        def record() -> Recorded:
            with Recorder(training=training) as recorder:
                inputs = [recorder.input(*kind) for kind in types]
                batch = [x.reshape(1, *x.shape) for x in inputs] if single else inputs
                symbols = call.filled(batch)
                y = layer.forward(*symbols.args, **symbols.options)
                found = [visible(x) for x in nested.tensors(y)]
                found = [x.reshape(x.shape[1:]) for x in found] if single else found
                return Recorded(recorder.compile(found), nested.placeholders(y))

        signature = ("forward", types, call.signature, single, training, structure(layer))
        recorded = self.programs.get(signature, record)
        self.forget_outdated()
        plain = len(types) == 1 and isinstance(recorded.outputs, nested.Placeholder)
        casts = layer.input_dtype("bool") != "bool" and not layer.encodes
        if plain and casts and not (training or recorded.executable.random):
            self.known[call.args[0].shape] = recorded.executable
        return recorded

    def forget_outdated(self) -> None:
        """Drop what the short ways know, where it may be out of date or there is too much."""
        if self.seen != Changes.count or len(self.known) + len(self.predicts) >= 32:
            self.known.clear()
            self.predicts.clear()
            self.answer = self.predicted = None
            self.seen = Changes.count

    def backward(self, layer: Layer, grad: Any) -> Any:
        call = self._last_call(layer)
        seeds = _seeds(layer, grad, call)
        types = call.arguments.types(layer)
        parameters = layer.parameters

        def record() -> Executable:
            with Recorder(training=call.training) as recorder:
                inputs = [recorder.input(*kind) for kind in types]
                symbols = call.arguments.filled(inputs)
                outputs = nested.tensors(layer.forward(*symbols.args, **symbols.options))
                kinds = [(tuple(y.shape), program_dtype(y.dtype)) for y in outputs]
                dys = [recorder.input(*kind) for kind in kinds]
                target, seed = _product(outputs, dys)
                sources = [*inputs[:differentiated], *parameters]
                found = recorder.gradient(target, sources, seed=seed)
                pairs = zip(sources, found, strict=True)
                gradients = [ops.zeros_like(s) if g is None else g for s, g in pairs]
                # What forward stored, running statistics say, it has stored already.
                return recorder.compile([visible(g) for g in gradients], stores=False)

        differentiated = len(nested.tensors(call.arguments.args))
        form = call.arguments.signature
        signature = ("backward", types, form, call.training, structure(layer))
        found = self.gradients.get(signature, record)(
            *call.arguments.tensors, *seeds, key=call.key, call=call.call
        )
        for parameter, gradient in zip(parameters, found[differentiated:], strict=True):
            parameter.gradient = gradient
        return _returned(call, found[:differentiated], _are_tensors(grad))

    def backward_host(self, layer: Layer, backward: Callable[[Any, Any], Any], grad: Any) -> Any:
        call = self._last_call(layer)
        seeds = _seeds(layer, grad, call)
        dx = backward(layer, nested.filled(call.outputs, seeds))
        gradients = host_gradients(layer, call.arguments, dx)
        return _returned(call, gradients, _are_tensors(grad))

    def _forward_host(
        self, layer: Layer, forward: Callable[..., Any], call: Arguments, training: bool
    ) -> Any:
        if layer.autocast:
            call = call.filled(
                x if optional and not is_float(x.dtype) else checks.stored(x, layer.dtype)
                for x, optional in zip(call.tensors, call.optional, strict=True)
            )
        layer._ensure_built(call)
        layer._check_inputs(call)
        self.training = training
        return host_outputs(call.given_to(forward, layer, training), call)

    def _last_call(self, layer: Layer) -> Call:
        if self.last is None:
            raise RuntimeError(f"{layer}: backward needs a forward before it")
        if isinstance(self.last, Call):
            return self.last
        single = self.last.shape == layer.input_shape
        x = self.last[np.newaxis] if single else self.last
        call = Arguments((x,), {}, 1)
        shapes = [(len(x), *layer.output_shape)]
        return Call(call, nested.Placeholder(), shapes, False, 0, 0, single)


def structure(layer: Layer) -> Hashable:
    """Identify what `layer` computes: its layers, their settings and what of it is trained.

    It goes into caches of the layer, which itself is not in it: so no circle keeps the layer alive.
    """
    revisions = tuple(
        (None if part is layer else part, part._state.revision) for part in layer.walk()
    )
    return revisions, tuple(map(id, layer.parameters))


def program_dtype(dtype: str) -> str:
    """Say as what type numbers go in and out: NumPy has no bfloat16."""
    return "float32" if dtype == "bfloat16" else dtype


def visible(x: Tensor) -> Tensor:
    """Cast what a program gives to a type that NumPy has."""
    return x.astype("float32") if x.dtype == "bfloat16" else x


def _seeds(layer: Layer, grad: Any, call: Call) -> list[NDArray[Any]]:
    """Check the gradients with respect to the outputs."""
    if isinstance(call.outputs, nested.Placeholder):
        given = [grad]
    elif nested.signature(grad) == nested.signature(call.outputs):
        given = nested.tensors(grad)
    else:
        raise ValueError(
            f"{layer} gave {len(call.shapes)} outputs, so backward expects as many gradients in "
            f"the same structure, got {type(grad).__name__}"
        )
    arrays = [checks.as_array(value, f"the gradient given to {layer}") for value in given]
    arrays = [array[np.newaxis] for array in arrays] if call.single else arrays
    for array, shape in zip(arrays, call.shapes, strict=True):
        if array.shape != shape:
            raise ValueError(
                f"{layer} gave outputs of shape {shape}, so its gradient has that shape, "
                f"got {array.shape}"
            )
    return arrays


def _are_tensors(item: Any) -> bool:
    return any(isinstance(x, Tensor) for x in nested.tensors(item))


def _product(outputs: list[Tensor], seeds: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return what to differentiate, from which seed: several outputs weighted and added up."""
    if len(outputs) == 1:
        return outputs[0], seeds[0].astype(outputs[0].dtype)
    pairs = [(y, dy) for y, dy in zip(outputs, seeds, strict=True) if is_float(y.dtype)]
    return functools.reduce(
        operator.add, ((y * dy.astype(y.dtype)).sum().astype("float64") for y, dy in pairs)
    ), None


def _returned(call: Call, gradients: list[NDArray[Any]], tensors: bool) -> Any:
    """Give gradients in the structure of the positional arguments: alone if there is one."""
    if call.single:
        gradients = [gradient[0] for gradient in gradients]
    args = call.arguments.args
    structure = args[0] if len(args) == 1 else args
    return nested.filled(structure, map(Tensor, gradients) if tensors else gradients)
