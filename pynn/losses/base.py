"""Loss: the mean over a batch of what each sample's prediction costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pynn import ops
from pynn._native import Executable, Recorder
from pynn._registry import Configurable, Registry, snake_case
from pynn.programs import ProgramCache
from pynn.tensor import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

ArrayLike: TypeAlias = "Tensor | npt.ArrayLike"
Shape: TypeAlias = Sequence[int | None]

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken, as in Keras."""


def is_integer(dtype: object) -> bool:
    """Return whether a dtype, NumPy's or a tensor's name for one, holds whole numbers only."""
    return str(np.dtype(dtype) if isinstance(dtype, type) else dtype).startswith(
        ("int", "uint", "bool")
    )


def like_prediction(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return targets in the shape and dtype of the predictions: (n,) fits (n, 1) and back."""
    if y_true.shape != y_pred.shape:
        y_true = y_true.reshape(*y_pred.shape)
    return y_true if y_true.dtype == y_pred.dtype else y_true.astype(y_pred.dtype)


def class_numbers(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return class numbers shaped as predictions less their class axis: (n, 1) fits (n, c)."""
    if y_true.shape != y_pred.shape[:-1]:
        y_true = y_true.reshape(*y_pred.shape[:-1])
    return y_true if y_true.dtype in ("int32", "int64") else y_true.astype("int64")


def per_sample(x: Tensor) -> Tensor:
    """Return the mean over all axes but the first: (batch, ...) → (batch,)."""
    if x.size == x.shape[0]:
        return x.reshape(x.size)  # nothing to add up
    return x.mean(axis=tuple(range(1, x.ndim)))


def per_step(x: Tensor, mask: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Return figures in the shape of a mask, (batch, time), and the mask in their dtype."""
    if x.shape[: mask.ndim] != mask.shape:
        raise ValueError(
            f"{name} gives values of shape {x.shape}, but predictions with padding, mask "
            f"{mask.shape}, want one a step"
        )
    if x.ndim > mask.ndim:
        x = x.mean(axis=tuple(range(mask.ndim, x.ndim)))
    return x, mask.astype(x.dtype)


def as_tensors(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Tensor, Tensor]:
    """Return targets and predictions as tensors, predictions of a float dtype."""
    true = y_true if isinstance(y_true, Tensor) else Tensor(np.asarray(y_true))
    pred = y_pred if isinstance(y_pred, Tensor) else Tensor(np.asarray(y_pred))
    return true, pred.astype("float32") if is_integer(pred.dtype) else pred


def weight_column(sample_weight: ArrayLike, y_pred: Tensor) -> Tensor:
    """Return sample weights of shape (batch,) in the dtype of the predictions."""
    weight = sample_weight if isinstance(sample_weight, Tensor) else Tensor(sample_weight)
    if weight.shape != y_pred.shape[:1]:
        raise ValueError(
            f"sample_weight: expected shape {y_pred.shape[:1]}, one weight a sample, "
            f"got {weight.shape}"
        )
    return weight if weight.dtype == y_pred.dtype else weight.astype(y_pred.dtype)


class Loss(Configurable):
    """Base class of losses.

    ``L = 1/n Σᵢ wᵢ ℓ(yᵢ, ŷᵢ)`` over the n samples of a batch: weights scale the terms and n stays
    the number of samples, which is Keras's ``"sum_over_batch_size"``.

    A loss of one's own overrides `call` with a tensor expression. It is recorded with the network,
    so it runs natively and needs no gradient.

    Parameters
    ----------
    name : str, optional
        Shown in messages and used as key in logs. Default: the class name in snake case.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.losses import Loss
    >>> class Cubic(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return abs(y_true - y_pred) ** 3
    >>> Cubic()(np.array([[1.0], [2.0]]), np.array([[3.0], [2.0]]))
    4.0
    """

    targets = "numbers shaped like the predictions"
    """What targets are, in a few words for error messages."""

    def __init__(self, name: str | None = None) -> None:
        self.name = snake_case(type(self).__name__) if name is None else name
        self._gradients: ProgramCache[Executable] = ProgramCache(8)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each element or sample.

        Parameters
        ----------
        y_true, y_pred : Tensor, shape (batch, ...)
            Targets, in the shape and dtype of the predictions, and predictions.

        Returns
        -------
        Tensor, shape (batch,) or (batch, ...)
            Averaged over all axes but the first by `values`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no call(y_true, y_pred)")

    def align(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return targets in the shape and dtype that `call` expects."""
        return like_prediction(y_true, y_pred)

    def elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return what `call` does, of targets as they come."""
        if y_pred.dtype == "bfloat16":  # eight bits are too few to sum in
            y_pred = y_pred.astype("float32")
        return self.call(self.align(y_true, y_pred), y_pred)

    def values(self, y_true: Tensor, y_pred: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the loss of each sample, of shape (batch,), as a tensor expression.

        With a mask, (batch, time), that of the steps that it leaves out is zero and the others' are
        scaled up, so that the mean over the batch is the mean over the steps that are left.
        """
        values = self.elements(y_true, y_pred)
        if mask is not None:
            values, seen = per_step(values, mask, f"loss {self.name!r}")
            values = values * seen * (float(mask.size) / ops.maximum(seen.sum(), 1.0))
        return per_sample(values)

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Return the mean loss of a batch: a float for arrays, a tensor of rank 0 for tensors.

        Parameters
        ----------
        y_true, y_pred : array_like or Tensor, shape (batch, ...)
        sample_weight : array_like or Tensor, shape (batch,), optional
            Factors of the samples' losses.

        Raises
        ------
        ValueError, TypeError
            Shapes, dtypes or values don't fit this loss.
        """
        true, pred = self._checked(y_true, y_pred)
        values = self.values(true, pred)
        if sample_weight is not None:
            values = values * weight_column(sample_weight, values)
        mean = values.mean()
        return mean if isinstance(y_true, Tensor) or isinstance(y_pred, Tensor) else mean.item()

    def gradient(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        """Return ``∂L/∂ŷ`` of the mean loss, in the shape of ``y_pred``.

        Parameters
        ----------
        y_true, y_pred : array_like or Tensor, shape (batch, ...)

        Returns
        -------
        numpy.ndarray or Tensor
            An array for arrays, a tensor for tensors.

        Examples
        --------
        >>> import numpy as np
        >>> from pynn.losses import MeanSquaredError
        >>> MeanSquaredError().gradient(np.array([[1.0], [2.0]]), np.array([[3.0], [2.0]]))
        array([[2.],
               [0.]])
        """
        true, pred = self._checked(y_true, y_pred)
        recorder = Recorder.current()
        if recorder is not None:
            return recorder.gradient(self(true, pred), [pred])[0]

        def record() -> Executable:
            with Recorder() as recorder:
                y, p = (recorder.input(x.shape, x.dtype) for x in (true, pred))
                (found,) = recorder.gradient(self.values(y, p).mean(), [p])
                return recorder.compile([ops.zeros_like(p) if found is None else found])

        signature = (true.shape, true.dtype, pred.shape, pred.dtype, self.settings())
        (gradient,) = self._gradients.get(signature, record)(true.numpy(), pred.numpy())
        return Tensor(gradient) if isinstance(y_pred, Tensor) else gradient

    def _checked(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Tensor, Tensor]:
        true, pred = as_tensors(y_true, y_pred)
        self.check(true.shape, true.dtype, pred.shape)
        if not true.symbolic:
            self.check_values(true.numpy(), pred.shape)
        return true, pred

    def target_dtype(self, y_dtype: object, net_dtype: str) -> str:
        """Return the dtype in which targets reach the program of a network of ``net_dtype``."""
        return net_dtype

    def check(self, y_true_shape: Shape, y_true_dtype: object, y_pred_shape: Shape) -> None:
        """Raise ValueError or TypeError where targets don't fit predictions.

        Shapes include the batch axis; None stands for an extent that is not known yet.
        """
        check_batch(self.name, y_true_shape, y_pred_shape)
        if _core(y_true_shape) != _core(y_pred_shape):
            raise ValueError(
                f"{self.name} expects y_true of shape {shown(y_pred_shape)} "
                f"({self.targets}), got {shown(y_true_shape)}"
            )

    def check_values(self, y_true: npt.NDArray[Any], y_pred_shape: Shape) -> None:
        """Raise ValueError where targets have values this loss has no meaning for."""


class FunctionLoss(Loss):
    """A loss made of a function ``f(y_true, y_pred)`` of tensors.

    Parameters
    ----------
    function : callable
        Returns losses of shape (batch,), (batch, ...) or (), the last being the batch's own mean.
        Integer targets reach it as integers.
    name : str, optional
        Default: the function's name.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor], Tensor], name: str | None = None
    ) -> None:
        super().__init__(name or getattr(function, "__name__", "loss"))
        self.function = function

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        values = self.function(y_true, y_pred)
        if not isinstance(values, Tensor):
            raise TypeError(
                f"loss {self.name!r} must return a tensor made of y_true and y_pred by tensor "
                f"operations, got {type(values).__name__}"
            )
        return values if values.ndim else ops.broadcast_to(values, y_pred.shape[:1])

    def align(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        alike = y_true.shape != y_pred.shape and _core(y_true.shape) == _core(y_pred.shape)
        return y_true.reshape(*y_pred.shape) if alike else y_true  # (n,) - (n, 1) would be (n, n)

    def target_dtype(self, y_dtype: object, net_dtype: str) -> str:
        return "int64" if is_integer(y_dtype) else net_dtype

    def check(self, y_true_shape: Shape, y_true_dtype: object, y_pred_shape: Shape) -> None:
        check_batch(self.name, y_true_shape, y_pred_shape)


def check_batch(name: str, y_true_shape: Shape, y_pred_shape: Shape) -> None:
    """Raise ValueError where targets and predictions hold different numbers of samples."""
    if not len(y_true_shape) or not len(y_pred_shape):
        raise ValueError(f"{name} expects a batch axis, got shapes () of y_true or y_pred")
    targets, predictions = y_true_shape[0], y_pred_shape[0]
    if None not in (targets, predictions) and targets != predictions:
        raise ValueError(f"{name}: {targets} targets for {predictions} predictions")


def shown(shape: Shape) -> str:
    """Return a shape as text, ``batch`` standing for its first extent where that is not known."""
    extents = ["batch" if extent is None else str(extent) for extent in shape]
    return f"({', '.join(extents)}{',' if len(extents) == 1 else ''})"


def _core(shape: Shape) -> list[int | None]:
    """Return the extents of a sample without trailing ones: (n,) and (n, 1) hold the same."""
    extents = list(shape[1:])
    while extents and extents[-1] == 1:
        extents.pop()
    return extents


registry: Registry[Loss] = Registry("loss", Loss, FunctionLoss)


def get(identifier: object) -> Loss:
    """Return a loss by name, object, class, configuration or function of tensors.

    Examples
    --------
    >>> get("mse")
    MeanSquaredError()
    >>> get(lambda y_true, y_pred: abs(y_true - y_pred)).name
    '<lambda>'
    """
    return registry.get(identifier)
