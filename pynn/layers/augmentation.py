"""Images mirrored and lit at random, so that a network learns not to mind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pynn import checks, ops
from pynn._native import Tensor
from pynn.layers.dropout import Noisy
from pynn.layers.spatial import Spatial

Factor = float | Sequence[float]


class Augmentation(Noisy, Spatial):
    """Base class of layers that change images (batch, rows, columns, channels) in training only.

    Each image has draws of its own.

    Parameters
    ----------
    seed : int or None, default None
        With a seed the draws depend on it and the number of the step alone; ``None`` follows
        `pynn.seed`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.
    """

    axes = 2

    def drawn(self, x: Tensor, *ranges: tuple[float, float]) -> list[Tensor]:
        """Draw a number from each range for each image, (batch, 1)."""
        numbers = self.uniform((x.shape[0], len(ranges)), x)
        return [low + (high - low) * numbers[:, i : i + 1] for i, (low, high) in enumerate(ranges)]

    def forward(self, x: Tensor) -> Tensor:
        return self.augmented(x) if self.training else x

    def augmented(self, x: Tensor) -> Tensor:
        """Change the images."""
        raise NotImplementedError(f"{type(self).__name__} defines no augmented(x)")


class RandomFlip(Augmentation):
    """In training, each image is mirrored or not, each as likely.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}, default "horizontal_and_vertical"
        Left and right, upside down, or one drawn for each.
    seed : int or None, default None
        See `Augmentation`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `mode` is unknown, or the inputs have another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RandomFlip
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> flip = RandomFlip("horizontal", seed=1)
    >>> sorted({tuple(flip(x, training=True)[0, 0, :, 0].tolist()) for _ in range(20)})
    [(1.0, 2.0), (2.0, 1.0)]
    """

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(seed, **options)
        if mode not in ("horizontal_and_vertical", "horizontal", "vertical"):
            raise ValueError(
                "RandomFlip: mode expects 'horizontal', 'vertical' or 'horizontal_and_vertical', "
                f"got {mode!r}"
            )
        self.mode = mode

    def augmented(self, x: Tensor) -> Tensor:
        across, down = (
            draw.reshape(-1, 1, 1, 1) < 0.5 for draw in self.drawn(x, (0.0, 1.0), (0.0, 1.0))
        )
        if "horizontal" in self.mode:
            x = ops.where(across, x[:, :, ::-1], x)
        if "vertical" in self.mode:
            x = ops.where(down, x[:, ::-1], x)
        return x


class RandomBrightness(Augmentation):
    """In training, ``y = clip(x + f (high - low))`` with an f for each image.

    Parameters
    ----------
    factor : float or pair of float
        Range of f; a number f is (-f, f).
    value_range : pair of float, default (0, 255)
        ``low`` and ``high``, which outputs don't leave.
    seed : int or None, default None
        See `Augmentation`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or the inputs have another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RandomBrightness
    >>> RandomBrightness((0.2, 0.2), (0, 1))(np.zeros((1, 1, 1, 1)), training=True).round(3)
    array([[[[0.2]]]], dtype=float32)
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0.0, 255.0),
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(seed, **options)
        self.factor = limits(factor, "RandomBrightness: factor")
        self.value_range = limits(value_range, "RandomBrightness: value_range", -math.inf)

    def augmented(self, x: Tensor) -> Tensor:
        low, high = self.value_range
        (shift,) = self.drawn(x, self.factor)
        return clipped(x + (shift * (high - low)).astype(x.dtype).reshape(-1, 1, 1, 1), low, high)


class RandomContrast(Augmentation):
    """In training, ``y = clip(μ + f (x - μ))`` with an f for each image.

    ``μ`` is the mean of an image's channel.

    Parameters
    ----------
    factor : float or pair of float
        A number g is f from 1 - g to 1 + g, a pair (g, h) from 1 - g to 1 + h.
    value_range : pair of float, default (0, 255)
        What outputs don't leave.
    seed : int or None, default None
        See `Augmentation`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or the inputs have another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RandomContrast
    >>> more = RandomContrast((-0.5, 0.5))
    >>> more(np.array([0.0, 2.0]).reshape(1, 1, 2, 1) + 5, training=True)[0, 0, :, 0]
    array([4.5, 7.5], dtype=float32)
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0.0, 255.0),
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(seed, **options)
        given = factor if hasattr(factor, "__iter__") else (factor, factor)
        self.factor = tuple(checks.number(f, "RandomContrast: factor") for f in given)
        if len(self.factor) != 2 or self.factor[0] > 1 or -self.factor[0] > self.factor[1]:
            raise ValueError(
                f"RandomContrast: factor expects a number up to 1 or two, got {factor!r}"
            )
        self.value_range = limits(value_range, "RandomContrast: value_range", -math.inf)

    def augmented(self, x: Tensor) -> Tensor:
        less, more = self.factor
        (contrast,) = self.drawn(x, (1 - less, 1 + more))
        mean = x.mean((1, 2), keepdims=True)
        return clipped(
            mean + contrast.astype(x.dtype).reshape(-1, 1, 1, 1) * (x - mean), *self.value_range
        )


def limits(factor: Factor, name: str, least: float = -math.inf) -> tuple[float, float]:
    """Check a range, of which the number f stands for (-f, f)."""
    given = tuple(factor) if isinstance(factor, Sequence) else (-factor, factor)
    values = tuple(checks.number(f, name) for f in given)
    if len(values) != 2 or not least <= values[0] <= values[1]:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise ValueError(f"{name} expects a number or (low, high){bound}, got {factor!r}")
    return values[0], values[1]


def clipped(x: Tensor, low: float, high: float) -> Tensor:
    """Keep values within a range."""
    y: Tensor = ops.minimum(ops.maximum(x, low), high)
    return y
