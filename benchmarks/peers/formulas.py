"""Activations and functions of one variable in NumPy: vectorised, into a given array, few passes.

What NumPy has under the same name is not listed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Formula: TypeAlias = Callable[[Array, Array], Array]  # (x, out) -> out
Slope: TypeAlias = Callable[[Array, Array], Array]

_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772


def relu(x: Array, out: Array) -> Array:
    """max(x, 0)"""
    return np.maximum(x, 0, out=out)


def leaky_relu(x: Array, out: Array) -> Array:
    """max(x, x / 5)"""
    np.multiply(x, 0.2, out=out)
    return np.maximum(x, out, out=out)


def _exponential_unit(x: Array, out: Array, scale: float, alpha: float) -> Array:
    np.minimum(x, 0, out=out)
    np.expm1(out, out=out)
    out *= alpha
    out += np.maximum(x, 0)
    if scale != 1:
        out *= scale
    return out


def elu(x: Array, out: Array) -> Array:
    """x, or exp(x) - 1 below 0"""
    return _exponential_unit(x, out, 1.0, 1.0)


def selu(x: Array, out: Array) -> Array:
    """elu, scaled"""
    return _exponential_unit(x, out, _SELU_SCALE, _SELU_ALPHA)


def sigmoid(x: Array, out: Array) -> Array:
    """1 / (1 + exp(-x))"""
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def gelu_tanh(x: Array, out: Array) -> Array:
    """x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2"""
    np.multiply(x, x, out=out)
    out *= 0.044715
    out += 1
    out *= x
    out *= math.sqrt(2 / math.pi)
    np.tanh(out, out=out)
    out += 1
    out *= x
    out *= 0.5
    return out


def erf(x: Array, out: Array) -> Array:
    """From SciPy: NumPy has none."""
    from scipy.special import erf as scipy_erf

    result: Array = scipy_erf(x, out=out)
    return result


def gelu(x: Array, out: Array) -> Array:
    """x (1 + erf(x / √2)) / 2"""
    np.multiply(x, math.sqrt(0.5), out=out)
    erf(out, out)
    out += 1
    out *= x
    out *= 0.5
    return out


def softplus(x: Array, out: Array) -> Array:
    """log(1 + exp(x))"""
    np.abs(x, out=out)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    out += np.maximum(x, 0)
    return out


def log_sigmoid(x: Array, out: Array) -> Array:
    """-log(1 + exp(-x))"""
    softplus(-x, out)
    return np.negative(out, out=out)


def softsign(x: Array, out: Array) -> Array:
    """x / (1 + |x|)"""
    np.abs(x, out=out)
    out += 1
    return np.divide(x, out, out=out)


def silu(x: Array, out: Array) -> Array:
    """x sigmoid(x)"""
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    return np.divide(x, out, out=out)


def mish(x: Array, out: Array) -> Array:
    """x tanh(softplus(x))"""
    softplus(x, out)
    np.tanh(out, out=out)
    out *= x
    return out


def relu6(x: Array, out: Array) -> Array:
    """x cut to [0, 6]"""
    return np.clip(x, 0, 6, out=out)


def hard_tanh(x: Array, out: Array) -> Array:
    """x cut to [-1, 1]"""
    return np.clip(x, -1, 1, out=out)


def hard_sigmoid(x: Array, out: Array) -> Array:
    """relu6(x + 3) / 6"""
    np.add(x, 3, out=out)
    np.clip(out, 0, 6, out=out)
    out /= 6
    return out


def hard_silu(x: Array, out: Array) -> Array:
    """x relu6(x + 3) / 6"""
    hard_sigmoid(x, out)
    out *= x
    return out


def rsqrt(x: Array, out: Array) -> Array:
    """1 / √x"""
    np.sqrt(x, out=out)
    return np.reciprocal(out, out=out)


_OWN: dict[str, Formula] = {
    f.__name__: f
    for f in (
        relu, leaky_relu, elu, selu, sigmoid, gelu_tanh, erf, gelu, softplus, log_sigmoid,
        softsign, silu, mish, relu6, hard_tanh, hard_sigmoid, hard_silu, rsqrt,
    )
}  # fmt: skip


def _gelu_slope(z: Array, _: Array) -> Array:
    slope = erf(z * math.sqrt(0.5), np.empty_like(z))
    slope += 1
    slope *= 0.5
    density = np.exp(z * z * -0.5)
    density *= z
    density *= 1 / math.sqrt(2 * math.pi)
    slope += density
    return slope


def _silu_slope(z: Array, y: Array) -> Array:
    s = sigmoid(z, np.empty_like(z))
    slope: Array = s + y * (1 - s)
    return slope


SLOPES: dict[str, Slope] = {
    "relu": lambda _, y: y > 0,
    "tanh": lambda _, y: 1 - y * y,
    "sigmoid": lambda _, y: y * (1 - y),
    "gelu": _gelu_slope,
    "silu": _silu_slope,
}
"""Derivatives, from the input z and the value y of an activation."""

BY_VALUE = frozenset({"relu", "tanh", "sigmoid", "linear", "softmax"})
"""Activations whose derivative needs no z: they may overwrite it."""


def softmax(x: Array, out: Array) -> Array:
    """exp(x) over its sum along rows"""
    np.subtract(x, x.max(axis=-1, keepdims=True), out)
    np.exp(out, out)
    out /= out.sum(axis=-1, keepdims=True)
    return out


def find(name: str) -> Formula | None:
    """Return the function of that name, NumPy's own where it has one; None where there is none."""
    if name in _OWN:
        return _OWN[name]
    function = getattr(np, name, None)
    if not isinstance(function, np.ufunc):
        return None
    formula: Formula = function
    return formula
