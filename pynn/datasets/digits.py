"""The small real digits that come with scikit-learn."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def load_digits(
    *, flatten: bool = True, normalize: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load 1,797 handwritten digits of 8 x 8 pixels.

    They are the test part of the UCI set "Optical Recognition of Handwritten Digits" (E. Alpaydin,
    C. Kaynak, 1998). scikit-learn contains them, so nothing is downloaded.

    Parameters
    ----------
    flatten : bool, default True
        Give every image as a row of 64 pixels. ``False`` gives images of shape (8, 8).
    normalize : bool, default False
        Divide the pixels by 16, so that they lie in [0, 1].

    Returns
    -------
    x : numpy.ndarray of float32, shape (1797, 64) or (1797, 8, 8)
        Pixels from 0 (paper) to 16 (ink).
    y : numpy.ndarray of int64, shape (1797,)
        Digits from 0 to 9.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> from pynn.datasets import load_digits
    >>> x, y = load_digits()
    >>> x.shape, x.max().item(), y[:3].tolist()
    ((1797, 64), 16.0, [0, 1, 2])
    """
    try:
        bundled = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError as error:
        raise ImportError(
            "load_digits reads the digits that come with scikit-learn, which cannot be imported "
            f'({error}): pip install "pynn-native[demo]"'
        ) from error
    x = (bundled.data if flatten else bundled.images).astype(np.float32)
    if normalize:
        x /= 16
    return x, bundled.target.astype(np.int64)
