"""Layers that only move the boundaries between axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pynn import checks, ops
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


class Permute(Layer):
    """Axes of each sample in another order.

    Parameters
    ----------
    dims : tuple of int
        The new order; the batch axis, which stays, is 0 and not among them.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `dims` is not an order of 1, 2, ..., or the inputs have another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Permute
    >>> Permute((2, 1))(np.zeros((5, 2, 3))).shape
    (5, 3, 2)
    """

    def __init__(self, dims: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.dims = checks.sample_shape(dims, "Permute: dims")
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims expects an order of 1, 2, ..., got {dims}")

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(0, *self.dims)

    def check_input(self, shape: Shape) -> None:
        if len(shape) != len(self.dims) + 1:
            raise ValueError(
                f"{self} expects samples with {len(self.dims)} axes, got inputs of shape {shape}"
            )


class RepeatVector(Layer):
    """Each vector several times in a row: (batch, features) to (batch, n, features).

    Parameters
    ----------
    n : int
        How often.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `n` is not a positive integer, or the inputs are not (batch, features).

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RepeatVector
    >>> RepeatVector(2)(np.array([[1.0, 3.0]]))
    array([[[1., 3.],
            [1., 3.]]], dtype=float32)
    """

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n = checks.whole(n, "RepeatVector: n")

    def forward(self, x: Tensor) -> Tensor:
        batch, features = x.shape
        y: Tensor = ops.broadcast_to(x.reshape(batch, 1, features), (batch, self.n, features))
        return y

    def check_input(self, shape: Shape) -> None:
        if len(shape) != 2:
            raise ValueError(f"{self} expects inputs of shape (batch, features), got {shape}")
