"""Inputs and nodes: what calling layers on placeholders builds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pynn import checks

if TYPE_CHECKING:
    from pynn.layers.base import Layer


class Node:
    """A place in a graph of layers: what a layer makes of other nodes.

    Attributes
    ----------
    shape : tuple of int
        Shape of one sample.
    layer : Layer or None
        What computes it; None for an `Input`.
    inputs : tuple of Node
        What the layer computes it from.
    """

    def __init__(
        self, shape: tuple[int, ...], layer: Layer | None = None, inputs: tuple[Node, ...] = ()
    ) -> None:
        self.shape = shape
        self.layer = layer
        self.inputs = inputs

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

    def __init__(self, shape: int | Sequence[int], name: str | None = None) -> None:
        super().__init__(checks.sample_shape(shape, "Input: shape"))
        self.name = name


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
