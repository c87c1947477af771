"""Regular arrays: ranges, identity matrices, grids, triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from pynn._native import Recorder, Tensor, ops

__all__ = ["arange", "eye", "linspace", "meshgrid", "tril", "triu"]


def _created(array: Any, dtype: Any) -> Any:
    """Return an array, or a Tensor while recording, as functions without operands do."""
    if Recorder.current() is not None:
        return ops.cast(Tensor(array), dtype)
    return ops.cast(array, dtype)


def arange(start: float, stop: float | None = None, step: float = 1, dtype: Any = None) -> Any:
    """Return ``start, start + step, ...``, up to but without `stop`.

    Parameters
    ----------
    start : int or float
        The first value; with nothing else the end, and the first value is 0.
    stop : int or float, optional
        The end, which is not included.
    step : int or float, default 1
        The distance of neighbours.
    dtype : str or numpy.dtype, optional
        Default: int64, or float32 where a float is given.

    Returns
    -------
    ndarray or Tensor
        A Tensor while recording.

    Raises
    ------
    ValueError
        If the step is 0.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.arange(1, 7, 2)
    array([1, 3, 5])
    """
    if step == 0:
        raise ValueError("arange: the step must not be 0")
    if stop is None:
        start, stop = 0, start
    whole = all(isinstance(v, int | np.integer) for v in (start, stop, step))
    values = np.arange(start, stop, step, dtype="int64" if whole else "float64")
    return _created(values, dtype or ("int64" if whole else "float32"))


def linspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Any = "float32"
) -> Any:
    """Return `num` numbers at equal distances from `start` to `stop`.

    Parameters
    ----------
    start, stop : float
        The ends.
    num : int, default 50
        How many.
    endpoint : bool, default True
        Whether `stop` is the last one.
    dtype : str or numpy.dtype, default 'float32'

    Returns
    -------
    ndarray or Tensor
        A Tensor while recording.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.linspace(0, 1, 5)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    return _created(np.linspace(start, stop, num, endpoint=endpoint, dtype="float64"), dtype)


def eye(n: int, m: int | None = None, k: int = 0, dtype: Any = "float32") -> Any:
    """Return a matrix with ones on a diagonal and zeros elsewhere.

    Parameters
    ----------
    n : int
        Rows.
    m : int, optional
        Columns; default: as many.
    k : int, default 0
        The diagonal: above the main one if positive, below if negative.
    dtype : str or numpy.dtype, default 'float32'

    Returns
    -------
    ndarray or Tensor
        A Tensor while recording.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.eye(2)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return _created(np.eye(n, m, k, dtype="bool"), dtype)


def meshgrid(*xs: Any, indexing: str = "xy") -> list[Any]:
    """Return coordinates of a grid: an array of its shape for each axis.

    Parameters
    ----------
    *xs : array_like
        The coordinates along each axis, vectors.
    indexing : {'xy', 'ij'}, default 'xy'
        Whether the first vector runs along the second axis, as in plots, or the first.

    Returns
    -------
    list of ndarray or Tensor

    Raises
    ------
    ValueError
        If `indexing` is something else.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.meshgrid([1, 2], [3, 4, 5], indexing="ij")[0]
    array([[1, 1, 1],
           [2, 2, 2]])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    vectors = [ops.reshape(x, -1) for x in xs]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        order[:2] = 1, 0
    shape = [len(vectors[i]) for i in order]
    place = {axis: at for at, axis in enumerate(order)}
    grids = []
    for axis, vector in enumerate(vectors):
        sides = [1] * len(vectors)
        sides[place[axis]] = len(vector)
        grids.append(ops.broadcast_to(ops.reshape(vector, sides), shape))
    return grids


def _triangle(x: Any, k: int, lower: bool) -> Any:
    if len(shape_of(x)) < 2:
        raise ValueError(f"expected a matrix or a batch of them, got shape {shape_of(x)}")
    rows, columns = shape_of(x)[-2:]
    inside = np.tri(rows, columns, k if lower else k - 1, dtype="bool")
    return ops.where(inside if lower else ~inside, x, 0)


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of anything that is taken for an array."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def tril(x: Any, k: int = 0) -> Any:
    """Return the lower triangle of matrices, zeros above a diagonal.

    Parameters
    ----------
    x : array_like
        Of shape (..., m, n).
    k : int, default 0
        The last diagonal that stays; 0 is the main one.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        If x has fewer than two axes.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.tril([[1, 2], [3, 4]])
    array([[1, 0],
           [3, 4]])
    """
    return _triangle(x, k, lower=True)


def triu(x: Any, k: int = 0) -> Any:
    """Return the upper triangle of matrices, zeros below a diagonal.

    Parameters
    ----------
    x : array_like
        Of shape (..., m, n).
    k : int, default 0
        The first diagonal that stays; 0 is the main one.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        If x has fewer than two axes.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.triu([[1, 2], [3, 4]])
    array([[1, 2],
           [0, 4]])
    """
    return _triangle(x, k, lower=False)
