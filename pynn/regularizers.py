"""Regularizers: what large weights add to the loss."""

from __future__ import annotations

from collections.abc import Callable

from pynn import ops
from pynn._registry import Configurable, Registry
from pynn.tensor import Tensor


class Regularizer(Configurable):
    """Base class of regularizers: a function of a weight, written as a tensor expression."""

    def __call__(self, weight: Tensor) -> Tensor:
        """Return the penalty of a weight, of rank 0."""
        raise NotImplementedError(f"{type(self).__name__} defines no __call__(weight)")


class FunctionRegularizer(Regularizer):
    """A regularizer made of a function ``f(weight)`` of tensors that returns one number."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, weight: Tensor) -> Tensor:
        return self.function(weight)


registry: Registry[Regularizer] = Registry("regularizer", Regularizer, FunctionRegularizer)


@registry.register()
class L1L2(Regularizer):
    """``R(w) = l1 Σ|w| + l2 Σw²``.

    The gradient of l2's term is ``2 l2 w``, twice that of a weight decay of the same number. (H.
    Zou, T. Hastie, "Regularization and Variable Selection via the Elastic Net", 2005.)

    Parameters
    ----------
    l1, l2 : float, default 0.0
        Factors, at least 0.

    Raises
    ------
    ValueError
        A factor is negative.

    Examples
    --------
    >>> from pynn import Tensor
    >>> L1L2(l1=0.5, l2=0.25)(Tensor([1.0, -2.0])).item()
    2.75
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        for argument, value in (("l1", l1), ("l2", l2)):
            if not value >= 0:
                raise ValueError(
                    f"{type(self).__name__}: {argument} must be at least 0, got {value}"
                )
        self.l1 = l1
        self.l2 = l2

    def __call__(self, weight: Tensor) -> Tensor:
        if not self.l1:
            return self.l2 * ops.square(weight).sum()
        if not self.l2:
            return self.l1 * ops.abs(weight).sum()
        return (self.l1 * ops.abs(weight) + self.l2 * ops.square(weight)).sum()


@registry.register()
class L1(L1L2):
    """``R(w) = l1 Σ|w|``, which makes weights zero.

    (R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", 1996.)

    Parameters
    ----------
    l1 : float, default 0.01

    Examples
    --------
    >>> from pynn import Tensor
    >>> L1(0.5)(Tensor([1.0, -2.0])).item()
    1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


@registry.register()
class L2(L1L2):
    """``R(w) = l2 Σw²``, which keeps weights small.

    (A. Hoerl, R. Kennard, "Ridge Regression", 1970.)

    Parameters
    ----------
    l2 : float, default 0.01

    Examples
    --------
    >>> from pynn import Tensor
    >>> L2(0.5)(Tensor([1.0, -2.0])).item()
    2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


def get(identifier: object) -> Regularizer | None:
    """Return a regularizer by name, object, class, configuration or function; None for None.

    Examples
    --------
    >>> get("l2")
    L2()
    """
    return None if identifier is None else registry.get(identifier)
