"""What arguments and data must be, said before any work starts."""

from __future__ import annotations

import functools
import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import _native

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# NumPy types without a counterpart in the engine, and what they are read as.
_READ_AS = {
    "float16": "float32",
    "bfloat16": "float32",
    "longdouble": "float64",
    "float128": "float64",
    "float96": "float64",
    "int8": "int32",
    "int16": "int32",
    "uint16": "int32",
    "uint32": "int64",
    "uint64": "int64",
}
_NATIVE = frozenset(map(np.dtype, ("float32", "float64", "int32", "int64", "uint8", "bool")))
_FLOATS = ("float32", "float64", "bfloat16")


def whole(value: Any, name: str, least: int = 1) -> int:
    """Check an integer argument."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} expects an integer, got {value!r}") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} expects an integer, got {value!r}")
    if number < least:
        raise ValueError(f"{name} expects an integer of at least {least}, got {number}")
    return number


def fraction(value: Any, name: str) -> float:
    """Check an argument in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} expects a number from 0 to below 1, got {value!r}")
    if not 0 <= float(value) < 1:
        raise ValueError(f"{name} expects a number from 0 to below 1, got {value!r}")
    return float(value)


def nonnegative(value: Any, name: str) -> float:
    """Check a finite argument of at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} expects a number of at least 0, got {value!r}")
    if not 0 <= float(value) < math.inf:
        raise ValueError(f"{name} expects a number of at least 0, got {value!r}")
    return float(value)


def positive(value: Any, name: str) -> float:
    """Check a finite argument above 0."""
    if nonnegative(value, name) == 0:
        raise ValueError(f"{name} expects a number above 0, got {value!r}")
    return float(value)


def flag(value: Any, name: str) -> bool:
    """Check an option that is on or off."""
    if not isinstance(value, (int, np.bool_)) or value not in (0, 1):
        raise TypeError(f"{name} expects True or False, got {value!r}")
    return bool(value)


def one_of(value: Any, known: Sequence[str], name: str) -> str:
    """Check a word out of a few."""
    if value not in known:
        raise ValueError(f"{name} expects one of {', '.join(map(repr, known))}, got {value!r}")
    return str(value)


def axes(value: Any, name: str) -> int | tuple[int, ...]:
    """Check an axis or several."""
    if isinstance(value, (list, tuple)):
        return tuple(whole(axis, f"every axis of {name} {value!r}", -99) for axis in value)
    return whole(value, name, -99)


def number(value: Any, name: str) -> float:
    """Check a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} expects a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} expects a finite number, got {value!r}")
    return float(value)


def sample_shape(value: Any, name: str) -> tuple[int, ...]:
    """Check the shape of one sample: positive integers, without the batch axis."""
    extents = (value,) if isinstance(value, (int, np.integer)) else value
    if isinstance(extents, str) or not hasattr(extents, "__iter__"):
        raise TypeError(f"{name} expects the shape of one sample such as (784,), got {value!r}")
    return tuple(whole(extent, f"every extent of {name} {value!r}") for extent in extents)


def float_dtype(value: Any, name: str) -> str:
    """Check the type of a layer's weights."""
    try:
        dtype = value if isinstance(value, str) else np.dtype(value).name
    except TypeError:
        dtype = repr(value)
    if dtype not in _FLOATS:
        raise ValueError(f"{name} expects one of {', '.join(_FLOATS)}, got {value!r}")
    return dtype


@functools.lru_cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Look up a name that NumPy puts together anew each time."""
    return dtype.name


def as_array(value: Any, name: str) -> NDArray[Any]:
    """Read data as an array of a type that the engine has."""
    try:
        array: NDArray[Any] = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is not a regular array: {error}") from None
    if array.dtype not in _NATIVE:  # they are equal only in the machine's byte order
        kind = array.dtype.newbyteorder("=")
        if kind in _NATIVE or kind.name in _READ_AS:
            return array.astype(_READ_AS.get(kind.name, kind))
        what = {
            "O": "Python objects (ragged rows, None or mixed types)",
            "U": "strings",
            "S": "bytes",
            "T": "strings",
            "c": "complex numbers",
            "M": "dates",
            "m": "time spans",
        }.get(array.dtype.kind, f"values of type {array.dtype}")
        raise TypeError(f"{name} expects real numbers, got an array of {what}, dtype {array.dtype}")
    return array


def batch(value: Any, name: str) -> NDArray[Any]:
    """Read data whose first axis counts samples, at least one of them."""
    array = as_array(value, name)
    if array.ndim == 0:
        raise ValueError(f"{name} expects an array with one row a sample, got the number {value!r}")
    if array.size == 0:
        raise ValueError(f"{name} is empty: shape {array.shape}")
    return array


def stored(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Lay an array out in C order and the given type, without a copy where it is so already."""
    target = np.dtype("float32" if dtype == "bfloat16" else dtype)
    if array.dtype == target and array.flags.c_contiguous:
        return array
    with np.errstate(over="ignore"):  # what overflows is infinite, and `finite` says so
        return np.ascontiguousarray(array, dtype=target)


def finite(array: NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity, naming the first row that has one."""
    if array.dtype.kind != "f" or _native.all_finite(array):
        return
    bad = ~np.isfinite(array).reshape(len(array), -1)
    row = int(bad.any(axis=1).argmax())
    value = array.reshape(len(array), -1)[row, int(bad[row].argmax())]
    what = "NaN" if math.isnan(value) else f"an infinite value ({array.dtype})"
    raise ValueError(
        f"{name} has {what} in row {row} (counted from 0), and in {int(bad.any(axis=1).sum())} of "
        f"{len(array)} rows; clean the data, or pass check_inputs=False to take it as it is"
    )


def same_length(a: NDArray[Any], a_name: str, b: NDArray[Any], b_name: str) -> None:
    """Refuse arrays with different numbers of samples."""
    if len(a) != len(b):
        raise ValueError(
            f"{a_name} and {b_name} must have the same number of samples, "
            f"got {len(a)} {a.shape} and {len(b)} {b.shape}"
        )
