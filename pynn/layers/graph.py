"""Inputs and nodes: what calling layers on placeholders builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pynn import checks
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


@dataclass(frozen=True, eq=False)
class Use:
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
