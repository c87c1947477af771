"""Initializers whose spread follows the shape, so that signals keep their size."""

from __future__ import annotations

import math

from pynn.initializers.base import Float64, registry
from pynn.initializers.random import RandomInitializer, truncated_normal

_KEPT_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal variable cut off at two deviations."""


@registry.register()
class VarianceScaling(RandomInitializer):
    """Zero mean and a variance of ``scale / fan``: signals keep their size from layer to layer.

    Parameters
    ----------
    scale : float, default 1.0
        Positive.
    mode : {"fan_in", "fan_out", "fan_avg"}, default "fan_in"
        fan: a unit's inputs, an input's units, or the mean of both. For a shape (..., inputs,
        outputs) the leading extents multiply both, as for a convolution's kernel.
    distribution : {"uniform", "truncated_normal", "untruncated_normal"}, default "truncated_normal"
        Uniform within ±√(3 variance); truncated at two deviations.
    seed : int, optional

    Raises
    ------
    ValueError
        ``scale`` is not positive, or ``mode`` or ``distribution`` is unknown.

    Examples
    --------
    >>> w = VarianceScaling(2.0, distribution="uniform", seed=1)((6, 50))
    >>> bool(abs(w).max() <= 1.0)
    True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        name = type(self).__name__
        if not scale > 0:
            raise ValueError(f"{name}: scale must be positive, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"{name}: mode must be fan_in, fan_out or fan_avg, got {mode!r}")
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                f"{name}: distribution must be uniform, truncated_normal or untruncated_normal, "
                f"got {distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = seed

    def values(self, shape: tuple[int, ...]) -> Float64:
        inputs, outputs = fans(shape)
        fan = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(fan, 1.0))
        generator = self.generator()
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * deviation
            return generator.uniform(-limit, limit, shape)
        if self.distribution == "truncated_normal":
            return deviation / _KEPT_DEVIATION * truncated_normal(generator, shape)
        return generator.normal(0.0, deviation, shape)


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the numbers of inputs of a unit and of units of an input, for a weight's shape.

    Examples
    --------
    >>> fans((784, 128)), fans((3, 3, 16, 32)), fans((10,))
    ((784.0, 128.0), (144.0, 288.0), (10.0, 10.0))
    """
    if len(shape) < 2:
        extent = float(shape[0]) if shape else 1.0
        return extent, extent
    field = float(math.prod(shape[:-2]))
    return field * shape[-2], field * shape[-1]


@registry.register("xavier_uniform")
class GlorotUniform(VarianceScaling):
    """``w ~ U(-a, a)`` with ``a = √(6 / (fan_in + fan_out))``, for tanh and softmax layers.

    (X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010.)

    Parameters
    ----------
    seed : int, optional

    Examples
    --------
    >>> bool(abs(GlorotUniform(seed=1)((100, 50))).max() <= 0.2)
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


@registry.register("xavier_normal")
class GlorotNormal(VarianceScaling):
    """Normal with variance ``2 / (fan_in + fan_out)``, cut at two deviations.

    (X. Glorot, Y. Bengio, 2010.)

    Parameters
    ----------
    seed : int, optional

    Examples
    --------
    >>> GlorotNormal(seed=1)((100, 50)).shape
    (100, 50)
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


@registry.register("kaiming_uniform")
class HeUniform(VarianceScaling):
    """``w ~ U(-a, a)`` with ``a = √(6 / fan_in)``, for relu layers.

    (K. He et al., "Delving Deep into Rectifiers", 2015.)

    Parameters
    ----------
    seed : int, optional

    Examples
    --------
    >>> bool(abs(HeUniform(seed=1)((6, 50))).max() <= 1.0)
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


@registry.register("kaiming_normal")
class HeNormal(VarianceScaling):
    """Normal with variance ``2 / fan_in``, cut at two deviations, for relu layers.

    (K. He et al., 2015.)

    Parameters
    ----------
    seed : int, optional

    Examples
    --------
    >>> HeNormal(seed=1)((100, 50)).shape
    (100, 50)
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


@registry.register()
class LecunUniform(VarianceScaling):
    """``w ~ U(-a, a)`` with ``a = √(3 / fan_in)``.

    (Y. LeCun et al., "Efficient BackProp", 1998.)

    Parameters
    ----------
    seed : int, optional

    Examples
    --------
    >>> bool(abs(LecunUniform(seed=1)((3, 50))).max() <= 1.0)
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


@registry.register()
class LecunNormal(VarianceScaling):
    """Normal with variance ``1 / fan_in``, cut at two deviations, for selu layers.

    (Y. LeCun et al., 1998; G. Klambauer et al., "Self-Normalizing Neural Networks", 2017.)

    Parameters
    ----------
    seed : int, optional

    Examples
    --------
    >>> LecunNormal(seed=1)((100, 50)).shape
    (100, 50)
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)
