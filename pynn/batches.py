"""The data of a fit, checked against the network and laid out for the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import checks
from pynn._record import Record
from pynn.goals import Goal, goals, output_weights
from pynn.layers import nested
from pynn.layers.arguments import is_shape, mapped_shapes
from pynn.layers.graph import Node

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pynn.network import Network


class Data(Record):
    """Inputs, targets and, of the outputs that have them, sample weights; one row a sample."""

    arrays: tuple[NDArray[Any], ...]
    inputs: int = 1  # how many of the arrays come first
    weighted: tuple[bool, ...] = ()  # which outputs' weights come last
    goals: Sequence[Goal] = ()  # what is asked of the outputs

    @property
    def rows(self) -> int:
        return len(self.arrays[0])

    def split(self, rows: int) -> tuple[Data, Data]:
        """Split into the first `rows` rows and the others."""
        return (
            self.replaced(arrays=tuple(array[:rows] for array in self.arrays)),
            self.replaced(arrays=tuple(array[rows:] for array in self.arrays)),
        )


def inputs(network: Network, x: Any, name: str, finite: bool) -> list[NDArray[Any]]:
    """Check inputs and lay them out; builds the network where these are the first it sees."""
    if network.encodes:
        x = network.encode(x)
    if not network.built:
        network._infer(Node(checks.batch(x, name).shape[1:]))
    if is_shape(network.input_shape):
        return [_input(network, checks.batch(x, name), name, finite)]
    given = parts(x, network.input_shape, network.input_names, name)
    shapes: list[tuple[int, ...]] = []
    mapped_shapes(shapes.append, network.input_shape)
    arrays: list[NDArray[Any]] = []
    for i, (label, shape) in enumerate(zip(network.input_names, shapes, strict=True)):
        called = f"{name} {label!r}"
        array = checks.batch(given[i], called)
        if array.shape[1:] != shape:
            expected = ", ".join(map(str, ("batch", *shape)))
            raise ValueError(f"{network} expects {called} of shape ({expected}), got {array.shape}")
        array = checks.stored(array, network.input_dtype(checks.dtype_name(array.dtype), i))
        if finite:
            checks.finite(array, called)
        if arrays:
            checks.same_length(arrays[0], f"{name} {network.input_names[0]!r}", array, called)
        arrays.append(array)
    return arrays


def _input(network: Network, array: NDArray[Any], name: str, finite: bool) -> NDArray[Any]:
    """Check the data of the only input."""
    if array.shape == network.input_shape:
        raise ValueError(
            f"{name} expects one row a sample, got one sample of shape {array.shape}; "
            f"{name}[None] is a batch of it"
        )
    network.check_input(array.shape)
    array = checks.stored(array, network.input_dtype(checks.dtype_name(array.dtype)))
    if finite:
        checks.finite(array, name)
    return array


def samples(
    network: Network,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    prefix: str = "",
    finite: bool = True,
    class_weight: Mapping[int, float] | None = None,
) -> Data:
    """Check samples, targets and weights, and lay them out."""
    rows = inputs(network, x, f"{prefix}x", finite)
    asked = goals(network)
    if class_weight is not None and len(asked) > 1:
        raise ValueError(
            "class_weight is for networks with one output; give sample_weight for each output"
        )
    structured = not isinstance(network._state.outputs, Node)
    given = [y]
    if structured:
        given = parts(y, network.output_shape, network.output_names, f"{prefix}y")
    weighing = output_weights(network, sample_weight, f"{prefix}sample_weight")
    targets: list[NDArray[Any]] = []
    weights: list[NDArray[Any] | None] = []
    for goal, node, target, weight in zip(
        asked, nested.tensors(network._state.outputs), given, weighing, strict=True
    ):
        of = f" {goal.output!r}" if structured else ""
        target = checks.batch(target, f"{prefix}y{of}")
        checks.same_length(rows[0], f"{prefix}x", target, f"{prefix}y{of}")
        if finite:
            checks.finite(target, f"{prefix}y{of}")
        _check_target(goal, target, (len(rows[0]), *node.shape), f"{prefix}y{of}" if of else "")
        targets.append(checks.stored(target, goal.loss.target_dtype(target.dtype, network.dtype)))
        factors = (
            None if weight is None else _weights(weight, f"{prefix}sample_weight{of}", rows[0])
        )
        if class_weight is not None:
            by_class = _class_weights(target, class_weight)
            factors = by_class if factors is None else factors * by_class
        weights.append(None if factors is None else checks.stored(factors, network.dtype))
    arrays = (*rows, *targets, *(weight for weight in weights if weight is not None))
    return Data(arrays, len(rows), tuple(weight is not None for weight in weights), asked)


def _check_target(goal: Goal, target: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    """Let the loss judge targets of predictions of `shape`; `name` says which of several."""
    try:
        goal.loss.check(target.shape, target.dtype, shape)
        goal.loss.check_values(target, shape)
    except (TypeError, ValueError) as error:
        if not name:
            raise
        raise type(error)(f"{name}: {error}") from None


def parts(value: Any, shapes: Any, names: list[str], what: str) -> list[Any]:
    """Take data apart that come in the structure of `shapes`, or as a dict by name."""
    if isinstance(value, Mapping) and set(value) == set(names):
        return [value[name] for name in names]
    found: list[Any] = []

    def fits(value: Any, shapes: Any) -> bool:
        if is_shape(shapes):
            found.append(value)
            return True
        if isinstance(shapes, dict):
            matches = isinstance(value, Mapping) and set(value) == set(shapes)
            return matches and all(fits(value[key], part) for key, part in shapes.items())
        matches = isinstance(value, (list, tuple)) and len(value) == len(shapes)
        return matches and all(map(fits, value, shapes))

    if fits(value, shapes):
        return found
    listed = ", ".join(map(repr, names))
    kind = "a dict" if isinstance(shapes, dict) else f"a {type(shapes).__name__} or dict"
    got = type(value).__name__
    if isinstance(value, Mapping):
        got = f"a dict of {', '.join(map(repr, value))}"
    elif isinstance(value, (list, tuple)):
        got = f"a {got} of {len(value)}"
    raise ValueError(f"{what} expects {kind} of arrays for {listed}, got {got}")


def _weights(value: Any, name: str, rows: NDArray[Any]) -> NDArray[Any]:
    array = checks.batch(value, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} expects one number a sample, shape ({len(rows)},), got {array.shape}"
        )
    checks.same_length(rows, "x", array, name)
    checks.finite(array, name)
    if array.min() < 0:
        raise ValueError(f"{name} expects numbers of at least 0, got {array.min()}")
    return array


def _class_weights(targets: NDArray[Any], weights: Mapping[int, float]) -> NDArray[np.float64]:
    """Look up each sample's weight: by its label, or by the largest of its one-hot row."""
    if not isinstance(weights, Mapping):
        raise TypeError(f"class_weight expects a dict of class numbers to weights, got {weights!r}")
    if targets.ndim > 1 and targets.shape[-1] > 1:
        classes = targets.argmax(axis=-1)
    else:
        classes = targets.reshape(len(targets), -1)[:, 0]
    found, position = np.unique(classes, return_inverse=True)
    missing = [label for label in found.tolist() if label not in weights]
    if missing:
        raise ValueError(f"class_weight has no weight for class {missing[0]!r}")
    table = [checks.nonnegative(weights[label], "class_weight") for label in found.tolist()]
    return np.asarray(table)[position]
