"""Pooling: each window of an image becomes one value a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import checks, ops
from pynn._native import Tensor
from pynn.layers import spatial
from pynn.layers.spatial import Spatial
from pynn.layers.weights import Shape


class Pooling(Spatial):
    """Base class: inputs (batch, space..., channels), outputs one pixel a window.

    Parameters
    ----------
    pool_size : int or tuple of int, default 2
        The window's extents.
    strides : int, tuple of int or None, default None
        From one window to the next; ``None`` is `pool_size`.
    padding : {"valid", "same"}, int or sequence, default "valid"
        None; as much as gives ceil(extent / stride) outputs; or pixels around each axis, each an
        int or a pair (before, after), less than the window. It never counts: neither as greatest
        nor in a mean.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or a window is larger than the padded inputs.
    """

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: Any = "valid",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        self.pool_size = spatial.per_axis(pool_size, f"{who}: pool_size", self.axes)
        self.strides = (
            self.pool_size
            if strides is None
            else spatial.per_axis(strides, f"{who}: strides", self.axes)
        )
        self.padding = spatial.padding(padding, f"{who}: padding", self.axes, ("valid", "same"))
        if not isinstance(self.padding, str) and any(
            max(pair) >= window for pair, window in zip(self.padding, self.pool_size, strict=True)
        ):
            raise ValueError(
                f"{who}: padding must be less than pool_size {self.pool_size}, got {padding!r}"
            )

    def check_sample(self, shape: Shape) -> None:
        super().check_sample(shape)
        if self.padding == "same":
            return
        around = ((0, 0),) * self.axes if isinstance(self.padding, str) else self.padding
        if any(
            n + sum(pair) < window
            for n, pair, window in zip(shape, around, self.pool_size, strict=False)
        ):
            raise ValueError(
                f"{self} has windows of {self.pool_size} pixels, larger than samples of shape "
                f"{shape} with padding={self.padding!r}"
            )


class MaxPooling(Pooling):
    """Base class: the greatest value of each window; see `Pooling`."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = ops.max_pool(x, self.pool_size, self.strides, self.padding)
        return y


class MaxPool1D(MaxPooling):
    """The greatest value of each window of (batch, steps, channels); see `Pooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import MaxPool1D
    >>> MaxPool1D(2)(np.array([[[1.0], [4.0], [2.0], [3.0]]]))
    array([[[4.],
            [3.]]], dtype=float32)
    """

    axes = 1


class MaxPool2D(MaxPooling):
    """The greatest value of each window of (batch, rows, columns, channels); see `Pooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import MaxPool2D
    >>> MaxPool2D(2)(np.ones((1, 6, 4, 2))).shape
    (1, 3, 2, 2)
    """

    axes = 2


class MaxPool3D(MaxPooling):
    """The greatest value of each window of (batch, depth, rows, columns, channels); see `Pooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import MaxPool3D
    >>> MaxPool3D(2)(np.ones((1, 6, 4, 2, 2))).shape
    (1, 3, 2, 1, 2)
    """

    axes = 3


