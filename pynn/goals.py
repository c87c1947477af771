"""What training asks of each output of a network: a loss, its weight, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pynn import checks, losses
from pynn import metrics as metrics_
from pynn.layers.graph import Node

if TYPE_CHECKING:
    from pynn.network import Network

Chosen: TypeAlias = "tuple[Any, list[float], list[Any]]"


class Goal(NamedTuple):
    """What is asked of one output."""

    output: str
    loss: losses.Loss
    weight: float
    metrics: Sequence[metrics_.Metric]


def goals(network: Network) -> list[Goal]:
    """List what is asked of each output."""
    alone = isinstance(network._state.outputs, Node)  # its name shows nowhere
    names = ["output"] if alone else network.output_names
    if len(names) == 1:
        return [Goal(names[0], network.loss, network.loss_weights[0], network.metrics)]
    if not isinstance(network.loss, list):
        raise ValueError(_too_early(network))
    parts = zip(names, network.loss, network.loss_weights, network.metrics, strict=True)
    return [Goal(*part) for part in parts]


def chosen(network: Network, loss: Any, weights: Any, metrics: Any) -> Chosen:
    """Read what `use` was given: a loss and metrics for one output, lists of them for several."""
    per_output = isinstance(loss, (list, tuple)) or _by_name(loss)
    if per_output and not network.built:
        raise ValueError(_too_early(network))
    names = network.output_names if network.built else ["output"]
    found = [losses.get(part) for part in parts(loss, names, "loss")]
    factors = [
        checks.nonnegative(part, f"loss_weights of output {name!r}")
        for part, name in zip(_factors(weights, names), names, strict=True)
    ]
    if len(names) == 1 and not _by_name(metrics) and not _is_nested(metrics):
        metrics = [metrics]
    measured = [
        [metrics_.get(metric, part) for metric in _listed(group)]
        for group, part in zip(parts(metrics, names, "metrics", None), found, strict=True)
    ]
    for group, name in zip(measured, names, strict=True):
        called = [metric.name for metric in group]
        if len(set(called)) < len(called) or "loss" in called:
            where = f" of output {name!r}" if len(names) > 1 else ""
            raise ValueError(
                f"metrics{where} must have names of their own other than 'loss', got {called}"
            )
    if len(names) == 1:
        return found[0], factors, measured[0]
    return found, factors, measured


def parts(value: Any, names: Sequence[str], what: str, *default: Any) -> list[Any]:
    """Give each output its part: of a list or a dict by output's name, or else one for all."""
    listed = ", ".join(map(repr, names))
    if _by_name(value):
        for name in value:
            if name not in names:
                raise ValueError(f"{what} has an entry {name!r}; the outputs are {listed}")
        for name in names:
            if name not in value and not default:
                raise ValueError(f"{what} has no entry for output {name!r}, only {list(value)}")
        return [value.get(name, *default) for name in names]
    if isinstance(value, (list, tuple)):
        if len(value) != len(names):
            raise ValueError(
                f"{what} expects one entry for each of the outputs {listed}, got {len(value)}"
            )
        return list(value)
    return [value] * len(names)


def output_weights(network: Network, value: Any, name: str) -> list[Any]:
    """Give each output its sample weights, None where it has none."""
    alone = isinstance(network._state.outputs, Node)
    if value is None and alone:
        return [None]
    per_output = _by_name(value) or (
        isinstance(value, (list, tuple))
        and not alone
        and any(hasattr(part, "__len__") for part in value)
    )
    if per_output:
        return parts(value, network.output_names, name, None)
    return [value] * len(network.output_names)


def _factors(weights: Any, names: Sequence[str]) -> list[Any]:
    if weights is None:
        return [1.0] * len(names)
    if not isinstance(weights, (list, tuple, Mapping)):
        raise TypeError(f"loss_weights expects a list or a dict by output's name, got {weights!r}")
    return parts(weights, names, "loss_weights", 1.0)


def _by_name(value: Any) -> bool:
    return isinstance(value, Mapping) and "class_name" not in value


def _is_nested(metrics: Any) -> bool:
    return isinstance(metrics, (list, tuple)) and any(isinstance(m, (list, tuple)) for m in metrics)


def _listed(metrics: Any) -> Sequence[Any]:
    if metrics is None:
        return []
    if isinstance(metrics, Sequence) and not isinstance(metrics, str):
        return metrics
    return [metrics]


def _too_early(network: Network) -> str:
    return (
        f"use came before {network} knew its outputs: call it on a batch, then use(...) with one "
        "loss for all outputs, a list, or a dict by their names"
    )
