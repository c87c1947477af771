"""Images of another size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pynn import checks, ops
from pynn._native import Tensor
from pynn.layers import spatial
from pynn.layers.spatial import Spatial
from pynn.layers.weights import Shape

INTERPOLATIONS = ("nearest", "bilinear")


def interpolation_name(value: Any, name: str) -> str:
    """Check the name of a way to interpolate."""
    if value not in INTERPOLATIONS:
        known = " or ".join(map(repr, INTERPOLATIONS))
        raise ValueError(f"{name} expects {known}, got {value!r}")
    return str(value)


def resample(x: Tensor, axis: int, size: int, interpolation: str) -> Tensor:
    """Give an axis `size` pixels.

    The centre of pixel i lies at ``s = (i + 1/2) n / size - 1/2``. It takes the value of the pixel
    there, or ``(1 - t) x[floor(s)] + t x[floor(s) + 1]`` with ``t = s - floor(s)``; beyond the
    borders the image goes on with its last pixel.
    """
    n = x.shape[axis]
    if n == size:
        return x
    if interpolation == "nearest":
        nearest: Tensor = ops.take(x, [(2 * i + 1) * n // (2 * size) for i in range(size)], axis)
        return nearest
    centres = [min(max((i + 0.5) * n / size - 0.5, 0.0), n - 1.0) for i in range(size)]
    left = [math.floor(s) for s in centres]
    right = [min(i + 1, n - 1) for i in left]
    t = Tensor([s - i for s, i in zip(centres, left, strict=True)], dtype="float64")
    t = t.astype(x.dtype).reshape([size] + [1] * (x.ndim - axis - 1))
    low, high = ops.take(x, left, axis), ops.take(x, right, axis)
    y: Tensor = low + t * (high - low)
    return y


class UpSampling(Spatial):
    """Base class: inputs (batch, space..., channels) with each axis of space `size` times as long.

    Parameters
    ----------
    size : int or tuple of int, default 2
        The factors.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `size` is not made of positive integers, or the inputs have another number of axes.
    """

    interpolation = "nearest"

    def __init__(self, size: int | Sequence[int] = 2, **options: Any) -> None:
        super().__init__(**options)
        self.size = spatial.per_axis(size, f"{type(self).__name__}: size", self.axes)

    def forward(self, x: Tensor) -> Tensor:
        for axis, factor in enumerate(self.size, 1):
            x = resample(x, axis, factor * x.shape[axis], self.interpolation)
        return x


class UpSampling1D(UpSampling):
    """Steps of (batch, steps, channels) repeated; see `UpSampling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import UpSampling1D
    >>> UpSampling1D(2)(np.array([[[1.0], [2.0]]]))[0, :, 0]
    array([1., 1., 2., 2.], dtype=float32)
    """

    axes = 1


class UpSampling2D(UpSampling):
    """Larger images (batch, rows, columns, channels).

    Parameters
    ----------
    size : int or tuple of int, default 2
        The factors.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Pixels repeated, or lines drawn between their centres.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `size` is not made of positive integers, `interpolation` is unknown, or the inputs have
        another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import UpSampling2D
    >>> x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    >>> UpSampling2D((1, 2), "bilinear")(x)[0, 0, :, 0]
    array([0., 1., 3., 4.], dtype=float32)
    """

    axes = 2

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        interpolation: str = "nearest",
        **options: Any,
    ) -> None:
        super().__init__(size, **options)
        self.interpolation = interpolation_name(interpolation, "UpSampling2D: interpolation")


class UpSampling3D(UpSampling):
    """Pixels of (batch, depth, rows, columns, channels) repeated; see `UpSampling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import UpSampling3D
    >>> UpSampling3D((1, 2, 3))(np.ones((1, 2, 2, 2, 5))).shape
    (1, 2, 4, 6, 5)
    """

    axes = 3


class Resizing(Spatial):
    """Images (batch, rows, columns, channels) of another size.

    Parameters
    ----------
    height, width : int
        Rows and columns of the outputs.
    interpolation : {"nearest", "bilinear"}, default "bilinear"
        The nearest pixel, or lines between the centres of pixels; smaller images are not smoothed
        first.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or the inputs have another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Resizing
    >>> Resizing(1, 3)(np.array([0.0, 3.0, 6.0, 9.0, 12.0, 15.0]).reshape(1, 1, 6, 1))[0, 0, :, 0]
    array([ 1.5,  7.5, 13.5], dtype=float32)
    """

    axes = 2

    def __init__(
        self, height: int, width: int, interpolation: str = "bilinear", **options: Any
    ) -> None:
        super().__init__(**options)
        self.height = checks.whole(height, "Resizing: height")
        self.width = checks.whole(width, "Resizing: width")
        self.interpolation = interpolation_name(interpolation, "Resizing: interpolation")

    def forward(self, x: Tensor) -> Tensor:
        rows = resample(x, 1, self.height, self.interpolation)
        return resample(rows, 2, self.width, self.interpolation)


class CenterCrop(Spatial):
    """The middle of images (batch, rows, columns, channels).

    Parameters
    ----------
    height, width : int
        Rows and columns of the outputs.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an extent is not a positive integer, or the inputs are smaller.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import CenterCrop
    >>> CenterCrop(1, 2)(np.arange(4.0).reshape(1, 1, 4, 1))[0, 0, :, 0]
    array([1., 2.], dtype=float32)
    """

    axes = 2

    def __init__(self, height: int, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.height = checks.whole(height, "CenterCrop: height")
        self.width = checks.whole(width, "CenterCrop: width")

    def check_sample(self, shape: Shape) -> None:
        super().check_sample(shape)
        if shape[0] < self.height or shape[1] < self.width:
            raise ValueError(
                f"{self} needs images of at least {self.height} x {self.width} pixels, "
                f"got samples of shape {shape}"
            )

    def forward(self, x: Tensor) -> Tensor:
        row, column = (x.shape[1] - self.height) // 2, (x.shape[2] - self.width) // 2
        return x[:, row : row + self.height, column : column + self.width]
