"""Functions of elements that are a few of the native ones."""

from __future__ import annotations

import math
from typing import Any

from pynn._native import ops

__all__ = [
    "acos",
    "acosh",
    "allclose",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cosh",
    "exp2",
    "isclose",
    "isinf",
    "log2",
    "log10",
    "logaddexp",
    "sinh",
    "tan",
]


def tan(x: Any) -> Any:
    """Return the tangent of an angle in radians, ``sin(x) / cos(x)``.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.tan([0.0, 1.0]).round(4)
    array([0.    , 1.5574], dtype=float32)
    """
    return ops.divide(ops.sin(x), ops.cos(x))


def atan(x: Any) -> Any:
    """Return the angle in radians, from -pi/2 to pi/2, whose tangent is x.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.atan([0.0, 1.0]).round(4)
    array([0.    , 0.7854], dtype=float32)
    """
    size = _length(x)
    steep = ops.greater(size, 1)
    angle = _acute(ops.where(steep, ops.reciprocal(ops.where(steep, size, 1.0)), size))
    angle = ops.where(steep, ops.subtract(math.pi / 2, angle), angle)
    return ops.where(ops.less(x, 0), ops.negative(angle), angle)


def atan2(y: Any, x: Any) -> Any:
    """Return the angle in radians, from -pi to pi, from the positive x-axis to the point (x, y).

    Zeros have signs, and infinite coordinates directions, as in NumPy's ``arctan2``.

    Parameters
    ----------
    y, x : array_like
        They broadcast.

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.atan2([1.0, 1.0, -1.0], [1.0, -1.0, -1.0]).round(4)
    array([ 0.7854,  2.3562, -2.3562], dtype=float32)
    """
    height, width = _length(y), _length(x)
    steep = ops.greater(height, width)
    small, large = ops.where(steep, width, height), ops.where(steep, height, width)
    diagonal, nowhere = isinf(ops.minimum(height, width)), ops.equal(large, 0)
    small = ops.where(diagonal, 1.0, small)
    large = ops.where(ops.logical_or(diagonal, nowhere), 1.0, large)
    angle = _acute(ops.divide(small, large))
    angle = ops.where(steep, ops.subtract(math.pi / 2, angle), angle)
    angle = ops.where(_negative(x), ops.subtract(math.pi, angle), angle)
    return ops.where(_negative(y), ops.negative(angle), angle)


def _length(x: Any) -> Any:
    """Return the absolute value, with a slope at 0."""
    return ops.where(ops.less(x, 0), ops.negative(x), x)


def _negative(x: Any) -> Any:
    """Return whether the sign is a minus, which zeros have, too."""
    return ops.logical_or(ops.less(x, 0), ops.less(ops.reciprocal(x), 0))


def _acute(t: Any) -> Any:
    """Return the angle whose tangent is t, from 0 to 1."""
    # A guess g within 0.004 of atan(t), and the tangent d of what is left:
    # atan(t) = g + atan(d) with d = (t - tan g) / (1 + t tan g).
    guess = ops.multiply(t, ops.subtract(math.pi / 4 + 0.273, ops.multiply(t, 0.273)))
    sine, cosine = ops.sin(guess), ops.cos(guess)
    d = ops.divide(
        ops.subtract(ops.multiply(t, cosine), sine), ops.add(cosine, ops.multiply(t, sine))
    )
    squared = ops.square(d)
    series = ops.add(ops.multiply(squared, ops.subtract(ops.multiply(squared, 0.2), 1 / 3)), 1)
    return ops.add(guess, ops.multiply(d, series))


def asin(x: Any) -> Any:
    """Return the angle in radians, from -pi/2 to pi/2, whose sine is x, for x from -1 to 1.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.asin([0.0, 1.0]).round(4)
    array([0.    , 1.5708], dtype=float32)
    """
    rest = ops.multiply(ops.subtract(1, x), ops.add(1, x))
    return atan(ops.divide(x, ops.sqrt(rest)))


def acos(x: Any) -> Any:
    """Return the angle in radians, from 0 to pi, whose cosine is x, for x from -1 to 1.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.acos([1.0, 0.0]).round(4)
    array([0.    , 1.5708], dtype=float32)
    """
    # Of half the angle: exact near x = 1, where it is small.
    return ops.multiply(atan(ops.sqrt(ops.divide(ops.subtract(1, x), ops.add(1, x)))), 2)


def sinh(x: Any) -> Any:
    """Return ``(exp(x) - exp(-x)) / 2``, exact near 0.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.sinh([0.0, 1.0]).round(4)
    array([0.    , 1.1752], dtype=float32)
    """
    return ops.multiply(ops.subtract(ops.expm1(x), ops.expm1(ops.negative(x))), 0.5)