class AvgPooling(Pooling):
    """Base class: the mean of each window; see `Pooling`."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = ops.avg_pool(x, self.pool_size, self.strides, self.padding)
        return y


class AvgPool1D(AvgPooling):
    """The mean of each window of (batch, steps, channels); see `Pooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import AvgPool1D
    >>> AvgPool1D(2)(np.array([[[1.0], [4.0], [2.0], [3.0]]]))
    array([[[2.5],
            [2.5]]], dtype=float32)
    """

    axes = 1


class AvgPool2D(AvgPooling):
    """The mean of each window of (batch, rows, columns, channels); see `Pooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import AvgPool2D
    >>> AvgPool2D(2)(np.ones((1, 6, 4, 2))).shape
    (1, 3, 2, 2)
    """

    axes = 2


class AvgPool3D(AvgPooling):
    """The mean of each window of (batch, depth, rows, columns, channels); see `Pooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import AvgPool3D
    >>> AvgPool3D(2)(np.ones((1, 6, 4, 2, 2))).shape
    (1, 3, 2, 1, 2)
    """

    axes = 3


class GlobalPooling(Spatial):
    """Base class: one value a channel from inputs (batch, space..., channels).

    Parameters
    ----------
    keepdims : bool, default False
        Whether outputs keep axes of extent 1 in place of space.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError
        If the inputs have another number of axes.
    """

    def __init__(self, keepdims: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.keepdims = checks.flag(keepdims, f"{type(self).__name__}: keepdims")

    @property
    def space(self) -> Shape:
        return tuple(range(1, self.axes + 1))


class GlobalMaxPooling(GlobalPooling):
    """Base class: the greatest value of each channel; see `GlobalPooling`."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = ops.max(x, self.space, self.keepdims)
        return y


class GlobalMaxPool1D(GlobalMaxPooling):
    """The greatest value of each channel of (batch, steps, channels); see `GlobalPooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GlobalMaxPool1D
    >>> GlobalMaxPool1D()(np.array([[[1.0], [5.0]]]))
    array([[5.]], dtype=float32)
    """

    axes = 1


class GlobalMaxPool2D(GlobalMaxPooling):
    """The greatest value of each channel of (batch, rows, columns, channels); see `GlobalPooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GlobalMaxPool2D
    >>> GlobalMaxPool2D()(np.array([[[[1.0], [5.0]]]]))
    array([[5.]], dtype=float32)
    """

    axes = 2


class GlobalMaxPool3D(GlobalMaxPooling):
    """The greatest value of each channel of (batch, depth, rows, columns, channels).

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GlobalMaxPool3D
    >>> GlobalMaxPool3D()(np.array([[[[[1.0], [5.0]]]]]))
    array([[5.]], dtype=float32)
    """

    axes = 3


class GlobalAvgPooling(GlobalPooling):
    """Base class: the mean of each channel; see `GlobalPooling`."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = ops.mean(x, self.space, self.keepdims)
        return y


class GlobalAvgPool1D(GlobalAvgPooling):
    """The mean of each channel of (batch, steps, channels); see `GlobalPooling`.

    A call takes ``mask``, bool, (batch, steps): where it is false steps are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GlobalAvgPool1D
    >>> GlobalAvgPool1D()(np.array([[[1.0], [5.0]]]))
    array([[3.]], dtype=float32)
    """

    axes = 1

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return super().forward(x)
        weight = ops.expand_dims(mask, -1).astype(x.dtype)
        count = ops.maximum(weight.sum(1, keepdims=self.keepdims), 1)
        y: Tensor = (x * weight).sum(1, keepdims=self.keepdims) / count
        return y


class GlobalAvgPool2D(GlobalAvgPooling):
    """The mean of each channel of (batch, rows, columns, channels); see `GlobalPooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GlobalAvgPool2D
    >>> GlobalAvgPool2D()(np.array([[[[1.0], [5.0]]]]))
    array([[3.]], dtype=float32)
    """

    axes = 2


class GlobalAvgPool3D(GlobalAvgPooling):
    """The mean of each channel of (batch, depth, rows, columns, channels); see `GlobalPooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GlobalAvgPool3D
    >>> GlobalAvgPool3D()(np.array([[[[[1.0], [5.0]]]]]))
    array([[3.]], dtype=float32)
    """

    axes = 3


class AdaptiveAvgPooling(Spatial):
    """Base class: means over `output_size` windows that divide each axis of space between them.

    Window i of an axis with n pixels goes from floor(i n / outputs) to ceil((i + 1) n / outputs).

    Parameters
    ----------
    output_size : int or tuple of int
        Extents of the outputs.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `output_size` is not made of positive integers, or the inputs have another number of
        axes.
    """

    def __init__(self, output_size: int | Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.output_size = spatial.per_axis(
            output_size, f"{type(self).__name__}: output_size", self.axes
        )

    def forward(self, x: Tensor) -> Tensor:
        space = x.shape[1:-1]
        if all(n % size == 0 for n, size in zip(space, self.output_size, strict=True)):
            return self.windows(x, space)
        for axis, size in enumerate(self.output_size, 1):
            x = self.means(x, axis, size)
        return x

    def windows(self, x: Tensor, space: Shape) -> Tensor:
        """Pool windows of one size."""
        sizes = [n // size for n, size in zip(space, self.output_size, strict=True)]
        y: Tensor = ops.avg_pool(x, sizes)
        return y

    def means(self, x: Tensor, axis: int, size: int) -> Tensor:
        """Multiply an axis by the matrix of its means, (pixels, windows)."""
        n = x.shape[axis]
        spans = [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
        weights = [[(a <= i < b) / (b - a) for a, b in spans] for i in range(n)]
        order = [k for k in range(x.ndim) if k != axis]
        back = [order.index(k) if k != axis else x.ndim - 1 for k in range(x.ndim)]
        means = ops.cast(Tensor(weights, dtype="float64"), x.dtype)
        y: Tensor = ops.transpose(ops.transpose(x, (*order, axis)) @ means, back)
        return y


class AdaptiveAvgPool1D(AdaptiveAvgPooling):
    """Means of windows that divide (batch, steps, channels); see `AdaptiveAvgPooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import AdaptiveAvgPool1D
    >>> AdaptiveAvgPool1D(2)(np.ones((1, 5, 3))).shape
    (1, 2, 3)
    """

    axes = 1


class AdaptiveAvgPool2D(AdaptiveAvgPooling):
    """Means of windows that divide (batch, rows, columns, channels); see `AdaptiveAvgPooling`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import AdaptiveAvgPool2D
    >>> AdaptiveAvgPool2D((2, 3))(np.ones((1, 5, 6, 3))).shape
    (1, 2, 3, 3)
    """

    axes = 2


class AdaptiveAvgPool3D(AdaptiveAvgPooling):
    """Means of windows that divide (batch, depth, rows, columns, channels).

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import AdaptiveAvgPool3D
    >>> AdaptiveAvgPool3D(2)(np.ones((1, 4, 4, 4, 3))).shape
    (1, 2, 2, 2, 3)
    """

    axes = 3


# Keras's other names.
MaxPooling1D, MaxPooling2D, MaxPooling3D = MaxPool1D, MaxPool2D, MaxPool3D
AveragePooling1D, AveragePooling2D, AveragePooling3D = AvgPool1D, AvgPool2D, AvgPool3D
GlobalMaxPooling1D, GlobalMaxPooling2D = GlobalMaxPool1D, GlobalMaxPool2D
GlobalMaxPooling3D = GlobalMaxPool3D
GlobalAveragePooling1D, GlobalAveragePooling2D = GlobalAvgPool1D, GlobalAvgPool2D
GlobalAveragePooling3D = GlobalAvgPool3D
