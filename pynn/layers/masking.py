"""Masks of sequences: which steps are padding."""

from __future__ import annotations

from typing import Any

from pynn import ops
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Masking(Layer):
    """``y = x``, with zeros for the steps of which every feature is `mask_value`.

    In a network the layers behind it get the mask, (batch, time), and hand it on until one takes
    the axis of time away: recurrent layers, attention and pooling leave such steps out, and so do
    the loss and the metrics. By hand, give it as ``mask``.

    Parameters
    ----------
    mask_value : float, default 0.0
        What padding consists of.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError
        If the inputs are no sequences, (batch, time, features).

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import LSTM, Masking
    >>> masking = Masking(-1.0)
    >>> x = np.array([[[3.0, -1.0], [-1.0, -1.0]]])
    >>> masking(x)
    array([[[ 3., -1.],
            [ 0.,  0.]]], dtype=float32)
    >>> LSTM(4)(masking(x), mask=masking.compute_mask(x)).shape
    (1, 4)
    """

    def __init__(self, mask_value: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.mask_value = float(mask_value)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = ops.where(ops.expand_dims(self.compute_mask(x), -1), x, 0.0)
        return y

    def check_input(self, shape: Shape) -> None:
        if len(shape) != 3:
            raise ValueError(
                f"{self} expects sequences of shape (batch, time, features), got {shape}"
            )

    def compute_mask(self, x: Any, mask: Any = None) -> Tensor:
        """Return which steps of (batch, time, features) are no padding, as bool (batch, time)."""
        seen: Tensor = ops.any(ops.not_equal(x, self.mask_value), -1)
        return seen
