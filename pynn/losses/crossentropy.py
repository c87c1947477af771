"""Losses of probabilities, computed from logits wherever those can be had.

A network whose last layer is a softmax or sigmoid hands over probabilities. The recording knows
where they came from, so these losses take that layer's input instead: no logarithm of a rounded-off
zero, and the gradient is the exact ``p - y``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynn import checks, ops
from pynn._native import Recorder
from pynn.losses.base import (
    EPSILON,
    Loss,
    Shape,
    check_batch,
    class_numbers,
    is_integer,
    registry,
    shown,
)
from pynn.tensor import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt


def _input_of(y_pred: Tensor, activation: str) -> Tensor | None:
    """Return what ``activation`` made ``y_pred`` from in the active recording, or None."""
    recorder = Recorder.current()
    if recorder is None:
        return None
    made = recorder.producer(y_pred)
    while made is not None and made[0] == "cast":
        made = recorder.producer(made[1][0])
    if made is None or made[0] != activation:
        return None
    logits: Tensor = made[1][0]
    return logits if logits.dtype == y_pred.dtype else logits.astype(y_pred.dtype)


def _clipped(p: Tensor) -> Tensor:
    return ops.minimum(ops.maximum(p, EPSILON), 1.0 - EPSILON)


def _check_unit_interval(name: str, y_true: npt.NDArray[Any]) -> None:
    if y_true.size and (y_true.min() < 0 or y_true.max() > 1):
        raise ValueError(
            f"{name} expects targets from 0 to 1, got values from {y_true.min()} to {y_true.max()}"
        )


class _Crossentropy(Loss):
    """What the crossentropies share: where the logits come from, and label smoothing."""

    activation: str

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, name: str | None = None
    ) -> None:
        super().__init__(name)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"{self.name}: label_smoothing must lie from 0 to 1, got {label_smoothing}"
            )
        self.from_logits = checks.flag(from_logits, f"{self.name}: from_logits")
        self.label_smoothing = label_smoothing

    def logits(self, y_pred: Tensor) -> Tensor | None:
        """Return the logits of the predictions, or None where only probabilities are known."""
        return y_pred if self.from_logits else _input_of(y_pred, self.activation)

    def log_probabilities(self, y_pred: Tensor) -> Tensor:
        """Return the logarithms of the classes' probabilities, shaped like the predictions."""
        logits = self.logits(y_pred)
        if logits is not None:
            return ops.log_softmax(logits)
        return ops.log(_clipped(y_pred / y_pred.sum(axis=-1, keepdims=True)))


@registry.register("bce")
class BinaryCrossentropy(_Crossentropy):
    """Cross-entropy of yes-or-no labels, averaged over the outputs.

    ``ℓ = -mean(y log p + (1 - y) log(1 - p))``; of logits x, ``ℓ = mean(log(1 + eˣ) - x y)``.

    The second form is used with ``from_logits`` and where a sigmoid made the predictions; else p is
    kept within [1e-7, 1 - 1e-7].

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are logits, that is, the network ends without a sigmoid.
    label_smoothing : float, default 0.0
        s from 0 to 1: labels become ``y (1 - s) + s/2``.
    name : str, default "binary_crossentropy"

    Raises
    ------
    ValueError
        A target lies outside [0, 1], or ``label_smoothing`` does.

    Examples
    --------
    >>> import numpy as np
    >>> round(BinaryCrossentropy()(np.array([[1.0], [0.0]]), np.array([[0.5], [0.5]])), 6)
    0.693147
    """

    activation = "sigmoid"
    targets = "labels 0 or 1, shaped like the predictions"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        logits = self.logits(y_pred)
        if logits is not None:
            return ops.softplus(logits) - logits * y_true
        p = _clipped(y_pred)
        return -(y_true * ops.log(p) + (1.0 - y_true) * ops.log(1.0 - p))

    def check_values(self, y_true: npt.NDArray[Any], y_pred_shape: Shape) -> None:
        _check_unit_interval(self.name, y_true)


@registry.register("cce")
class CategoricalCrossentropy(_Crossentropy):
    """Cross-entropy of one-hot labels over c classes.

    ``ℓ = -Σ y log p`` along the last axis, p being scaled to sum to one; ``p = softmax(x)`` of
    logits x.

    ``log softmax(x)`` is computed at once with ``from_logits`` and where a softmax along the last
    axis made the predictions; else p is kept within [1e-7, 1 - 1e-7].

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are logits, that is, the network ends without a softmax.
    label_smoothing : float, default 0.0
        s from 0 to 1: labels become ``y (1 - s) + s/c``.
    name : str, default "categorical_crossentropy"

    Raises
    ------
    ValueError
        Targets are not of shape (batch, ..., c), have values outside [0, 1], or c is 1.

    Examples
    --------
    >>> import numpy as np
    >>> round(CategoricalCrossentropy()(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])), 6)
    0.693147
    """

    activation = "softmax"
    targets = "one-hot labels"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + self.label_smoothing / y_pred.shape[-1]
        return -(y_true * self.log_probabilities(y_pred)).sum(axis=-1)

    def check(self, y_true_shape: Shape, y_true_dtype: object, y_pred_shape: Shape) -> None:
        _check_classes(self.name, y_pred_shape)
        if _holds_class_numbers(y_true_shape, y_pred_shape):
            raise ValueError(
                f"{self.name} expects one-hot labels of shape {shown(y_pred_shape)}, got "
                f"class numbers of shape {shown(y_true_shape)}: use the loss "
                f"'sparse_categorical_crossentropy', or encode them with pynn.preprocessing.one_hot"
            )
        super().check(y_true_shape, y_true_dtype, y_pred_shape)

    def check_values(self, y_true: npt.NDArray[Any], y_pred_shape: Shape) -> None:
        _check_unit_interval(self.name, y_true)


