"""The one seed behind initial weights, shuffles and dropout."""

from __future__ import annotations

import operator

from pynn import _native

__all__ = ["seed"]

_WORD = (1 << 64) - 1
# 2^64 / golden ratio, odd: spreads consecutive numbers (Knuth, TAOCP 6.4).
_GOLDEN = 0x9E3779B97F4A7C15


def seed(value: int) -> None:
    """Make everything random from here on a function of `value`.

    Initial weights, shuffles and dropout draw from counted streams of one generator
    (Philox4x32-10), so the same seed and the same calls give the same bits, whatever the number of
    threads.

    Parameters
    ----------
    value : int
        From 0 to 2⁶⁴ - 1.

    Raises
    ------
    TypeError
        If `value` is not an integer.
    ValueError
        If `value` is out of range.

    Examples
    --------
    >>> import pynn
    >>> pynn.seed(7)
    >>> a = pynn.initializers.GlorotUniform()((2, 3))
    >>> pynn.seed(7)
    >>> b = pynn.initializers.GlorotUniform()((2, 3))
    >>> bool((a == b).all())
    True
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"seed expects an integer, got {value!r}") from None
    if not 0 <= number <= _WORD:
        raise ValueError(f"seed expects an integer from 0 to 2**64 - 1, got {number}")
    _native.seed(number)


def fresh_key() -> int:
    """Draw a key for the random numbers of one run: no two runs after one seed share it."""
    key, stream = _native.next_stream()
    return (key + (stream + 1) * _GOLDEN) & _WORD
