"""The programs that fit, evaluate and predict replay: one step over one batch."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn._native import Executable, Recorder
from pynn._record import Record
from pynn.layers import masks, nested
from pynn.layers.arguments import mapped_shapes
from pynn.layers.replay import structure, visible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pynn.batches import Data
    from pynn.goals import Goal
    from pynn.network import Network


class Program(Record):
    """A recorded step. Its outputs are summed over the batches.

    They are loss, loss · rows, of several outputs each one's loss · rows, and statistics.
    """

    executable: Executable
    statistics: tuple[int, ...] = ()  # how many numbers of each metric


class Step(Record):
    """A step over a full batch and one over the rows that remain at the end of the data."""

    batch_size: int
    full: Program
    tail: Program | None
    goals: Sequence[Goal]

    @classmethod
    def of(cls, network: Network, kind: str, data: Data, batch_size: int) -> Step:
        """Record what is not recorded yet. `kind` is "train", "evaluate" or "predict"."""
        size = min(batch_size, data.rows)
        full, rest = _program(network, kind, data, size), data.rows % size
        tail = _program(network, kind, data, rest) if rest else None
        return cls(size, full, tail, data.goals)

    def columns(self, totals: NDArray[np.float64], rows: int) -> dict[str, list[float]]:
        """Turn what `rows` rows summed up to, in each of several epochs, into loss and metrics."""
        columns = {"loss": (totals[:, 1] / rows).tolist()}
        asked = self.goals
        start = 2
        if len(asked) > 1:
            for i, goal in enumerate(asked, start):
                columns[f"{goal.output}_loss"] = (totals[:, i] / rows).tolist()
            start += len(asked)
        measured = [
            (f"{goal.output}_{metric.name}" if len(asked) > 1 else metric.name, metric)
            for goal in asked
            for metric in goal.metrics
        ]
        for (name, metric), count in zip(measured, self.full.statistics, strict=True):
            sums = totals[:, start : start + count].tolist()
            columns[name] = [metric.result(epoch) for epoch in sums]
            start += count
        return columns

    def logs(self, totals: NDArray[np.float64], rows: int) -> dict[str, float]:
        """Turn what `rows` rows summed up to into loss and metrics."""
        columns = self.columns(totals[np.newaxis], rows)
        return {name: values[0] for name, values in columns.items()}


def _program(network: Network, kind: str, data: Data, rows: int) -> Program:
    types = tuple(((rows, *array.shape[1:]), array.dtype.name) for array in data.arrays)
    used: list[object] = []
    factors: list[float] = []
    for goal in data.goals:
        used += [goal.loss, *goal.metrics]
        factors.append(goal.weight)
    if kind == "train":
        used += [network.optimizer]
    settings = (tuple(map(_settings, used)), tuple(factors))
    signature = (kind, types, data.weighted, structure(network), settings)

    def record() -> Program:
        with Recorder(training=kind == "train") as recorder:
            inputs = [recorder.input(shape, dtype) for shape, dtype in types]
            x = iter(inputs[: data.inputs])
            y = network.forward(mapped_shapes(lambda _: next(x), network.input_shape))
            if kind == "predict":
                return Program(recorder.compile([visible(y) for y in nested.tensors(y)]))
            return _summed(network, recorder, nested.tensors(y), inputs[data.inputs :], data)

    return network._state.replay.steps.get(signature, record)


def _summed(
    network: Network, recorder: Recorder, outputs: Sequence[Any], given: Sequence[Any], data: Data
) -> Program:
    """Record losses and metrics of `outputs` and, for training, the update.

    Given are the targets of all outputs, then the weights of those that have them.
    """
    asked, rows = data.goals, float(outputs[0].shape[0])
    weights = iter(given[len(outputs) :])
    losses: list[Any] = []
    statistics: list[Any] = []
    for goal, y, y_pred, weighted in zip(asked, given, outputs, data.weighted, strict=False):
        mask = masks.of(y_pred)
        values = goal.loss.values(y, y_pred, mask)
        if weighted:
            values = values * next(weights).astype(values.dtype)
        losses.append(visible(values.mean()))
        known = {} if mask is None else {"mask": mask}
        statistics += [metric.statistics(y, y_pred, **known) for metric in goal.metrics]
    penalty = network.penalty()
    terms = [
        part if goal.weight == 1 else part * goal.weight
        for goal, part in zip(asked, losses, strict=True)
    ]
    terms += map(visible, (*recorder.losses, *([] if penalty is None else [penalty])))
    loss = functools.reduce(operator.add, terms)
    if recorder.training:
        parameters = network.parameters
        network.optimizer.apply(parameters, recorder.gradient(loss, parameters))
    totals = [loss, *(losses if len(losses) > 1 else [])]
    outputs = [loss, *(part * rows for part in totals), *(s for group in statistics for s in group)]
    counts = tuple(sum(math.prod(s.shape) for s in group) for group in statistics)
    return Program(recorder.compile(outputs), counts)


def _settings(thing: object) -> Hashable:
    """Identify a loss, metric or optimizer together with its plain settings."""
    plain = (int, float, bool, str, type(None))
    return thing, tuple((k, v) for k, v in vars(thing).items() if isinstance(v, plain))
