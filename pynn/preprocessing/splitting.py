"""Splitting data into parts to train on, to tune with and to test with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:  # NumPy loads its random module on first use
    from numpy.typing import ArrayLike, NDArray

    Seed: TypeAlias = int | np.random.Generator | None


def train_test_split(
    *arrays: ArrayLike,
    test_size: float = 0.25,
    shuffle: bool = True,
    stratify: ArrayLike | None = None,
    seed: Seed = None,
) -> list[NDArray[Any]]:
    """Split arrays of samples into a part to train on and a part to test with.

    Parameters
    ----------
    *arrays : array_like, shape (n, ...)
        Arrays of the same length, such as features and targets; all are split alike.
    test_size : float or int, default 0.25
        A fraction of the samples, between 0 and 1, which is rounded to the nearest count (halves
        up) and is at least one sample; or, as an int, the count itself. The rest is for training.
    shuffle : bool, default True
        Draw the parts at random. ``False`` keeps the order: the last samples are the test part.
    stratify : array_like or None, default None
        Class of every sample, shape (n,) or (n, 1). Every part then holds the classes in the
        proportions of the whole, as nearly as whole samples allow, and at least one sample of each.
    seed : int, numpy.random.Generator or None, default None
        Where the random numbers come from; ``None`` splits differently every time.

    Returns
    -------
    list of numpy.ndarray
        ``[train, test]`` of the first array, then of the second, and so on: copies.

    Raises
    ------
    TypeError
        If a size is not a number.
    ValueError
        If there are no arrays, they differ in length, a size is out of range or leaves nothing to
        train on, or `stratify` is combined with ``shuffle=False`` or has a class with fewer samples
        than there are parts or more classes than a part has samples.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.preprocessing import train_test_split
    >>> x, y = np.arange(20).reshape(10, 2), np.arange(10) % 2
    >>> x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, stratify=y, seed=0)
    >>> x_train.shape, sorted(y_test.tolist())
    ((6, 2), [0, 0, 1, 1])
    """
    return _split(arrays, {"test_size": test_size}, shuffle, stratify, seed)


def train_validation_test_split(
    *arrays: ArrayLike,
    validation_size: float = 0.15,
    test_size: float = 0.15,
    shuffle: bool = True,
    stratify: ArrayLike | None = None,
    seed: Seed = None,
) -> list[NDArray[Any]]:
    """Split arrays of samples into parts to train on, to tune with and to test with.

    Parameters
    ----------
    *arrays : array_like, shape (n, ...)
        Arrays of the same length, such as features and targets; all are split alike.
    validation_size, test_size : float or int, default 0.15
        As for `train_test_split`; both are fractions of the whole.
    shuffle, stratify, seed
        As for `train_test_split`; without shuffling the parts follow each other in the order
        train, validation, test.

    Returns
    -------
    list of numpy.ndarray
        ``[train, validation, test]`` of the first array, then of the second, and so on: copies.

    Raises
    ------
    TypeError, ValueError
        As from `train_test_split`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.preprocessing import train_validation_test_split
    >>> parts = train_validation_test_split(
    ...     np.arange(10), validation_size=0.2, test_size=3, shuffle=False
    ... )
    >>> [part.tolist() for part in parts]
    [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]
    """
    sizes = {"validation_size": validation_size, "test_size": test_size}
    return _split(arrays, sizes, shuffle, stratify, seed)


def _split(
    arrays: tuple[ArrayLike, ...],
    sizes: dict[str, float],
    shuffle: bool,
    stratify: ArrayLike | None,
    seed: Seed,
) -> list[NDArray[Any]]:
    """Split every array into the training part and one part a size, in the order of `sizes`."""
    given = [np.asarray(array) for array in arrays]
    if not given:
        raise ValueError("nothing to split: give at least one array")
    if any(array.ndim == 0 for array in given):
        raise ValueError("expected arrays of samples, got a single number")
    n = len(given[0])
    if any(len(array) != n for array in given):
        raise ValueError(f"arrays differ in length: {', '.join(str(len(a)) for a in given)}")
    counts = [_count(name, size, n) for name, size in sizes.items()]
    if sum(counts) >= n:
        asked = " and ".join(f"{name}={size}" for name, size in sizes.items())
        raise ValueError(f"{asked} leave no sample to train on: there are {n}")
    counts = [n - sum(counts), *counts]

    if stratify is not None:
        if not shuffle:
            raise ValueError("stratify draws the parts at random: it needs shuffle=True")
        parts = _stratified(np.asarray(stratify), counts, np.random.default_rng(seed))
    else:
        order = np.random.default_rng(seed).permutation(n) if shuffle else np.arange(n)
        parts = np.split(order, np.cumsum(counts)[:-1])
    return [array[part] for array in given for part in parts]


def _count(name: str, size: float, n: int) -> int:
    if isinstance(size, (int, np.integer)) and not isinstance(size, bool):
        if size < 1:
            raise ValueError(f"{name} must be at least 1 sample, got {size}")
        return int(size)
    if not isinstance(size, (float, np.floating)):
        raise TypeError(f"{name} must be a fraction (float) or a count (int), got {size!r}")
    if not 0 < size < 1:
        raise ValueError(f"{name} must lie between 0 and 1 as a fraction, got {size}")
    return max(1, math.floor(size * n + 0.5))


def _stratified(
    labels: NDArray[Any], counts: list[int], generator: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Draw the samples of parts of the given sizes, each with its share of every class."""
    if labels.shape not in ((sum(counts),), (sum(counts), 1)):
        raise ValueError(
            f"stratify must have one label a sample, shape ({sum(counts)},), got {labels.shape}"
        )
    classes, codes, left = np.unique(labels.ravel(), return_inverse=True, return_counts=True)
    if left.min() < len(counts):
        raise ValueError(
            f"stratify: class {classes[left.argmin()]!s} has {left.min()} of the samples, "
            f"too few for {len(counts)} parts"
        )
    if min(counts) < len(classes):
        raise ValueError(
            f"stratify: a part of {min(counts)} samples cannot hold all {len(classes)} classes"
        )
    members = [generator.permutation(np.flatnonzero(codes == code)) for code in range(len(classes))]
    parts = []
    # The smaller parts are at the end and come first, as rounding matters most to them.
    for others, size in reversed(list(enumerate(counts))):
        shares = _shares(left, size, others)
        left = left - shares
        drawn = [members[c][left[c] : left[c] + shares[c]] for c in range(len(classes))]
        parts.append(generator.permutation(np.concatenate(drawn)))
    return parts[::-1]


def _shares(left: NDArray[np.intp], size: int, others: int) -> NDArray[np.intp]:
    """Share `size` samples among the classes in proportion to what is left of them.

    Every class gives at least one sample and keeps at least one for each of the other parts.
    """
    exact = left * size / left.sum()
    most = left - others
    shares: NDArray[np.intp] = np.clip(np.floor(exact).astype(np.intp), 1, most)
    while short := size - shares.sum():
        if short > 0:
            shares[np.argmax(np.where(shares < most, exact - shares, -np.inf))] += 1
        else:
            shares[np.argmin(np.where(shares > 1, exact - shares, np.inf))] -= 1
    return shares