def cosh(x: Any) -> Any:
    """Return ``(exp(x) + exp(-x)) / 2``.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.cosh([0.0, 1.0]).round(4)
    array([1.    , 1.5431], dtype=float32)
    """
    return ops.multiply(ops.add(ops.exp(x), ops.exp(ops.negative(x))), 0.5)


def asinh(x: Any) -> Any:
    """Return the inverse of `sinh`, ``log(x + sqrt(x**2 + 1))``, exact near 0.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.asinh([0.0, 1.0]).round(4)
    array([0.    , 0.8814], dtype=float32)
    """
    # As an odd function of |x|: no difference of large numbers, and a slope of 1 at 0.
    squared = ops.square(x)
    root = ops.sqrt(ops.add(squared, 1))
    size = ops.where(ops.less(x, 0), ops.negative(x), x)
    rest = ops.divide(squared, ops.add(root, 1))
    value = ops.log1p(ops.add(size, rest))
    return ops.where(ops.less(x, 0), ops.negative(value), value)


def acosh(x: Any) -> Any:
    """Return the inverse of `cosh`, ``log(x + sqrt(x**2 - 1))``, for x of at least 1.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.acosh([1.0, 2.0]).round(4)
    array([0.   , 1.317], dtype=float32)
    """
    above = ops.subtract(x, 1)
    root = ops.sqrt(ops.multiply(above, ops.add(x, 1)))
    return ops.log1p(ops.add(above, root))


def atanh(x: Any) -> Any:
    """Return the inverse of `tanh`, ``log((1 + x) / (1 - x)) / 2``, for x between -1 and 1.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.atanh([0.0, 0.5]).round(4)
    array([0.    , 0.5493], dtype=float32)
    """
    return ops.multiply(ops.subtract(ops.log1p(x), ops.log1p(ops.negative(x))), 0.5)


def exp2(x: Any) -> Any:
    """Return ``2**x``.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.exp2([0.0, 0.5]).round(4)
    array([1.    , 1.4142], dtype=float32)
    """
    return ops.exp(ops.multiply(x, math.log(2)))


def log2(x: Any) -> Any:
    """Return the logarithm to base 2.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.log2([1.0, 8.0]).round(4)
    array([0., 3.], dtype=float32)
    """
    return ops.multiply(ops.log(x), 1 / math.log(2))


def log10(x: Any) -> Any:
    """Return the logarithm to base 10.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.log10([1.0, 100.0]).round(4)
    array([0., 2.], dtype=float32)
    """
    return ops.multiply(ops.log(x), 1 / math.log(10))


def logaddexp(a: Any, b: Any) -> Any:
    """Return ``log(exp(a) + exp(b))``, which does not overflow.

    Parameters
    ----------
    a, b : array_like
        They broadcast.

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.logaddexp([1000.0], [1000.0]).round(2)
    array([1000.69], dtype=float32)
    """
    return ops.add(a, ops.softplus(ops.subtract(b, a)))


def isinf(x: Any) -> Any:
    """Return whether x is infinite, of either sign.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray or Tensor
        Of dtype bool.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.isinf([1.0, float("-inf"), float("nan")])
    array([False,  True, False])
    """
    return ops.logical_not(ops.logical_or(ops.isfinite(x), ops.isnan(x)))


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return whether ``abs(a - b) <= atol + rtol * abs(b)``.

    Parameters
    ----------
    a, b : array_like
        They broadcast.
    rtol : float, default 1e-5
        Tolerance relative to b.
    atol : float, default 1e-8
        Absolute tolerance.
    equal_nan : bool, default False
        Whether NaN is close to NaN.

    Returns
    -------
    ndarray or Tensor
        Of dtype bool.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.isclose([1.0, 2.0], [1.000001, 2.1])
    array([ True, False])
    """
    distance = _size(ops.subtract(a, b))
    close = ops.less_equal(distance, ops.add(ops.multiply(_size(b), rtol), atol))
    result = ops.logical_or(ops.logical_and(close, ops.isfinite(b)), ops.equal(a, b))
    return (
        ops.logical_or(result, ops.logical_and(ops.isnan(a), ops.isnan(b))) if equal_nan else result
    )


def _size(x: Any) -> Any:
    return ops.maximum(x, ops.negative(x))


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Return whether all elements are close, as `isclose` says.

    Parameters
    ----------
    a, b : array_like
        They broadcast.
    rtol : float, default 1e-5
        Tolerance relative to b.
    atol : float, default 1e-8
        Absolute tolerance.
    equal_nan : bool, default False
        Whether NaN is close to NaN.

    Returns
    -------
    ndarray or Tensor
        One bool.

    Examples
    --------
    >>> import pynn
    >>> bool(pynn.ops.allclose([1.0, 2.0], [1.000001, 2.0]))
    True
    """
    return ops.all(isclose(a, b, rtol, atol, equal_nan))
