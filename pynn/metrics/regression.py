"""Metrics of numbers: errors in the unit of the targets, and R²."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pynn import losses, ops
from pynn.losses.base import like_prediction, weight_column
from pynn.metrics.base import LossMetric, Metric, registry
from pynn.tensor import Tensor


@registry.register("mse")
class MeanSquaredError(LossMetric):
    """Mean squared error, ``mean((y - ŷ)²)``.

    Parameters
    ----------
    name : str, default "mean_squared_error"

    Examples
    --------
    >>> import numpy as np
    >>> MeanSquaredError()(np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    2.5
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(losses.MeanSquaredError(), name)


@registry.register("rmse")
class RootMeanSquaredError(MeanSquaredError):
    """Root of the mean squared error, ``√mean((y - ŷ)²)``, in the unit of the targets.

    Parameters
    ----------
    name : str, default "root_mean_squared_error"

    Examples
    --------
    >>> import numpy as np
    >>> RootMeanSquaredError()(np.array([0.0, 0.0]), np.array([3.0, 3.0]))
    3.0
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__("root_mean_squared_error" if name is None else name)

    def result(self, totals: Sequence[float]) -> float:
        return math.sqrt(super().result(totals))


@registry.register("mae")
class MeanAbsoluteError(LossMetric):
    """Mean absolute error, ``mean(|y - ŷ|)``, in the unit of the targets.

    Parameters
    ----------
    name : str, default "mean_absolute_error"

    Examples
    --------
    >>> import numpy as np
    >>> MeanAbsoluteError()(np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    1.5
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(losses.MeanAbsoluteError(), name)


@registry.register("r2", "r2_score")
class R2Score(Metric):
    """Coefficient of determination, ``1 - Σ (y - ŷ)² / Σ (y - ȳ)²``, averaged over the outputs.

    1 is perfect, 0 as good as the mean ȳ; an output whose targets don't vary gives 1 if they are
    met exactly, else 0, as in scikit-learn. Sums are kept in float64.

    Parameters
    ----------
    name : str, default "r2_score"

    Examples
    --------
    >>> import numpy as np
    >>> R2Score()(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    0.5
    """

    def statistics(
        self,
        y_true: Tensor,
        y_pred: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> list[Tensor]:
        rows = y_pred.shape[0]
        y = like_prediction(y_true, y_pred).astype("float64").reshape(rows, -1)
        p = y_pred.astype("float64").reshape(rows, -1)
        if sample_weight is None:
            weight = ops.ones_like(y)
        else:
            weight = ops.broadcast_to(weight_column(sample_weight, y).reshape(rows, 1), y.shape)
        if mask is not None:
            seen = mask.reshape(*mask.shape, *[1] * (y_pred.ndim - mask.ndim))
            weight = weight * ops.broadcast_to(seen, y_pred.shape).reshape(rows, -1)
        parts = (weight * ops.square(y - p), weight * y, weight * ops.square(y), weight)
        return [part.sum(axis=0) for part in parts]  # of shape (outputs,)

    def result(self, totals: Sequence[float]) -> float:
        outputs = len(totals) // 4
        sums = (map(float, totals[i * outputs : (i + 1) * outputs]) for i in range(4))
        scores = []
        for residual, total, square, weight in zip(*sums, strict=True):
            if not weight:  # a step that is padding in all samples
                continue
            spread = max(square - total * total / weight, 0.0)
            constant = 1.0 if residual == 0 else 0.0
            scores.append(1.0 - residual / spread if spread > 0 else constant)
        return sum(scores) / len(scores) if scores else math.nan
