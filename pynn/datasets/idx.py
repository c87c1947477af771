"""Reading IDX, the file format in which MNIST is published.

A file is a big-endian header and then the elements in C order::

    0x00 0x00 | dtype code | number of dimensions | one uint32 a dimension | elements

(Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".)
"""

from __future__ import annotations

import math
import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, plain or gzipped, into an array.

    Whether a file is gzipped is seen from its first bytes, so its name doesn't matter.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    numpy.ndarray
        A writable array with the shape and the dtype that the header states (uint8, int8, int16,
        int32, float32 or float64), in the machine's byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not IDX, or ends early, or has bytes left after the last element. The
        message names the file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pynn.datasets import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    import gzip
    import zlib

    name = os.fspath(path)
    with open(name, "rb") as raw:
        zipped = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        try:
            return _read(cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if zipped else raw, name)
        except EOFError:
            raise ValueError(f"{name}: the gzip stream ends early: the file is truncated") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{name}: damaged gzip stream: {error}") from error


def _read(file: BinaryIO, name: str) -> NDArray[Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise ValueError(
            f"{name}: not an IDX file: expected it to start with 00 00, a dtype code "
            f"({', '.join(f'{code:02x}' for code in _DTYPES)}) and the number of dimensions, "
            f"got {magic.hex(' ') or 'an empty file'}"
        )
    rank = magic[3]
    if rank > 32:  # the most that every NumPy release can hold
        raise ValueError(f"{name}: not an IDX file: its header states {rank} dimensions")
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise ValueError(f"{name}: truncated: the header of {rank} dimensions ends early")
    shape = struct.unpack(f">{rank}I", sizes)
    dtype = np.dtype(_DTYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize

    # Grows as bytes arrive, so a header that lies about its size costs no memory. Reading one byte
    # past the end finds trailing bytes, and makes gzip verify its own checksum.
    elements = bytearray()
    while len(elements) <= expected:
        chunk = file.read(min(_CHUNK, expected + 1 - len(elements)))
        if not chunk:
            break
        elements += chunk
    states = f"its header states shape {shape} of {dtype.newbyteorder('=')}, {expected} bytes"
    if len(elements) < expected:
        raise ValueError(f"{name}: truncated: {states}, but only {len(elements)} follow")
    if len(elements) > expected:
        raise ValueError(f"{name}: trailing bytes: {states}, but more follow")
    array = np.frombuffer(elements, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)
