"""Pixels added around images, taken away from around them."""

from __future__ import annotations

from typing import Any

from pynn import ops
from pynn._native import Tensor
from pynn.layers import spatial
from pynn.layers.spatial import Spatial
from pynn.layers.weights import Shape


class ZeroPadding(Spatial):
    """Base class: zeros around inputs (batch, space..., channels).

    Parameters
    ----------
    padding : int or sequence, default 1
        Pixels around each axis: one number for all, or for each axis one or a pair (before,
        after).
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `padding` is not as above, or the inputs have another number of axes.
    """

    def __init__(self, padding: Any = 1, **options: Any) -> None:
        super().__init__(**options)
        self.padding = spatial.pairs(padding, f"{type(self).__name__}: padding", self.axes)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = ops.pad(x, ((0, 0), *self.padding, (0, 0)))
        return y


class ZeroPadding1D(ZeroPadding):
    """Zeros around (batch, steps, channels); see `ZeroPadding`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import ZeroPadding1D
    >>> ZeroPadding1D((0, 2))(np.ones((1, 1, 1)))[0, :, 0]
    array([1., 0., 0.], dtype=float32)
    """

    axes = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around (batch, rows, columns, channels); see `ZeroPadding`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import ZeroPadding2D
    >>> ZeroPadding2D((1, (0, 2)))(np.ones((1, 4, 4, 3))).shape
    (1, 6, 6, 3)
    """

    axes = 2


class ZeroPadding3D(ZeroPadding):
    """Zeros around (batch, depth, rows, columns, channels); see `ZeroPadding`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import ZeroPadding3D
    >>> ZeroPadding3D(1)(np.ones((1, 2, 3, 4, 5))).shape
    (1, 4, 5, 6, 5)
    """

    axes = 3


class Cropping(Spatial):
    """Base class: inputs (batch, space..., channels) without the pixels at their borders.

    Parameters
    ----------
    cropping : int or sequence, default 1
        Pixels at the ends of each axis: one number for all, or for each axis one or a pair (before,
        after).
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `cropping` is not as above, or leaves nothing of the inputs.
    """

    def __init__(self, cropping: Any = 1, **options: Any) -> None:
        super().__init__(**options)
        self.cropping = spatial.pairs(cropping, f"{type(self).__name__}: cropping", self.axes)

    def check_sample(self, shape: Shape) -> None:
        super().check_sample(shape)
        if any(n <= sum(pair) for n, pair in zip(shape, self.cropping, strict=False)):
            raise ValueError(
                f"{self} crops {self.cropping}, which leaves nothing of samples of shape {shape}"
            )

    def forward(self, x: Tensor) -> Tensor:
        kept = [
            slice(before, n - after)
            for n, (before, after) in zip(x.shape[1:-1], self.cropping, strict=True)
        ]
        return x[(slice(None), *kept)]


class Cropping1D(Cropping):
    """(batch, steps, channels) without its borders; see `Cropping`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Cropping1D
    >>> Cropping1D(1)(np.array([[[1.0], [2.0], [3.0]]]))
    array([[[2.]]], dtype=float32)
    """

    axes = 1


class Cropping2D(Cropping):
    """(batch, rows, columns, channels) without its borders; see `Cropping`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Cropping2D
    >>> Cropping2D((1, (0, 2)))(np.ones((1, 4, 4, 3))).shape
    (1, 2, 2, 3)
    """

    axes = 2


class Cropping3D(Cropping):
    """(batch, depth, rows, columns, channels) without its borders; see `Cropping`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Cropping3D
    >>> Cropping3D(1)(np.ones((1, 3, 4, 5, 2))).shape
    (1, 1, 2, 3, 2)
    """

    axes = 3
