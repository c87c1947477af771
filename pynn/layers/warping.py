"""Images turned, shifted and scaled at random."""

from __future__ import annotations

import math
from typing import Any

from pynn import checks, ops
from pynn._native import Tensor
from pynn.layers.augmentation import Augmentation, Factor, limits
from pynn.layers.resampling import interpolation_name

FILL_MODES = ("reflect", "constant", "nearest", "wrap")


class RandomWarp(Augmentation):
    """Base class: pixel (i, j) of an output is the image at a place that is linear in i and j.

    Parameters
    ----------
    fill_mode : {"reflect", "constant", "nearest", "wrap"}, default "reflect"
        How images go on beyond their borders: with their mirror image, with `fill_value`, with
        their last pixel, or from their other end.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Between the four pixels around a place, or the nearest one.
    seed : int or None, default None
        See `Augmentation`.
    fill_value : float, default 0.0
        What is beyond the border for "constant".
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.
    """

    def __init__(
        self,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(seed, **options)
        who = type(self).__name__
        if fill_mode not in FILL_MODES:
            known = ", ".join(map(repr, FILL_MODES))
            raise ValueError(f"{who}: fill_mode expects one of {known}, got {fill_mode!r}")
        self.fill_mode = fill_mode
        self.interpolation = interpolation_name(interpolation, f"{who}: interpolation")
        self.fill_value = checks.number(fill_value, f"{who}: fill_value")

    def matrix(self, x: Tensor) -> list[Tensor]:
        """Draw ``m``, six columns (batch, 1), of ``row = m0 i + m1 j + m2``, ``column = m3 i + …``.

        Places are counted from the middle of the image.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no matrix(x)")

    def augmented(self, x: Tensor) -> Tensor:
        a, b, shift, c, d, slide = self.matrix(x)
        row, column = (x.shape[1] - 1) / 2, (x.shape[2] - 1) / 2
        parts = [
            *(a, b, shift + row - a * row - b * column),
            *(c, d, slide + column - c * row - d * column),
        ]
        y: Tensor = ops.warp(
            x, ops.concatenate(parts, 1), self.interpolation, self.fill_mode, self.fill_value
        )
        return y


class RandomTranslation(RandomWarp):
    """In training, each image is shifted.

    Parameters
    ----------
    height_factor, width_factor : float or pair of float
        Range of the shifts down and to the right, as shares of the image's extents; a number f is
        (-f, f).
    fill_mode, interpolation, seed, fill_value
        See `RandomWarp`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or the inputs have another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RandomTranslation
    >>> right = RandomTranslation(0.0, (0.25, 0.25), fill_mode="constant")
    >>> right(np.arange(1.0, 5.0).reshape(1, 1, 4, 1), training=True)[0, 0, :, 0]
    array([0., 1., 2., 3.], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, **options)
        self.height_factor = limits(height_factor, "RandomTranslation: height_factor")
        self.width_factor = limits(width_factor, "RandomTranslation: width_factor")

    def matrix(self, x: Tensor) -> list[Tensor]:
        down, right = self.drawn(x, self.height_factor, self.width_factor)
        zero, one = down * 0, down * 0 + 1
        return [one, zero, down * -x.shape[1], zero, one, right * -x.shape[2]]


class RandomRotation(RandomWarp):
    """In training, each image is turned about its middle.

    Parameters
    ----------
    factor : float or pair of float
        Range of the angles counterclockwise, as shares of a full turn; a number f is (-f, f).
    fill_mode, interpolation, seed, fill_value
        See `RandomWarp`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or the inputs have another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RandomRotation
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> RandomRotation((0.25, 0.25))(x, training=True)[0, :, :, 0].round(3)
    array([[2., 4.],
           [1., 3.]], dtype=float32)
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, **options)
        self.factor = limits(factor, "RandomRotation: factor")

    def matrix(self, x: Tensor) -> list[Tensor]:
        (turn,) = self.drawn(x, self.factor)
        cos, sin = ops.cos(turn * (2 * math.pi)), ops.sin(turn * (2 * math.pi))
        return [cos, sin, turn * 0, -sin, cos, turn * 0]


class RandomZoom(RandomWarp):
    """In training, each image is scaled about its middle.

    Parameters
    ----------
    height_factor : float or pair of float
        Range of f, by which 1 + f times as many rows are shown: above 0 things become smaller. A
        number f is (-f, f).
    width_factor : float, pair of float or None, default None
        The same for columns; ``None`` keeps their ratio.
    fill_mode, interpolation, seed, fill_value
        See `RandomWarp`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, a factor is below -1, or the inputs have another number of
        axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RandomZoom
    >>> closer = RandomZoom((-0.5, -0.5))
    >>> closer(np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 4, 1), training=True)[0, 0, :, 0]
    array([1.75, 2.25, 2.75, 3.25], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, **options)
        self.height_factor = limits(height_factor, "RandomZoom: height_factor", -1.0)
        self.width_factor = (
            None if width_factor is None else limits(width_factor, "RandomZoom: width_factor", -1.0)
        )

    def matrix(self, x: Tensor) -> list[Tensor]:
        rows, columns = self.drawn(x, self.height_factor, self.width_factor or self.height_factor)
        columns = rows if self.width_factor is None else columns
        zero = rows * 0
        return [1 + rows, zero, zero, zero, 1 + columns, zero]
