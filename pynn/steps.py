"""The programs that fit, evaluate and predict replay: one step over one batch."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pynn._native import Executable, Recorder
from pynn.layers.replay import structure, visible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pynn.network import Network

Arrays: TypeAlias = "Sequence[NDArray[Any]]"


@dataclass(frozen=True)
class Program:
    """A recorded step. Its outputs are summed over the batches: loss, loss · rows, statistics."""

    executable: Executable
    statistics: tuple[int, ...] = ()  # how many numbers of each metric


@dataclass(frozen=True)
class Step:
    """A step over a full batch and one over the rows that remain at the end of the data."""

    batch_size: int
    full: Program
    tail: Program | None

    @classmethod
    def of(cls, network: Network, kind: str, arrays: Arrays, batch_size: int) -> Step:
        """Record what is not recorded yet. `kind` is "train", "evaluate" or "predict"."""
        rows = len(arrays[0])
        size = min(batch_size, rows)
        full, rest = _program(network, kind, arrays, size), rows % size
        return cls(size, full, _program(network, kind, arrays, rest) if rest else None)

    def columns(
        self, network: Network, totals: NDArray[np.float64], rows: int
    ) -> dict[str, list[float]]:
        """Turn what `rows` rows summed up to, in each of several epochs, into loss and metrics."""
        columns = {"loss": (totals[:, 1] / rows).tolist()}
        start = 2
        for metric, count in zip(network.metrics, self.full.statistics, strict=True):
            sums = totals[:, start : start + count].tolist()
            columns[metric.name] = [metric.result(epoch) for epoch in sums]
            start += count
        return columns

    def logs(self, network: Network, totals: NDArray[np.float64], rows: int) -> dict[str, float]:
        """Turn what `rows` rows summed up to into loss and metrics."""
        columns = self.columns(network, totals[np.newaxis], rows)
        return {name: values[0] for name, values in columns.items()}


def _program(network: Network, kind: str, arrays: Arrays, rows: int) -> Program:
    types = tuple(((rows, *array.shape[1:]), array.dtype.name) for array in arrays)
    used: list[object] = []
    if kind != "predict":
        used += [network.loss, *network.metrics]
    if kind == "train":
        used += [network.optimizer]
    signature = (kind, types, structure(network), tuple(map(_settings, used)))

    def record() -> Program:
        with Recorder(training=kind == "train") as recorder:
            inputs = [recorder.input(shape, dtype) for shape, dtype in types]
            if kind == "predict":
                return Program(recorder.compile([visible(network.forward(inputs[0]))]))
            return _summed(network, recorder, *inputs)

    return network._state.replay.steps.get(signature, record)


def _summed(network: Network, recorder: Recorder, x: Any, y: Any, weight: Any = None) -> Program:
    """Record loss and metrics and, for training, the update."""
    y_pred = network.forward(x)
    values = network.loss.values(y, y_pred)
    if weight is not None:
        values = values * weight.astype(values.dtype)
    loss = visible(values.mean())
    penalty = network.penalty()
    for extra in (*recorder.losses, *([] if penalty is None else [penalty])):
        loss = loss + visible(extra)
    statistics = [metric.statistics(y, y_pred) for metric in network.metrics]
    if recorder.training:
        parameters = network.parameters
        network.optimizer.apply(parameters, recorder.gradient(loss, parameters))
    outputs = [loss, loss * float(x.shape[0]), *(s for group in statistics for s in group)]
    counts = tuple(sum(math.prod(s.shape) for s in group) for group in statistics)
    return Program(recorder.compile(outputs), counts)


def _settings(thing: object) -> Hashable:
    """Identify a loss, metric or optimizer together with its plain settings."""
    plain = (int, float, bool, str, type(None))
    return thing, tuple((k, v) for k, v in vars(thing).items() if isinstance(v, plain))
