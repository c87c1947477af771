"""The table that `Network.summary` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pynn.layers import nested
from pynn.layers.graph import Graph, Slot

if TYPE_CHECKING:
    from pynn.layers.base import Layer
    from pynn.network import Network

_HEAD = ("layer", "output shape", "parameters")


def table(network: Network) -> str:
    """Write a network's layers, shapes and numbers of weights as a table."""
    rows = [
        (
            f"{layer.name} ({type(layer).__name__})",
            str(layer.output_shape or "?"),
            f"{layer.count_params():,}" if layer.built else "?",
        )
        for layer in network.layers
    ]
    sources = ["connected to"]
    if network._graph is not None:
        found = _sources(network._graph, network.input_names)
        sources += [", ".join(found[layer]) for layer in network.layers]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    lines = [
        f"{a:<{widths[0]}} {b:<{widths[1]}} {c:>{widths[2] + 2}}" for a, b, c in (_HEAD, *rows)
    ]
    if len(sources) == len(lines):
        lines = [f"{line} {source}" for line, source in zip(lines, sources, strict=True)]
    rule = "-" * max(map(len, lines))
    return "\n".join([str(network), lines[0], rule, *lines[1:], rule, _totals(network)])


def _sources(graph: Graph, input_names: list[str]) -> dict[Layer, list[str]]:
    """Name what each layer is called on, in order."""
    names = {
        slot.number: name
        for slot, name in zip(nested.tensors(graph.inputs), input_names, strict=True)
    }
    found: dict[Layer, list[str]] = {layer: [] for layer in graph.layers}
    for step in graph.steps:
        slots = [x for x in step.arguments.tensors if isinstance(x, Slot)]
        found[step.layer] += [names[slot.number] for slot in slots]
        for slot in nested.tensors(step.outputs):
            names[slot.number] = step.layer.name
    return found


def _totals(network: Network) -> str:
    if not network.built:
        return "weights are made when the network first sees its input shape"
    weights = network.weights
    count = sum(math.prod(weight.shape) for weight in weights)
    trained = sum(math.prod(weight.shape) for weight in network.parameters)
    share = "all trainable" if trained == count else f"{trained:,} trainable"
    return f"{count:,} parameters ({_bytes(sum(weight.nbytes for weight in weights))}), {share}"


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
