"""Dropout: noise that keeps units from relying on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import checks, ops
from pynn._native import Tensor
from pynn.layers.base import Layer


class Dropout(Layer):
    """In training, ``y = x m / (1 - rate)``; in prediction, ``y = x``.

    ``m`` is 0 with probability `rate`, else 1, drawn anew for each value and step; the masks follow
    `pynn.seed`. Outputs keep their mean, so prediction needs no scaling ("inverted" dropout).

    Parameters
    ----------
    rate : float
        Share of the inputs that is set to zero, from 0 to below 1.
    input_shape : int, tuple of int or None, default None
        Shape of one sample, without the batch axis.
    dtype : str or None, default None
        ``None`` is the network's, or float32.
    name : str or None, default None
        What errors and summaries call it.

    Raises
    ------
    ValueError, TypeError
        If `rate` is not a number from 0 to below 1.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR
    2014.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Dropout
    >>> Dropout(0.5)(np.ones((1, 3)))
    array([[1., 1., 1.]], dtype=float32)
    >>> sorted({float(v) for v in Dropout(0.5)(np.ones((1, 99)), training=True)[0]})
    [0.0, 2.0]
    """

    def __init__(
        self,
        rate: float,
        *,
        input_shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype, input_shape=input_shape)
        self.rate = checks.fraction(rate, "Dropout: rate")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        draws = "float64" if x.dtype == "float64" else "float32"
        kept = ops.random_uniform(x.shape, dtype=draws) >= self.rate
        return ops.where(kept, x / (1 - self.rate), 0)
