"""Initializers that draw from one distribution whatever the shape, and orthogonal matrices."""

from __future__ import annotations

import math

import numpy as np

from pynn.initializers.base import Float64, Initializer, registry
from pynn.random import fresh_key


class RandomInitializer(Initializer):
    """What random initializers share: their source of numbers."""

    seed: int | None

    def generator(self) -> np.random.Generator:
        """Return a generator that is fresh at every call, or the same with a seed of one's own."""
        key = fresh_key() if self.seed is None else self.seed
        return np.random.Generator(np.random.Philox(key=key))


@registry.register("uniform")
class RandomUniform(RandomInitializer):
    """``w ~ U[minval, maxval)``.

    Parameters
    ----------
    minval, maxval : float, default -0.05, 0.05
    seed : int, optional

    Raises
    ------
    ValueError
        ``minval`` exceeds ``maxval``.

    Examples
    --------
    >>> RandomUniform(0.0, 1.0, seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        if not minval <= maxval:
            raise ValueError(f"RandomUniform: minval {minval} exceeds maxval {maxval}")
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def values(self, shape: tuple[int, ...]) -> Float64:
        return self.generator().uniform(self.minval, self.maxval, shape)


@registry.register("normal")
class RandomNormal(RandomInitializer):
    """``w ~ N(mean, stddev²)``.

    Parameters
    ----------
    mean : float, default 0.0
    stddev : float, default 0.05
        At least 0.
    seed : int, optional

    Raises
    ------
    ValueError
        ``stddev`` is negative.

    Examples
    --------
    >>> RandomNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        if not stddev >= 0:
            raise ValueError(f"{type(self).__name__}: stddev must be at least 0, got {stddev}")
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def values(self, shape: tuple[int, ...]) -> Float64:
        return self.generator().normal(self.mean, self.stddev, shape)


@registry.register()
class TruncatedNormal(RandomNormal):
    """``w ~ N(mean, stddev²)``, drawn again where it is more than two deviations from the mean.

    Parameters
    ----------
    mean : float, default 0.0
    stddev : float, default 0.05
        At least 0; that of the distribution before it is cut.
    seed : int, optional

    Examples
    --------
    >>> bool(abs(TruncatedNormal(stddev=0.5, seed=1)((100, 100))).max() <= 1.0)
    True
    """

    def values(self, shape: tuple[int, ...]) -> Float64:
        return self.mean + self.stddev * truncated_normal(self.generator(), shape)


def truncated_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Float64:
    """Draw from a standard normal distribution, again where the number is beyond ±2."""
    draws = generator.standard_normal(math.prod(shape))
    outside = np.flatnonzero(np.abs(draws) > 2.0)
    while outside.size:
        draws[outside] = generator.standard_normal(outside.size)
        outside = outside[np.abs(draws[outside]) > 2.0]
    return draws.reshape(shape)


@registry.register()
class Orthogonal(RandomInitializer):
    """``gain`` times a random matrix with orthonormal rows or columns, whichever are fewer.

    A shape (..., n) is taken as the matrix (product of the others, n). (A. Saxe, J. McClelland, S.
    Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    2014; F. Mezzadri, "How to generate random matrices from the classical compact groups", 2007.)

    Parameters
    ----------
    gain : float, default 1.0
    seed : int, optional

    Raises
    ------
    ValueError
        The shape has fewer than two axes.

    Examples
    --------
    >>> w = Orthogonal(seed=1)((5, 3), dtype="float64")
    >>> bool(np.allclose(w.T @ w, np.eye(3)))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def values(self, shape: tuple[int, ...]) -> Float64:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: the shape must have at least two axes, got {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(self.generator().standard_normal(tall))
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # makes the factorisation, so q, uniform
        return self.gain * (q if rows >= columns else q.T).reshape(shape)
