"""Penalties on what layers compute."""

from __future__ import annotations

from typing import Any

from pynn import regularizers
from pynn._native import Tensor
from pynn.layers.base import Layer


class ActivityRegularization(Layer):
    """``y = x``, with ``(l1 Σ|x| + l2 Σx²) / batch`` added to the loss.

    Parameters
    ----------
    l1, l2 : float, default 0.0
        Factors, at least 0.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError
        If a factor is negative.

    Examples
    --------
    >>> import pynn
    >>> from pynn.layers import ActivityRegularization
    >>> net = pynn.Network([ActivityRegularization(l1=0.5, input_shape=(2,))])
    >>> net.use(loss="mse")
    >>> net.evaluate([[1.0, -3.0]], [[1.0, -3.0]], verbose=0)
    {'loss': 2.0}
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.l1 = l1
        self.l2 = l2
        self.penalize = regularizers.L1L2(l1, l2)

    def forward(self, x: Tensor) -> Tensor:
        self.add_loss(self.penalize(x) / float(x.shape[0]))
        return x