@registry.register()
class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy of class numbers over c classes, ``ℓ = -log p[y]``.

    The same as `CategoricalCrossentropy` of one-hot labels, without making them.

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are logits, that is, the network ends without a softmax.
    label_smoothing : float, default 0.0
        s from 0 to 1: labels become ``(1 - s) onehot(y) + s/c``.
    name : str, default "sparse_categorical_crossentropy"

    Raises
    ------
    TypeError
        Targets are not integers.
    ValueError
        Targets are not of shape (batch, ...) or (batch, ..., 1), or lie outside 0 to c - 1.

    Examples
    --------
    >>> import numpy as np
    >>> round(SparseCategoricalCrossentropy()(np.array([1]), np.array([[0.5, 0.5]])), 6)
    0.693147
    """

    activation = "softmax"
    targets = "class numbers"

    def align(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return class_numbers(y_true, y_pred)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        log_p = self.log_probabilities(y_pred)
        right = ops.take_along_last(log_p, y_true)
        if self.label_smoothing:
            share = self.label_smoothing
            return -(1.0 - share) * right - share * log_p.mean(axis=-1)
        return -right

    def target_dtype(self, y_dtype: object, net_dtype: str) -> str:
        return "int64"

    def check(self, y_true_shape: Shape, y_true_dtype: object, y_pred_shape: Shape) -> None:
        _check_classes(self.name, y_pred_shape)
        check_batch(self.name, y_true_shape, y_pred_shape)
        if not _holds_class_numbers(y_true_shape, y_pred_shape):
            one_hot = list(y_true_shape[1:]) == list(y_pred_shape[1:])
            raise ValueError(
                f"{self.name} expects class numbers of shape {shown(y_pred_shape[:-1])}, "
                f"got {shown(y_true_shape)}"
                + (": use the loss 'categorical_crossentropy' for one-hot labels" * one_hot)
            )
        if not is_integer(y_true_dtype):
            raise TypeError(
                f"{self.name} expects whole numbers as labels, got {y_true_dtype}: "
                f"convert them with y.astype(int)"
            )

    def check_values(self, y_true: npt.NDArray[Any], y_pred_shape: Shape) -> None:
        classes = y_pred_shape[-1]
        if classes is None or not y_true.size:
            return
        low, high = int(y_true.min()), int(y_true.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f"{self.name} expects labels from 0 to {classes - 1} for {classes} outputs, "
                f"got {low if low < 0 else high}"
            )


@registry.register("kld")
class KLDivergence(Loss):
    """Kullback-Leibler divergence of distributions, ``ℓ = Σ y log(y / p)`` along the last axis.

    Both are kept within [1e-7, 1]. (S. Kullback, R. A. Leibler, "On Information and Sufficiency",
    1951.)

    Parameters
    ----------
    name : str, default "kl_divergence"

    Raises
    ------
    ValueError
        A target lies outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> round(KLDivergence()(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])), 6)
    0.143841
    """

    targets = "probabilities shaped like the predictions"

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y = ops.minimum(ops.maximum(y_true, EPSILON), 1.0)
        logits = _input_of(y_pred, "softmax")
        if logits is not None:
            log_p = ops.log_softmax(logits)
        else:
            log_p = ops.log(ops.minimum(ops.maximum(y_pred, EPSILON), 1.0))
        return (y * (ops.log(y) - log_p)).sum(axis=-1)

    def check_values(self, y_true: npt.NDArray[Any], y_pred_shape: Shape) -> None:
        _check_unit_interval(self.name, y_true)


def _holds_class_numbers(y_true_shape: Shape, y_pred_shape: Shape) -> bool:
    """Return whether targets have one number where predictions have a row of classes."""
    target, positions = list(y_true_shape[1:]), list(y_pred_shape[1:-1])
    return target in (positions, [*positions, 1])


def _check_classes(name: str, y_pred_shape: Shape) -> None:
    if len(y_pred_shape) < 2 or y_pred_shape[-1] == 1:
        raise ValueError(
            f"{name} expects at least two outputs, one for each class, got predictions of shape "
            f"{shown(y_pred_shape)}; for one output use 'binary_crossentropy'"
        )
