"""Layers that only move the boundaries between axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pynn import checks
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Flatten(Layer):
    """One axis out of all but the batch's: (batch, a, b, ...) to (batch, a b ...).

    Parameters
    ----------
    input_shape : int, tuple of int or None, default None
        Shape of one sample, without the batch axis.
    dtype : str or None, default None
        ``None`` is the network's, or float32.
    name : str or None, default None
        What errors and summaries call it.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Flatten
    >>> Flatten()(np.zeros((2, 28, 28))).shape
    (2, 784)
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))


class Reshape(Layer):
    """Samples of another shape with the same values in C order.

    Parameters
    ----------
    target_shape : tuple of int
        Shape of one output sample; one extent may be -1, which is what remains.
    input_shape : int, tuple of int or None, default None
        Shape of one sample, without the batch axis.
    dtype : str or None, default None
        ``None`` is the network's, or float32.
    name : str or None, default None
        What errors and summaries call it.

    Raises
    ------
    ValueError, TypeError
        If `target_shape` is not made of positive integers and at most one -1, or if the inputs have
        another number of values.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Reshape
    >>> Reshape((-1, 2))(np.zeros((5, 6))).shape
    (5, 3, 2)
    """

    def __init__(
        self,
        target_shape: int | Sequence[int],
        *,
        input_shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype, input_shape=input_shape)
        extents = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if extents.count(-1) > 1:
            raise ValueError(f"Reshape: target_shape may have one -1, got {target_shape}")
        known = [n for n in extents if n != -1]
        checks.sample_shape(known, "Reshape: target_shape")
        self.target_shape = extents

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.resolved(x.shape[1:]))

    def resolved(self, shape: Shape) -> Shape:
        """Find the outputs' shape, without -1, for samples of this shape."""
        size = math.prod(shape)
        known = math.prod(n for n in self.target_shape if n != -1)
        fits = size % known == 0 if -1 in self.target_shape else size == known
        if not fits:
            raise ValueError(
                f"{self} can't make {self.target_shape} of samples of shape {shape}, {size} values"
            )
        return tuple(size // known if n == -1 else n for n in self.target_shape)
