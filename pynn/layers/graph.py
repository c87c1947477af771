"""Inputs and nodes: what calling layers on placeholders builds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pynn import checks
from pynn._record import Record
from pynn.layers import nested

if TYPE_CHECKING:
    from pynn.layers.arguments import Arguments
    from pynn.layers.base import Layer


class Node(nested.Placeholder):
    """A place in a graph of layers: one output of a layer, called on other nodes.

    Attributes
    ----------
    shape : tuple of int
        Shape of one sample.
    dtype : str or None
        Its type; None, of an input, for whatever the data are.
    layer : Layer or None
        What computes it; None for an `Input`.
    inputs : tuple of Node
        What the layer computes it from.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str | None = None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.use: Use | None = None

    @property
    def layer(self) -> Layer | None:
        return None if self.use is None else self.use.layer

    @property
    def inputs(self) -> tuple[Node, ...]:
        return () if self.use is None else self.use.inputs

    def __repr__(self) -> str:
        return f"<Node {self.shape} of {self.layer or 'the input'}>"


class Input(Node):
    """A placeholder for a network's inputs.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of one sample, without the batch axis.
    name : str or None, default None
        What errors and summaries call it.
    dtype : str or None, default None
        Type of the data, such as ``"int64"``; ``None`` takes them as they come.

    Raises
    ------
    TypeError, ValueError
        If `shape` is not one or more positive integers.

    Examples
    --------
    >>> from pynn import Input, Network
    >>> from pynn.layers import Dense
    >>> x = Input((4,))
    >>> Network(inputs=x, outputs=Dense(3)(Dense(8, activation="relu")(x))).output_shape
    (3,)
    """

    def __init__(
        self, shape: int | Sequence[int], name: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(checks.sample_shape(shape, "Input: shape"), dtype)
        self.name = name


class Use(Record):
    """One call of a layer on nodes."""

    layer: Layer
    arguments: Arguments
    outputs: Any  # nodes, alone or in lists, tuples and dicts

    @classmethod
    def of(cls, layer: Layer, arguments: Arguments, outputs: Any) -> Use:
        """Make a call, and tell its outputs where they come from."""
        use = cls(layer, arguments, outputs)
        for node in nested.tensors(outputs):
            node.use = use
        return use

    @property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(x for x in self.arguments.tensors if isinstance(x, Node))


def ordered(outputs: Sequence[Node]) -> list[Node]:
    """List the nodes that these depend on, each after those it is computed from."""
    order: list[Node] = []
    seen: set[int] = set()
    pending = [(node, False) for node in reversed(outputs)]
    while pending:
        node, ready = pending.pop()
        if ready:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            pending.append((node, True))
            pending.extend((source, False) for source in reversed(node.inputs))
    return order


class Slot(nested.Placeholder):
    """Where a graph keeps a value while it is computed."""

    def __init__(self, number: int) -> None:
        self.number = number


class Graph(Record):
    """What a network computes from its inputs, one call of a layer after the other."""

    inputs: Any  # slots, alone or in lists, tuples and dicts
    outputs: Any
    steps: tuple[Use, ...]  # on slots
    encoders: tuple[Layer | None, ...]  # of the inputs that are no numbers

    @classmethod
    def between(cls, network: Layer, inputs: Any, outputs: Any) -> Graph:
        """Find the calls that lead from `inputs` to `outputs`."""
        starts, ends = nested.tensors(inputs), nested.tensors(outputs)
        for node in starts:
            if not isinstance(node, Input):
                raise TypeError(f"{network}: inputs expects an Input, got {node!r}")
        if not starts or not ends or not all(isinstance(node, Node) for node in ends):
            raise ValueError(
                f"{network}: inputs and outputs expect nodes of a graph of layers, "
                f"got {inputs!r} and {outputs!r}"
            )
        if len(set(map(id, starts))) < len(starts):
            raise ValueError(f"{network}: each of inputs can be given only once")
        nodes = ordered(ends)
        for node in nodes:
            if node.use is None and not any(node is start for start in starts):
                raise ValueError(f"{network}: outputs must be computed from inputs alone")
        for i, start in enumerate(starts):
            if not any(node is start for node in nodes):
                raise ValueError(f"{network}: no output depends on input {i}")
        uses = list(dict.fromkeys(node.use for node in nodes if node.use is not None))
        if not uses:
            raise ValueError(f"{network}: there is no layer between inputs and outputs")
        every = [*starts, *(node for use in uses for node in nested.tensors(use.outputs))]
        encoders = tuple(_encoder(network, start, uses) for start in starts)
        slots = {id(node): Slot(i) for i, node in enumerate(every)}

        def slotted(x: Any) -> Any:
            return slots[id(x)] if isinstance(x, Node) else x

        steps = tuple(
            Use(
                use.layer,
                use.arguments.filled(map(slotted, use.arguments.tensors)),
                nested.mapped(slotted, use.outputs),
            )
            for use in uses
        )
        return cls(nested.mapped(slotted, inputs), nested.mapped(slotted, outputs), steps, encoders)

    @property
    def layers(self) -> list[Layer]:
        """The layers, each once, in the order of their first calls."""
        return list(dict.fromkeys(step.layer for step in self.steps))

    def __call__(self, x: Any) -> Any:
        """Compute the outputs from tensors in the structure of the inputs."""
        values: dict[int, Any] = {}

        def keep(slots: Any, found: Any) -> None:
            pairs = zip(nested.tensors(slots), nested.tensors(found), strict=True)
            values.update((slot.number, value) for slot, value in pairs)

        def value(x: Any) -> Any:
            return values[x.number] if isinstance(x, Slot) else x

        keep(self.inputs, x)
        for step in self.steps:
            given = step.arguments.filled(map(value, step.arguments.tensors))
            keep(step.outputs, step.layer.forward(*given.args, **given.options))
        return nested.mapped(value, self.outputs)

    def input_dtype(self, dtype: str, i: int) -> str:
        """Say as what type input `i` enters a program: as its layers agree, or as it comes."""
        slots = nested.tensors(self.inputs)[i : i + 1]
        types = {
            step.layer.input_dtype(dtype)
            for step in self.steps
            if any(x is slot for x in step.arguments.tensors for slot in slots)
        }
        return types.pop() if len(types) == 1 else dtype


def _encoder(network: Layer, start: Node, uses: list[Use]) -> Layer | None:
    """Find the layer that makes numbers of an input's data, if there is one."""
    given = [use.layer for use in uses if any(node is start for node in use.inputs)]
    found = [layer for layer in given if layer.encodes]
    if found and len(given) > 1:
        raise ValueError(f"{network}: {found[0]} must be all that an Input is given to")
    return found[0] if found else None
