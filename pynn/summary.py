"""The table that `Network.summary` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    head, *lines = (
        f"{a:<{widths[0]}} {b:<{widths[1]}} {c:>{widths[2] + 2}}" for a, b, c in (_HEAD, *rows)
    )
    rule = "-" * len(head)
    return "\n".join([str(network), head, rule, *lines, rule, _totals(network)])


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
