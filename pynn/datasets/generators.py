"""Small made-up data sets that need no file: points in the plane, and a noisy line.

Argument names are those of scikit-learn's ``make_*`` functions, with ``seed`` for the random state.
Every generator draws from a generator of its own, so a seed gives the same data whatever else the
program draws. Classes come mixed, so any part of the data holds all of them.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:  # NumPy loads these modules on first use
    from numpy.typing import NDArray

    Seed: TypeAlias = int | np.random.Generator | None
Points: TypeAlias = "tuple[NDArray[np.float32], NDArray[np.int64]]"


def xor() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The exclusive or of two bits: the smallest problem that needs a hidden layer.

    ``y = 1 if x₀ ≠ x₁ else 0``

    (M. Minsky, S. Papert, "Perceptrons", 1969.)

    Returns
    -------
    x : numpy.ndarray of float32, shape (4, 2)
        All pairs of bits.
    y : numpy.ndarray of float32, shape (4, 1)
        Their exclusive or.

    Examples
    --------
    >>> from pynn.datasets import xor
    >>> x, y = xor()
    >>> x.tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> y.ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    return x, (x[:, :1] != x[:, 1:]).astype(np.float32)


def spirals(
    n_samples: int = 300, n_classes: int = 3, *, noise: float = 0.02, seed: Seed = None
) -> Points:
    """Interleaved spiral arms, one a class, within the unit circle.

    Along arm ``c`` of ``k``, for ``t`` from 0 to 1, with ``ε`` normal of deviation ``noise``:

    ``x = t (cos φ, sin φ) + ε,  φ = 2π (c/k + 3t/4)``

    Parameters
    ----------
    n_samples : int, default 300
        Points in all; the arms get equally many, the first ones one more where that is uneven.
    n_classes : int, default 3
        Arms.
    noise : float, default 0.02
        Standard deviation of the noise on both coordinates.
    seed : int, numpy.random.Generator or None, default None
        Where the random numbers come from; ``None`` gives different data every time.

    Returns
    -------
    x : numpy.ndarray of float32, shape (n_samples, 2)
        The points.
    y : numpy.ndarray of int64, shape (n_samples,)
        Their arms, from 0 to ``n_classes - 1``.

    Raises
    ------
    ValueError
        If a count is not positive, there are fewer samples than classes, or ``noise`` is negative.

    Examples
    --------
    >>> from pynn.datasets import spirals
    >>> x, y = spirals(90, 3, seed=0)
    >>> x.shape, [int((y == arm).sum()) for arm in range(3)]
    ((90, 2), [30, 30, 30])
    """
    n_classes = _count("n_classes", n_classes)
    n_samples = _count("n_samples", n_samples, at_least=n_classes)
    arms = []
    for arm in range(n_classes):
        t = np.linspace(0, 1, _share(n_samples, n_classes, arm))
        arms.append(_polar(t, 2 * math.pi * (arm / n_classes + 0.75 * t)))
    return _mixed(arms, noise, seed)


def moons(n_samples: int = 100, *, noise: float = 0.1, seed: Seed = None) -> Points:
    """Two interleaved half circles of radius 1.

    For ``φ`` from 0 to ``π``, with ``ε`` normal of deviation ``noise``:

    ``x = (cos φ, sin φ) + ε`` for class 0 and ``x = (1 - cos φ, 1/2 - sin φ) + ε`` for class 1

    Parameters
    ----------
    n_samples : int, default 100
        Points in all; class 0 gets one more where that is odd.
    noise : float, default 0.1
        Standard deviation of the noise on both coordinates.
    seed : int, numpy.random.Generator or None, default None
        Where the random numbers come from; ``None`` gives different data every time.

    Returns
    -------
    x : numpy.ndarray of float32, shape (n_samples, 2)
        The points.
    y : numpy.ndarray of int64, shape (n_samples,)
        Their classes, 0 or 1.

    Raises
    ------
    ValueError
        If there are fewer than 2 samples, or ``noise`` is negative.

    Examples
    --------
    >>> from pynn.datasets import moons
    >>> x, y = moons(4, noise=0, seed=0)
    >>> sorted(zip(y.tolist(), x.round(2).tolist()))
    [(0, [-1.0, 0.0]), (0, [1.0, 0.0]), (1, [0.0, 0.5]), (1, [2.0, 0.5])]
    """
    n_samples = _count("n_samples", n_samples, at_least=2)
    upper, lower = (
        _polar(1.0, np.linspace(0, math.pi, _share(n_samples, 2, moon))) for moon in range(2)
    )
    return _mixed([upper, (1.0, 0.5) - lower], noise, seed)


def circles(
    n_samples: int = 100, *, noise: float = 0.05, factor: float = 0.5, seed: Seed = None
) -> Points:
    """A circle inside a circle.

    For ``φ`` from 0 to ``2π``, with ``ε`` normal of deviation ``noise``:

    ``x = (cos φ, sin φ) + ε`` for class 0 and ``x = factor (cos φ, sin φ) + ε`` for class 1

    Parameters
    ----------
    n_samples : int, default 100
        Points in all; class 0 gets one more where that is odd.
    noise : float, default 0.05
        Standard deviation of the noise on both coordinates.
    factor : float, default 0.5
        Radius of the inner circle; the outer one has radius 1.
    seed : int, numpy.random.Generator or None, default None
        Where the random numbers come from; ``None`` gives different data every time.

    Returns
    -------
    x : numpy.ndarray of float32, shape (n_samples, 2)
        The points.
    y : numpy.ndarray of int64, shape (n_samples,)
        Their classes: 0 outside, 1 inside.

    Raises
    ------
    ValueError
        If there are fewer than 2 samples, ``noise`` is negative, or ``factor`` is not between 0
        and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.datasets import circles
    >>> x, y = circles(100, noise=0, seed=0)
    >>> radius = np.hypot(*x.T)
    >>> radius[y == 0].mean().round(3).item(), radius[y == 1].mean().round(3).item()
    (1.0, 0.5)
    """
    n_samples = _count("n_samples", n_samples, at_least=2)
    if not 0 <= factor < 1:
        raise ValueError(f"factor must be at least 0 and less than 1, got {factor}")
    outer, inner = (
        _polar(radius, np.linspace(0, 2 * math.pi, _share(n_samples, 2, circle), endpoint=False))
        for circle, radius in enumerate((1.0, factor))
    )
    return _mixed([outer, inner], noise, seed)


def linear_regression(
    n_samples: int = 100,
    n_features: int = 1,
    *,
    bias: float = 0.0,
    noise: float = 0.1,
    seed: Seed = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """A noisy linear function of random features, and the coefficients to be found.

    ``y = x W + bias + ε``, with ``x`` and ``W`` standard normal and ``ε`` normal of deviation
    ``noise``

    Parameters
    ----------
    n_samples : int, default 100
        Rows.
    n_features : int, default 1
        Columns of ``x``.
    bias : float, default 0.0
        What is added to every ``y``.
    noise : float, default 0.1
        Standard deviation of the noise on ``y``.
    seed : int, numpy.random.Generator or None, default None
        Where the random numbers come from; ``None`` gives different data every time.

    Returns
    -------
    x : numpy.ndarray of float32, shape (n_samples, n_features)
        The features.
    y : numpy.ndarray of float32, shape (n_samples, 1)
        The targets, shaped like the output of ``Dense(1)``.
    coefficients : numpy.ndarray of float32, shape (n_features, 1)
        ``W``, shaped like the weight of ``Dense(1)``.

    Raises
    ------
    ValueError
        If a count is not positive, or ``noise`` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.datasets import linear_regression
    >>> x, y, coefficients = linear_regression(50, 3, bias=2, noise=0, seed=0)
    >>> x.shape, y.shape, coefficients.shape
    ((50, 3), (50, 1), (3, 1))
    >>> np.allclose(y, x @ coefficients + 2, atol=1e-6)
    True
    """
    n_samples = _count("n_samples", n_samples)
    n_features = _count("n_features", n_features)
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n_samples, n_features))
    coefficients = generator.standard_normal((n_features, 1))
    y = x @ coefficients + bias
    y += _deviation(noise) * generator.standard_normal(y.shape)
    return x.astype(np.float32), y.astype(np.float32), coefficients.astype(np.float32)


def _polar(
    radius: float | NDArray[np.float64], angle: NDArray[np.float64]
) -> NDArray[np.float64]:  # (n, 2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _share(n_samples: int, n_classes: int, index: int) -> int:
    return n_samples // n_classes + (index < n_samples % n_classes)


def _mixed(classes: list[NDArray[np.float64]], noise: float, seed: Seed) -> Points:
    """Label the classes in order, add the noise, and mix the rows."""
    generator = np.random.default_rng(seed)
    x = np.concatenate(classes)
    x += _deviation(noise) * generator.standard_normal(x.shape)
    y = np.repeat(np.arange(len(classes)), [len(points) for points in classes])
    order = generator.permutation(len(x))
    return x[order].astype(np.float32), y[order].astype(np.int64)


def _count(name: str, value: int, at_least: int = 1) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if count < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {count}")
    return count


def _deviation(noise: float) -> float:
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be a finite number of at least 0, got {noise}")
    return noise
