"""Labels as rows of zeros and ones."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray


def one_hot(
    labels: ArrayLike, num_classes: int | None = None, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Turn class numbers into rows with a 1 at the class and 0 elsewhere.

    ``out[..., k] = 1 if labels[...] = k else 0``

    Parameters
    ----------
    labels : array_like of int, any shape
        Class numbers from 0 to ``num_classes - 1``.
    num_classes : int or None, default None
        Length of a row; ``None`` is the greatest label plus 1.
    dtype : data type, default float32
        Type of the result.

    Returns
    -------
    numpy.ndarray of `dtype`, shape ``labels.shape + (num_classes,)``

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If a label is out of range, or there are no labels and `num_classes` is None.

    Examples
    --------
    >>> from pynn.preprocessing import one_hot
    >>> one_hot([2, 0], num_classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    given = np.asarray(labels)
    if given.size and given.dtype.kind not in "iub":
        raise TypeError(
            f"labels must be integers, got {given.dtype}; "
            "numpy.unique(labels, return_inverse=True)[1] numbers any labels"
        )
    if num_classes is None:
        if not given.size:
            raise ValueError("num_classes must be given where there are no labels to count")
        num_classes = max(int(given.max()) + 1, 1)
    num_classes = operator.index(num_classes)
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    wrong = (given < 0) | (given >= num_classes)
    if wrong.any():
        raise ValueError(
            f"labels must lie between 0 and {num_classes - 1}, got {given[wrong][0]} "
            f"at index {int(np.argmax(wrong))}"
        )
    rows = np.zeros((given.size, num_classes), dtype)
    rows[np.arange(given.size), given.ravel().astype(np.intp)] = 1
    return rows.reshape(*given.shape, num_classes)
