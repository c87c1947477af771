"""Elements moved: axes in another order, parts, repetitions, borders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pynn._native import Tensor, ops
from pynn.ops.creation import shape_of

__all__ = ["diff", "moveaxis", "pad", "roll", "split", "tile", "unstack"]


def _axes(name: str, axes: int | Sequence[int], rank: int) -> list[int]:
    """Return axes counted from the front."""
    given = [axes] if isinstance(axes, int) else list(axes)
    if any(not -rank <= a < rank for a in given):
        raise ValueError(f"{name}: axes {given} are out of range for {rank} axes")
    counted = [a % rank for a in given]
    if len(set(counted)) < len(counted):
        raise ValueError(f"{name}: axes {given} name one axis twice")
    return counted


def _as_array(x: Any) -> Any:
    """Return something that can be indexed, of the kind that ops give for x."""
    return x if isinstance(x, Tensor) else ops.reshape(x, shape_of(x))


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Return x with axes at other places; the others keep their order.

    Parameters
    ----------
    x : array_like
    source : int or sequence of ints
        The axes that move.
    destination : int or sequence of ints
        Where each of them goes.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        If the axes are out of range, repeated or not as many.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.moveaxis(pynn.ops.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    rank = len(shape_of(x))
    sources = _axes("moveaxis", source, rank)
    destinations = _axes("moveaxis", destination, rank)
    if len(sources) != len(destinations):
        raise ValueError(f"moveaxis: {sources} cannot go to {destinations}")
    order = [axis for axis in range(rank) if axis not in sources]
    for to, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, axis)
    return ops.transpose(x, order)


def split(x: Any, parts: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Return x cut into pieces along an axis.

    Parameters
    ----------
    x : array_like
    parts : int or sequence of ints
        The number of equal pieces, or the indices before which to cut.
    axis : int, default 0

    Returns
    -------
    list of ndarray or Tensor

    Raises
    ------
    ValueError
        If equal pieces do not fit.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.split([1, 2, 3, 4], 2)
    [array([1, 2]), array([3, 4])]
    """
    values = _as_array(x)
    (at,) = _axes("split", axis, values.ndim)
    extent = values.shape[at]
    if isinstance(parts, int):
        if parts < 1 or extent % parts:
            raise ValueError(f"split: {extent} elements cannot be cut into {parts} equal pieces")
        cuts = list(range(0, extent + 1, extent // parts)) if extent else [0] * (parts + 1)
    else:
        cuts = [0, *parts, extent]
    before = (slice(None),) * at
    return [values[(*before, slice(a, b))] for a, b in pairwise(cuts)]


def unstack(x: Any, axis: int = 0) -> list[Any]:
    """Return the slices of x along an axis, without it: what `stack` joined.

    Parameters
    ----------
    x : array_like
    axis : int, default 0

    Returns
    -------
    list of ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.unstack([[1, 2], [3, 4]], axis=1)
    [array([1, 3]), array([2, 4])]
    """
    values = _as_array(x)
    (at,) = _axes("unstack", axis, values.ndim)
    before = (slice(None),) * at
    return [values[(*before, i)] for i in range(values.shape[at])]


def tile(x: Any, repeats: int | Sequence[int]) -> Any:
    """Return x laid side by side so many times along each axis.

    Parameters
    ----------
    x : array_like
    repeats : int or sequence of ints
        For the last axes; where there are more than axes, axes of extent 1 are added in front.

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.tile([1, 2], (2, 2))
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    times = [repeats] if isinstance(repeats, int) else list(repeats)
    if any(n < 0 for n in times):
        raise ValueError(f"tile: expected numbers of times, got {times}")
    shape = list(shape_of(x))
    times = [1] * (len(shape) - len(times)) + times
    shape = [1] * (len(times) - len(shape)) + shape
    if all(n == 1 for n in times):
        return ops.reshape(x, shape)
    # Axes that are not repeated need none beside them: tensors have few.
    apart: list[int] = []
    wide: list[int] = []
    for n, extent in zip(times, shape, strict=True):
        apart += [1, extent] if n != 1 else [extent]
        wide += [n, extent] if n != 1 else [extent]
    y = ops.broadcast_to(ops.reshape(x, apart), wide)
    return ops.reshape(y, [n * extent for n, extent in zip(times, shape, strict=True)])


def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """Return x with its elements moved on; those that leave at one end enter at the other.

    Parameters
    ----------
    x : array_like
    shift : int or sequence of ints
        By how many places, for each axis.
    axis : int or sequence of ints, optional
        Default: all elements in C order.

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.roll([1, 2, 3, 4], 1)
    array([4, 1, 2, 3])
    """
    if axis is None:
        return ops.reshape(roll(ops.reshape(x, -1), shift, 0), shape_of(x))
    values = _as_array(x)
    axes = _axes("roll", axis, values.ndim)
    shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
    for at, by in zip(axes, shifts, strict=True):
        extent = values.shape[at]
        cut = -by % extent if extent else 0
        before = (slice(None),) * at
        parts = [values[(*before, slice(cut, None))], values[(*before, slice(None, cut))]]
        values = ops.concatenate(parts, at)
    return values


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """Return the differences of neighbours along an axis, ``x[i + 1] - x[i]``.

    Parameters
    ----------
    x : array_like
    n : int, default 1
        How many times.
    axis : int, default -1

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.diff([1, 4, 9])
    array([3, 5])
    """
    values = _as_array(x)
    (at,) = _axes("diff", axis, values.ndim)
    before = (slice(None),) * at
    for _ in range(n):
        values = ops.subtract(values[(*before, slice(1, None))], values[(*before, slice(None, -1))])
    return values


def pad(x: Any, pad_width: Any, value: float = 0.0, mode: str = "constant") -> Any:
    """Return x with elements added at the ends of its axes.

    Parameters
    ----------
    x : array_like
    pad_width : int, pair or sequence of pairs
        Elements before and after, for every axis.
    value : float, default 0.0
        What they are, in mode 'constant'.
    mode : {'constant', 'edge', 'reflect', 'symmetric', 'wrap'}, default 'constant'
        Where they come from: the last element, the mirror image without or with it, or the other
        end.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        For another mode, a negative width, or an axis without elements to repeat.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.pad([1, 2], (1, 2))
    array([0, 1, 2, 0, 0])
    >>> pynn.ops.pad([1, 2, 3], 2, mode="reflect")
    array([3, 2, 1, 2, 3, 2, 1])
    """
    if mode == "constant":
        return ops.pad(x, pad_width, value)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ValueError(
            f"pad: mode must be constant, edge, reflect, symmetric or wrap, got {mode!r}"
        )
    shape = shape_of(x)
    widths = np.broadcast_to(pad_width, (len(shape), 2))
    if (widths < 0).any():
        raise ValueError(f"pad_width must not be negative, got {widths.tolist()}")
    for axis, (extent, (before, after)) in enumerate(zip(shape, widths, strict=True)):
        if before or after:
            if extent == 0:
                raise ValueError(f"pad: axis {axis} has no elements for mode {mode!r}")
            # Which element each one repeats.
            sources = np.pad(np.arange(extent), (before, after), mode)  # type: ignore[call-overload]
            x = ops.take(x, sources, axis)
    return x
