"""Metric: sums over samples, and the figure made of their totals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pynn import losses, ops
from pynn._registry import Configurable, Registry, snake_case
from pynn.losses.base import (
    ArrayLike,
    as_tensors,
    check_batch,
    per_sample,
    per_step,
    weight_column,
)
from pynn.tensor import Tensor


class Metric(Configurable):
    """Base class of metrics.

    A metric of one's own overrides `values`, of which the weighted mean over the samples is taken,
    or `statistics` and `result`.

    Parameters
    ----------
    name : str, optional
        Key in logs and histories. Default: the class name in snake case.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.metrics import Metric
    >>> class Within(Metric):
    ...     def values(self, y_true, y_pred):
    ...         return (abs(y_true - y_pred) < 0.5).astype("float32").mean(axis=-1)
    >>> Within()(np.array([[1.0], [2.0]]), np.array([[1.25], [3.0]]))
    0.5
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = snake_case(type(self).__name__) if name is None else name

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return a figure for each sample or element, (batch,) or (batch, ...), as a tensor."""
        raise NotImplementedError(f"{type(self).__name__} defines no values(y_true, y_pred)")

    def statistics(
        self,
        y_true: Tensor,
        y_pred: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> list[Tensor]:
        """Return sums over a batch, which add up over batches, of any shapes.

        A mask, (batch, time), says which steps count.
        """
        values = self.values(y_true, y_pred)
        if mask is None:
            values, weight = per_sample(values), None
        else:
            values, weight = per_step(values, mask, f"metric {self.name!r}")
        if sample_weight is not None:
            column = weight_column(sample_weight, values)
            column = column.reshape(column.shape[0], *[1] * (values.ndim - 1))
            weight = column if weight is None else weight * column
        if weight is None:
            total = values.sum()
            return [total, ops.zeros_like(total) + float(y_pred.shape[0])]
        return [(values * weight).sum(), weight.sum()]

    def result(self, totals: Sequence[float]) -> float:
        """Return the metric from the elements of `statistics` in order, summed over all batches.

        NaN where no sample has weight.
        """
        total, weight = totals
        return float(total) / float(weight) if weight else math.nan

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the metric of arrays.

        Parameters
        ----------
        y_true, y_pred : array_like, shape (n, ...)
        sample_weight : array_like, shape (n,), optional
        """
        true, pred = as_tensors(y_true, y_pred)
        check_batch(self.name, true.shape, pred.shape)
        weight = None if sample_weight is None else weight_column(sample_weight, pred)
        sums = self.statistics(true, pred, weight)
        return self.result(np.concatenate([np.ravel(s) for s in sums]).tolist())


class LossMetric(Metric):
    """The mean of a loss over the samples.

    Parameters
    ----------
    loss : str, Loss or callable
        Anything `pynn.losses.get` takes.
    name : str, optional
        Default: the loss's.
    """

    def __init__(self, loss: object, name: str | None = None) -> None:
        self.loss = losses.get(loss)
        super().__init__(self.loss.name if name is None else name)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.loss.elements(y_true, y_pred)


registry: Registry[Metric] = Registry("metric", Metric, LossMetric)
