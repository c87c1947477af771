"""The arguments of one call of a layer: told apart, read and given to ``forward``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import checks
from pynn._native import Tensor
from pynn._record import Record
from pynn.layers import nested

if TYPE_CHECKING:
    from pynn.layers.base import Layer


class Arguments(Record):
    """Tensors, arrays or placeholders, alone or in lists, tuples and dicts, beside settings.

    Parameters of ``forward`` without a default are inputs. Others are options, of which only those
    that are tensors or arrays vary from call to call; the rest are settings.
    """

    args: tuple[Any, ...]
    options: dict[str, Any]
    inputs: int  # how many of `args` are inputs

    @classmethod
    def of(
        cls,
        layer: Layer,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Arguments:
        """Match values to the parameters of ``forward`` and read what should be arrays."""
        takes = signature(forward)
        try:
            bound = takes.bind(layer, *args, **options)
        except TypeError as error:
            raise TypeError(f"{layer}: forward got {error}") from None
        positional = bound.args[1:]
        inputs = _count_inputs(forward, len(positional))
        names = [*list(takes.parameters)[1:], *(f"{i + 1}" for i in range(len(positional)))]
        alone = len(positional) == 1 and not bound.kwargs
        read = [
            _read(layer, value, "the input" if alone else f"input {name!r}", i)
            if i < inputs
            else _option(layer, value, name)
            for i, (name, value) in enumerate(zip(names, positional, strict=False))
        ]
        return cls(
            tuple(read),
            {name: _option(layer, value, name) for name, value in bound.kwargs.items()},
            inputs,
        )

    @property
    def tensors(self) -> list[Any]:
        """All tensors, arrays and placeholders."""
        return nested.tensors((self.args, self.options))

    @property
    def optional(self) -> list[bool]:
        """Whether each of `tensors` is the value of an option."""
        inputs = len(nested.tensors(self.args[: self.inputs]))
        return [i >= inputs for i in range(len(self.tensors))]

    def filled(self, values: Iterable[Any]) -> Arguments:
        """Put `values` in the places of `tensors`."""
        args, options = nested.filled((self.args, self.options), values)
        return Arguments(args, options, self.inputs)

    def shapes(self, skip: int, method: Callable[..., Any]) -> tuple[Any, ...]:
        """Give the shapes, from axis `skip` on, of as many arguments as `method` takes."""
        args = self.args[: _count_parameters(method)]
        return tuple(nested.shapes(arg, skip) for arg in args)

    def given_to(self, forward: Callable[..., Any], layer: Layer, training: bool) -> Any:
        """Call ``forward``, with ``training`` where it has a parameter of that name."""
        known = {"training": training} if takes_training(forward) else {}
        return forward(layer, *self.args, **self.options, **known)

    def input_shape(self, build: Callable[..., Any], skip: int) -> Any:
        """Give what `shapes` gives, alone if it is one."""
        found = self.shapes(skip, build)
        return found[0] if len(found) == 1 else found

    def value(self, forward: Callable[..., Any], name: str) -> Any:
        """Give the value of a parameter of ``forward``, None where there is none."""
        if name in self.options:
            return self.options[name]
        place = parameter_names(forward).index(name)
        return self.args[place] if place < len(self.args) else None

    def with_value(self, forward: Callable[..., Any], name: str, value: Any) -> Arguments:
        """Set the value of a parameter of ``forward``."""
        place = parameter_names(forward).index(name)
        if place < len(self.args):
            args = (*self.args[:place], value, *self.args[place + 1 :])
            return Arguments(args, self.options, self.inputs)
        return Arguments(self.args, {**self.options, name: value}, self.inputs)

    def types(self, layer: Layer) -> tuple[tuple[tuple[int, ...], str], ...]:
        """Say as what shapes and types arrays enter a program of the layer."""
        kinds = []
        for i, (x, optional) in enumerate(zip(self.tensors, self.optional, strict=True)):
            dtype = checks.dtype_name(x.dtype)
            keeps = optional and not is_float(dtype)
            kinds.append((x.shape, dtype if keeps else layer.input_dtype(dtype, i)))
        return tuple(kinds)

    @property
    def signature(self) -> Hashable:
        """Identify the structures and settings, whatever the tensors are."""
        return nested.signature((self.args, self.options))


@functools.cache
def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Read the parameters of a method, but for ``training``, which the recording decides."""
    found = inspect.signature(function)
    kept = [p for name, p in found.parameters.items() if name != "training"]
    return found.replace(parameters=kept)


@functools.cache
def parameter_names(forward: Callable[..., Any]) -> list[str]:
    """List the parameters of a method in order, but for ``self`` and ``training``."""
    return list(signature(forward).parameters)[1:]


@functools.cache
def takes_training(forward: Callable[..., Any]) -> bool:
    """Tell whether forward has a parameter ``training``."""
    return "training" in inspect.signature(forward).parameters


def _count_inputs(forward: Callable[..., Any], given: int) -> int:
    """Count the first of `given` positional arguments that are no options."""
    parameters = list(signature(forward).parameters.values())[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return given
    return min(given, sum(p.default is p.empty for p in parameters if p.kind is not p.VAR_KEYWORD))


def _count_parameters(method: Callable[..., Any]) -> int | None:
    """Count the positional parameters of a method of a class, None if there is no limit."""
    parameters = list(signature(method).parameters.values())[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def is_float(dtype: object) -> bool:
    """Tell whether a dtype, NumPy's or a tensor's, has gradients."""
    return "float" in str(dtype)


def is_shape(value: object) -> bool:
    """Tell the shape of one tensor from a structure of shapes."""
    return isinstance(value, tuple) and all(isinstance(extent, int) for extent in value)


def mapped_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Put what `function` gives in the place of each shape."""
    if is_shape(shapes):
        return function(shapes)
    if isinstance(shapes, dict):
        return {key: mapped_shapes(function, value) for key, value in shapes.items()}
    return type(shapes)(mapped_shapes(function, value) for value in shapes)


def _read(layer: Layer, value: Any, what: str, i: int) -> Any:
    if isinstance(value, (Tensor, nested.Placeholder)):
        return value
    if nested.holds_tensors(value):
        arrays = all(isinstance(x, np.ndarray) for x in nested.tensors(value))
        seen = _count_parameters(type(layer).build)  # inputs whose shapes a built layer knows
        alone = is_shape(layer.input_shape) and (seen is None or i < seen)
        if not (arrays and alone) or isinstance(value, dict):
            return _each(layer, value, what)
    return checks.as_array(value, f"{what} of {layer}")


def _each(layer: Layer, value: Any, what: str) -> Any:
    """Read the items of a structure."""
    if isinstance(value, dict):
        return {k: _each(layer, item, f"{what}[{k!r}]") for k, item in value.items()}
    if nested.holds_tensors(value):
        items = [_each(layer, item, f"{what}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or isinstance(value, (Tensor, nested.Placeholder)):
        return value
    return checks.as_array(value, f"{what} of {layer}")


def _option(layer: Layer, value: Any, name: str) -> Any:
    if isinstance(value, (list, tuple, dict)) or hasattr(value, "__array__"):
        return _each(layer, value, f"argument {name!r}")
    return value
