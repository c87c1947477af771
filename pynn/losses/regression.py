"""Losses of numbers: how far predictions are from targets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pynn import ops
from pynn.losses.base import EPSILON, Loss, Shape, registry
from pynn.tensor import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt


@registry.register("mse")
class MeanSquaredError(Loss):
    """Mean squared error, ``ℓ = mean((y - ŷ)²)``.

    Parameters
    ----------
    name : str, default "mean_squared_error"

    Examples
    --------
    >>> import numpy as np
    >>> MeanSquaredError()(np.array([[0.0, 1.0]]), np.array([[1.0, 3.0]]))
    2.5
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.square(y_pred - y_true)


@registry.register("mae")
class MeanAbsoluteError(Loss):
    """Mean absolute error, ``ℓ = mean(|y - ŷ|)``; the derivative at ``y = ŷ`` is taken as 0.

    Parameters
    ----------
    name : str, default "mean_absolute_error"

    Examples
    --------
    >>> import numpy as np
    >>> MeanAbsoluteError()(np.array([[0.0, 1.0]]), np.array([[1.0, 3.0]]))
    1.5
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.abs(y_pred - y_true)


@registry.register("huber_loss")
class Huber(Loss):
    """Squared near the target, absolute far from it.

    With ``e = ŷ - y``, ``ℓ = mean(e²/2 if |e| ≤ δ else δ (|e| - δ/2))``

    (P. J. Huber, "Robust Estimation of a Location Parameter", 1964.)

    Parameters
    ----------
    delta : float, default 1.0
        Where the parabola goes over into a line; positive, in the unit of the targets.
    name : str, default "huber"

    Raises
    ------
    ValueError
        ``delta`` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> Huber()(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))
    1.5
    """

    def __init__(self, delta: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        if not delta > 0:
            raise ValueError(f"Huber: delta must be positive, got {delta}")
        self.delta = delta

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        error = ops.abs(y_pred - y_true)
        near = ops.minimum(error, self.delta)
        return near * (error - 0.5 * near)


@registry.register("logcosh")
class LogCosh(Loss):
    """``ℓ = mean(log(cosh(ŷ - y)))``: about e²/2 for small errors and |e| - log 2 for large ones.

    Parameters
    ----------
    name : str, default "log_cosh"

    Examples
    --------
    >>> import numpy as np
    >>> round(LogCosh()(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])), 6)
    0.21689
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        error = y_pred - y_true
        return error + ops.softplus(-2.0 * error) - math.log(2.0)


@registry.register()
class Poisson(Loss):
    """Negative log-likelihood of counts, ``ℓ = mean(ŷ - y log(ŷ + ε))`` with ε = 1e-7.

    The part that does not depend on the prediction, ``log y!``, is left out.

    Parameters
    ----------
    name : str, default "poisson"

    Raises
    ------
    ValueError
        A target is negative.

    Examples
    --------
    >>> import numpy as np
    >>> round(Poisson()(np.array([[2.0]]), np.array([[1.0]])), 6)
    1.0
    """

    targets = "counts, shaped like the predictions"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred - y_true * ops.log(y_pred + EPSILON)

    def check_values(self, y_true: npt.NDArray[Any], y_pred_shape: Shape) -> None:
        if y_true.size and y_true.min() < 0:
            raise ValueError(f"{self.name} expects counts of at least 0, got {y_true.min()}")
