"""Dropout: noise that keeps units from relying on each other."""

from __future__ import annotations

from typing import Any, ClassVar

from pynn import checks, ops
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Noisy(Layer):
    """Base class of layers that draw random numbers in training and are ``y = x`` otherwise.

    Parameters
    ----------
    seed : int or None, default None
        With a seed a layer's draws depend on it and the number of the step alone; ``None`` follows
        `pynn.seed`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `seed` is not an integer of at least 0.
    """

    supports_masking = True

    def __init__(self, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = None if seed is None else checks.whole(seed, f"{type(self).__name__}: seed", 0)

    def uniform(self, shape: Shape, like: Tensor) -> Tensor:
        """Draw from [0, 1)."""
        dtype = "float64" if like.dtype == "float64" else "float32"
        drawn: Tensor = ops.random_uniform(shape, dtype=dtype, seed=self.seed)
        return drawn

    def normal(self, like: Tensor, mean: float, stddev: float) -> Tensor:
        """Draw a number for each of ``like``."""
        dtype = "float64" if like.dtype == "float64" else "float32"
        drawn: Tensor = ops.random_normal(like.shape, mean, stddev, dtype=dtype, seed=self.seed)
        return drawn.astype(like.dtype)


class Dropout(Noisy):
    """In training, ``y = x m / (1 - rate)``; in prediction, ``y = x``.

    ``m`` is 0 with probability `rate`, else 1, drawn anew for each value and step; the masks follow
    `pynn.seed`. Outputs keep their mean, so prediction needs no scaling ("inverted" dropout).

    Parameters
    ----------
    rate : float
        Share of the inputs that is set to zero, from 0 to below 1.
    noise_shape : tuple or None, default None
        Shape of ``m``, with the batch axis: along an axis of extent 1 all values share one draw,
        and None is the input's extent. ``None`` draws for each value.
    seed : int or None, default None
        With a seed the masks depend on it and the number of the step alone.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `rate` is not a number from 0 to below 1, or `noise_shape` does not fit the inputs.

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
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(seed, **options)
        self.rate = checks.fraction(rate, f"{type(self).__name__}: rate")
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = self.uniform(self.mask_shape(x.shape), x) >= self.rate
        return ops.where(kept, x / (1 - self.rate), 0)

    def mask_shape(self, shape: Shape) -> Shape:
        """Find the shape of ``m`` for inputs of this shape."""
        given = shape if self.noise_shape is None else self.noise_shape
        if len(given) != len(shape) or any(
            m not in (1, n, None) for n, m in zip(shape, given, strict=True)
        ):
            raise ValueError(f"{self}: noise_shape {given} does not fit inputs of shape {shape}")
        return tuple(n if m is None else m for n, m in zip(shape, given, strict=True))


class SpatialDropout(Dropout):
    """Base class: dropout of whole channels of inputs (batch, ..., channels).

    Neighbouring values say much the same, so dropping them one by one drops little.

    Parameters
    ----------
    rate : float
        Share of the channels that is set to zero, from 0 to below 1.
    seed : int or None, default None
        With a seed the masks depend on it and the number of the step alone.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `rate` is not a number from 0 to below 1, or the inputs have another number of axes.

    References
    ----------
    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.
    """

    axes: ClassVar[int]  # of space

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(rate, None, seed, **options)

    def check_input(self, shape: Shape) -> None:
        if len(shape) != self.axes + 2:
            space = ", ".join(
                ("time",) if self.axes == 1 else ("depth", "rows", "columns")[-self.axes :]
            )
            raise ValueError(
                f"{self} expects inputs of shape (batch, {space}, channels), got {shape}"
            )

    def mask_shape(self, shape: Shape) -> Shape:
        return (shape[0], *[1] * self.axes, shape[-1])


class SpatialDropout1D(SpatialDropout):
    """In training, whole channels of (batch, time, channels) are dropped; see `SpatialDropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SpatialDropout1D
    >>> y = SpatialDropout1D(0.5, seed=3)(np.ones((1, 2, 6)), training=True)
    >>> bool((y[0, 0] == y[0, 1]).all())
    True
    """

    axes = 1


class SpatialDropout2D(SpatialDropout):
    """In training, whole channels of (batch, rows, columns, channels) are dropped.

    See `SpatialDropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SpatialDropout2D
    >>> SpatialDropout2D(0.5)(np.ones((1, 2, 2, 6))).shape
    (1, 2, 2, 6)
    """

    axes = 2


class SpatialDropout3D(SpatialDropout):
    """In training, whole channels of (batch, depth, rows, columns, channels) are dropped.

    See `SpatialDropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SpatialDropout3D
    >>> SpatialDropout3D(0.5)(np.ones((1, 2, 2, 2, 6))).shape
    (1, 2, 2, 2, 6)
    """

    axes = 3


class AlphaDropout(Noisy):
    """In training, ``y = a (m x + (1 - m) α') + b``: dropout that keeps mean 0 and variance 1.

    Dropped values become ``α' = -1.7581``, the limit of SELU for x to -∞; ``b = -a rate α'`` and
    ``a = ((1 - rate) (1 + rate α'²))^-½``. Meant behind SELU; in prediction ``y = x``.

    Parameters
    ----------
    rate : float
        Share of the inputs that is dropped, from 0 to below 1.
    seed : int or None, default None
        With a seed the masks depend on it and the number of the step alone.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `rate` is not a number from 0 to below 1.

    References
    ----------
    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import AlphaDropout
    >>> y = AlphaDropout(0.5, seed=1)(np.zeros((1, 1000)), training=True)
    >>> sorted({round(float(v), 3) for v in y[0]})
    [-0.779, 0.779]
    """

    dropped: ClassVar[float] = -1.0507009873554805 * 1.6732632423543772

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(seed, **options)
        self.rate = checks.fraction(rate, f"{type(self).__name__}: rate")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = self.uniform(x.shape, x) >= self.rate
        a = ((1 - self.rate) * (1 + self.rate * self.dropped**2)) ** -0.5
        y: Tensor = ops.where(kept, x, self.dropped) * a - a * self.rate * self.dropped
        return y


class GaussianDropout(Noisy):
    """In training, ``y = x ε`` with ``ε ~ N(1, rate / (1 - rate))``; in prediction, ``y = x``.

    Parameters
    ----------
    rate : float
        The dropout rate whose noise has this variance, from 0 to below 1.
    seed : int or None, default None
        With a seed the noise depends on it and the number of the step alone.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `rate` is not a number from 0 to below 1.

    References
    ----------
    Srivastava et al., "Dropout", JMLR 2014, section 10.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GaussianDropout
    >>> y = GaussianDropout(0.5, seed=1)(np.ones((10, 1000)), training=True)
    >>> round(float(y.mean()), 1), round(float(y.std()), 1)
    (1.0, 1.0)
    """

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(seed, **options)
        self.rate = checks.fraction(rate, f"{type(self).__name__}: rate")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        return x * self.normal(x, 1.0, (self.rate / (1 - self.rate)) ** 0.5)


class GaussianNoise(Noisy):
    """In training, ``y = x + ε`` with ``ε ~ N(0, stddev²)``; in prediction, ``y = x``.

    Parameters
    ----------
    stddev : float
        Standard deviation of the noise, at least 0.
    seed : int or None, default None
        With a seed the noise depends on it and the number of the step alone.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `stddev` is not a number of at least 0.

    References
    ----------
    Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GaussianNoise
    >>> y = GaussianNoise(2.0, seed=1)(np.zeros((10, 1000)), training=True)
    >>> round(float(y.std()), 1)
    2.0
    """

    def __init__(self, stddev: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(seed, **options)
        self.stddev = checks.nonnegative(stddev, f"{type(self).__name__}: stddev")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.normal(x, 0.0, self.stddev) if self.training else x
