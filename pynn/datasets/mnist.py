"""MNIST, and the sets published in its format."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from pynn.datasets.download import cache_folder, fetch_gzip
from pynn.datasets.idx import read_idx

if TYPE_CHECKING:
    from numpy.typing import NDArray

# x: uint8 or, normalized, float32, (n, 28, 28) or (n, 784); y: uint8, (n,)
Part: TypeAlias = "tuple[NDArray[Any], NDArray[np.uint8]]"


class _Published(NamedTuple):
    """A data set of four IDX files: training images and labels, test images and labels."""

    title: str
    mirrors: tuple[str, ...]
    md5: dict[str, str]  # of each file or of its gzipped form, whichever its publisher states


_SETS = {
    "mnist": _Published(
        "MNIST",
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        {
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        },
    ),
    "fashion_mnist": _Published(
        "Fashion-MNIST",
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}


def load_mnist(
    path: str | os.PathLike[str] | None = None,
    *,
    flatten: bool = False,
    normalize: bool = False,
    download: bool = True,
) -> tuple[Part, Part]:
    """Load the MNIST handwritten digits: 60,000 to train on and 10,000 to test with.

    The four IDX files (``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
    ``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte``; gzipped or not, also spelt
    ``train-images.idx3-ubyte``) are taken from the first of these that has them all:

    1. the folder `path`, and no other place, where one is given;
    2. the folder ``mnist`` in the folder that the environment variable ``PYNN_DATA_DIR`` names;
    3. the folder ``mnist`` in the cache: ``PYNN_CACHE_DIR``, else the platform's own, which is
       ``~/.cache/pynn`` on Linux;
    4. the network, from where what is missing in the cache is downloaded into it: 11 MB once,
       verified by checksum, 55 MB unpacked.

    Parameters
    ----------
    path : str, os.PathLike or None, default None
        The folder that holds the four files.
    flatten : bool, default False
        Give every image as a row of 784 pixels instead of (28, 28).
    normalize : bool, default False
        Give the pixels as float32 in [0, 1] instead of uint8 from 0 to 255.
    download : bool, default True
        Whether the network may be used.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        ``x``: pixels, uint8 of shape (n, 28, 28), where 0 is paper and 255 ink; ``y``: digits,
        uint8 of shape (n,); ``n`` is 60,000 and 10,000.

    Raises
    ------
    FileNotFoundError
        If the files are nowhere to be found and cannot be downloaded.
    ValueError
        If a file is damaged or is not what its name says.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86 (1998). Licence of the data: CC BY-SA 3.0.

    Examples
    --------
    >>> from pynn.datasets import load_mnist
    >>> (x_train, y_train), (x_test, y_test) = load_mnist()  # doctest: +SKIP
    >>> x_train.shape, y_train[:3]  # doctest: +SKIP
    ((60000, 28, 28), array([5, 0, 4], dtype=uint8))
    """
    return _load("mnist", path, flatten, normalize, download)


def load_fashion_mnist(
    path: str | os.PathLike[str] | None = None,
    *,
    flatten: bool = False,
    normalize: bool = False,
    download: bool = True,
) -> tuple[Part, Part]:
    """Load Fashion-MNIST: MNIST's shape and size, harder to classify.

    The labels are 0 T-shirt or top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt,
    7 sneaker, 8 bag, 9 ankle boot.

    Parameters
    ----------
    path, flatten, normalize, download
        As for `load_mnist`; the subfolder is ``fashion_mnist``.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        As from `load_mnist`.

    Raises
    ------
    FileNotFoundError
        If the files are nowhere to be found and cannot be downloaded.
    ValueError
        If a file is damaged or is not what its name says.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv:1708.07747 (2017). Licence of the data: MIT.

    Examples
    --------
    >>> from pynn.datasets import load_fashion_mnist
    >>> (x_train, y_train), (x_test, y_test) = load_fashion_mnist()  # doctest: +SKIP
    """
    return _load("fashion_mnist", path, flatten, normalize, download)


def _load(
    key: str, path: str | os.PathLike[str] | None, flatten: bool, normalize: bool, download: bool
) -> tuple[Part, Part]:
    x_train, y_train, x_test, y_test = _locate(key, path, download)
    return (
        _read_part(x_train, y_train, flatten, normalize),
        _read_part(x_test, y_test, flatten, normalize),
    )


def _read_part(images: str, labels: str, flatten: bool, normalize: bool) -> Part:
    x, y = read_idx(images), read_idx(labels)
    for name, array, rank in (images, x, 3), (labels, y, 1):
        if array.dtype != np.uint8 or array.ndim != rank:
            raise ValueError(
                f"{name}: expected uint8 in {rank} dimension{'s'[: rank > 1]}, "
                f"got {array.dtype} of shape {array.shape}"
            )
    if len(x) != len(y):
        raise ValueError(f"{images} holds {len(x)} images, but {labels} holds {len(y)} labels")
    if flatten:
        x = x.reshape(len(x), x.shape[1] * x.shape[2])
    if normalize:
        x = np.divide(x, 255, dtype=np.float32)
    return x, y


def _locate(key: str, path: str | os.PathLike[str] | None, download: bool) -> list[str]:
    """Return the paths of the four files, after downloading what is missing if need be."""
    published = _SETS[key]
    cache = os.path.join(cache_folder(), key)
    if path is not None:
        folders = [os.path.expanduser(os.fspath(path))]
    elif data := os.environ.get("PYNN_DATA_DIR"):
        folders = [os.path.join(os.path.expanduser(data), key), cache]
    else:
        folders = [cache]

    found: dict[str, str] = {}
    for folder in folders:
        found = {name: file for name in published.md5 if (file := _find(folder, name))}
        if len(found) == len(published.md5):
            return list(found.values())

    missing = [name for name in published.md5 if name not in found]
    failure = ""
    if path is None and download:
        try:
            for name in missing:
                urls = [f"{mirror}{name}.gz" for mirror in published.mirrors]
                found[name] = os.path.join(cache, name)
                fetch_gzip(urls, found[name], published.md5[name])
            return [found[name] for name in published.md5]
        except OSError as error:
            failure = f" They could not be downloaded either: {error}."
    raise FileNotFoundError(
        f"{published.title} not found: looked for {', '.join(missing)} (or .gz) "
        f"in {' and '.join(folders)}.{failure} Give the folder that holds the files: "
        f"load_{key}(path), or set PYNN_DATA_DIR to the folder whose subfolder {key!r} holds them."
    )


def _find(folder: str, name: str) -> str | None:
    """Find a published file under the names it goes by: unpacked or not, with a dot or a dash."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            file = os.path.join(folder, spelling + suffix)
            if os.path.isfile(file):
                return file
    return None
