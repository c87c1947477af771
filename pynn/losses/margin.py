"""Losses of margins and directions: a sample costs nothing once it is on the right side."""

from __future__ import annotations

from pynn import ops
from pynn.losses.base import EPSILON, Loss, registry
from pynn.tensor import Tensor


def _signs(y_true: Tensor) -> Tensor:
    """Return labels in {-1, 1}: zeros become -1, so that labels in {0, 1} serve as well."""
    return ops.where(y_true == 0.0, -1.0, y_true)


@registry.register()
class Hinge(Loss):
    """``ℓ = mean(max(1 - y ŷ, 0))`` for labels y in {-1, 1}; labels in {0, 1} are converted.

    Parameters
    ----------
    name : str, default "hinge"

    Examples
    --------
    >>> import numpy as np
    >>> Hinge()(np.array([[1.0], [-1.0]]), np.array([[0.5], [0.25]]))
    0.875
    """

    targets = "labels -1 or 1, shaped like the predictions"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.relu(1.0 - _signs(y_true) * y_pred)


@registry.register()
class SquaredHinge(Hinge):
    """``ℓ = mean(max(1 - y ŷ, 0)²)`` for labels y in {-1, 1}; labels in {0, 1} are converted.

    Parameters
    ----------
    name : str, default "squared_hinge"

    Examples
    --------
    >>> import numpy as np
    >>> SquaredHinge()(np.array([[1.0]]), np.array([[0.5]]))
    0.25
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.square(super().call(y_true, y_pred))


@registry.register()
class CategoricalHinge(Loss):
    """``ℓ = max(1 + max((1 - y) ŷ) - sum(y ŷ), 0)`` over the classes, for one-hot y.

    Parameters
    ----------
    name : str, default "categorical_hinge"

    Examples
    --------
    >>> import numpy as np
    >>> CategoricalHinge()(np.array([[0.0, 1.0]]), np.array([[0.5, 0.75]]))
    0.75
    """

    targets = "one-hot labels"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        right = (y_true * y_pred).sum(axis=-1)
        wrong = ((1.0 - y_true) * y_pred).max(axis=-1)
        return ops.relu(1.0 + wrong - right)


@registry.register()
class CosineSimilarity(Loss):
    """``ℓ = -Σ y ŷ / (|y| |ŷ|)`` along the last axis.

    -1 for the same direction, 1 for the opposite.

    Lengths are taken as at least 1e-7, so the loss of a zero vector is 0.

    Parameters
    ----------
    name : str, default "cosine_similarity"

    Examples
    --------
    >>> import numpy as np
    >>> round(CosineSimilarity()(np.array([[0.0, 2.0]]), np.array([[0.0, 3.0]])), 6)
    -1.0
    """

    targets = "vectors shaped like the predictions"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return -(_direction(y_true) * _direction(y_pred)).sum(axis=-1)


def _direction(x: Tensor) -> Tensor:
    """Return vectors along the last axis at unit length."""
    squares = ops.square(x).sum(axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, EPSILON**2))
