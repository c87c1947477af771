"""Scaling features by what the training part shows of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Self

_BLOCK = 1 << 17  # elements that are in float64 at once: 1 MiB


class _Scaler(ABC):
    """An affine map a feature, fitted on one part of the data and applied to any.

    ``y = (x - centre) / scale + shift``. Axis 0 counts the samples; a feature is a position in the
    other axes, so images are scaled pixel by pixel, and a vector is one feature.
    """

    def __init__(self, shift: float) -> None:
        self._shift = shift
        self._map: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    @abstractmethod
    def _measure(
        self, x: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return centre and scale, given the least and the greatest values; 0 if constant."""

    def fit(self, x: ArrayLike) -> Self:
        """Learn the map from the training part of the data.

        Parameters
        ----------
        x : array_like of numbers, shape (n, ...)
            At least one sample. NaN marks a missing value, which counts for nothing.

        Returns
        -------
        The scaler itself.

        Raises
        ------
        TypeError
            If `x` doesn't hold real numbers.
        ValueError
            If `x` is empty, or holds infinity, or nothing but NaN in some feature.
        """
        samples = self._samples(x)
        if not samples.size:
            raise ValueError(f"{self._name}: cannot fit to an empty array of shape {samples.shape}")
        # fmin and fmax pass over NaN.
        low = np.asarray(np.fmin.reduce(samples, axis=0), np.float64)
        high = np.asarray(np.fmax.reduce(samples, axis=0), np.float64)
        for bad, what in (np.isnan(low), "only NaN"), (np.isinf(low) | np.isinf(high), "infinity"):
            if bad.any():
                feature = ", ".join(map(str, np.argwhere(np.atleast_1d(bad))[0]))
                raise ValueError(f"{self._name}: feature {feature} of the data holds {what}")
        centre, scale = self._measure(samples, low, high)
        self._map = centre, np.where(scale == 0, 1.0, scale)
        return self

    def transform(self, x: ArrayLike) -> NDArray[Any]:
        """Scale data.

        Parameters
        ----------
        x : array_like of numbers, shape (n, ...)
            Samples with the features that the scaler was fitted on. NaN stays NaN.

        Returns
        -------
        numpy.ndarray, shape of `x`
            float64 where `x` is float64, else float32. `x` itself is left alone.

        Raises
        ------
        RuntimeError
            If the scaler is not fitted.
        TypeError
            If `x` doesn't hold real numbers.
        ValueError
            If `x` has other features.
        """
        centre, scale = self._learned()
        return self._mapped(x, lambda rows: (rows - centre) / scale + self._shift)

    def inverse_transform(self, x: ArrayLike) -> NDArray[Any]:
        """Undo `transform`.

        Parameters
        ----------
        x : array_like of numbers, shape (n, ...)
            Scaled samples.

        Returns
        -------
        numpy.ndarray, shape of `x`
            The samples as they were, but for rounding; float64 where `x` is, else float32.

        Raises
        ------
        RuntimeError, TypeError, ValueError
            As from `transform`.
        """
        centre, scale = self._learned()
        return self._mapped(x, lambda rows: (rows - self._shift) * scale + centre)

    def fit_transform(self, x: ArrayLike) -> NDArray[Any]:
        """Do `fit` and then `transform` with the same data."""
        return self.fit(x).transform(x)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _learned(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._map is None:
            raise RuntimeError(f"{self._name} is not fitted: call fit with the training part first")
        return self._map

    def _samples(self, x: ArrayLike) -> NDArray[Any]:
        samples = np.asarray(x)
        if samples.dtype.kind not in "fiub":
            raise TypeError(f"{self._name} scales real numbers, got {samples.dtype}")
        if not samples.ndim:
            raise ValueError(f"{self._name} expects an array of samples, got a single number")
        return samples

    def _mapped(
        self, x: ArrayLike, function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ) -> NDArray[Any]:
        samples = self._samples(x)
        features = self._learned()[0].shape
        if samples.shape[1:] != features:
            raise ValueError(
                f"{self._name} was fitted on {_features(features)}, "
                f"got {_features(samples.shape[1:])}"
            )
        double = samples.dtype.kind == "f" and samples.dtype.itemsize >= 8
        out = np.empty(samples.shape, np.float64 if double else np.float32)
        for start, block in _blocks(samples):
            out[start : start + len(block)] = function(block)
        return out


class MinMaxScaler(_Scaler):
    """Scale every feature so that the training part just fills a range.

    ``y = (x - min) (b - a) / (max - min) + a``

    A constant feature becomes ``a``. Data that `fit` hasn't seen may come out beyond the range.

    Parameters
    ----------
    feature_range : tuple of two floats, default (0, 1)
        The range, ``(a, b)``.

    Attributes
    ----------
    data_min_, data_max_ : numpy.ndarray of float64
        Least and greatest value of every feature, once fitted.

    Raises
    ------
    ValueError
        If the range is not one of two increasing finite numbers.

    Examples
    --------
    >>> from pynn.preprocessing import MinMaxScaler
    >>> scaler = MinMaxScaler().fit([[1.0, 10], [3, 30]])
    >>> scaler.transform([[2.0, 40]])
    array([[0.5, 1.5]])
    >>> scaler.inverse_transform([[0.5, 1.5]])
    array([[ 2., 40.]])
    """

    def __init__(self, feature_range: tuple[float, float] = (0.0, 1.0)) -> None:
        low, high = feature_range
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"feature_range must be two increasing numbers, got {feature_range}")
        super().__init__(shift=low)
        self.feature_range = feature_range

    def _measure(
        self, x: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        self.data_min_, self.data_max_ = low, high
        return low, (high - low) / (self.feature_range[1] - self.feature_range[0])


class StandardScaler(_Scaler):
    """Scale every feature to mean 0 and standard deviation 1 over the training part.

    ``y = (x - mean) / deviation``, with ``deviation² = Σ (x - mean)² / n``

    A constant feature becomes 0.

    Attributes
    ----------
    mean_, scale_ : numpy.ndarray of float64
        Mean and standard deviation of every feature, once fitted; both accumulated in float64.

    Examples
    --------
    >>> from pynn.preprocessing import StandardScaler
    >>> x_train, x_test = [[1.0], [2], [3], [2]], [[4.0]]
    >>> scaler = StandardScaler().fit(x_train)
    >>> scaler.transform(x_test).round(3)
    array([[2.828]])
    """

    def __init__(self) -> None:
        super().__init__(shift=0.0)

    def _measure(
        self, x: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Summing the differences to `low` makes the deviation of a constant feature exactly 0.
        count, total, squares = np.zeros((3, *low.shape))
        for _, block in _blocks(x):
            count += np.sum(~np.isnan(block), axis=0)
            total += np.nansum(block - low, axis=0)
        self.mean_ = low + total / count
        for _, block in _blocks(x):
            squares += np.nansum((block - self.mean_) ** 2, axis=0)
        self.scale_ = np.sqrt(squares / count)
        return self.mean_, self.scale_


def _blocks(samples: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Give the samples in float64, some rows at a time, each time with the first row's number."""
    rows = max(1, _BLOCK // max(1, math.prod(samples.shape[1:])))
    for start in range(0, len(samples), rows):
        yield start, samples[start : start + rows].astype(np.float64)


def _features(shape: tuple[int, ...]) -> str:
    if len(shape) > 1:
        return f"features of shape {shape}"
    return f"{shape[0]} features" if shape else "a vector"
