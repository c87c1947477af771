"""Nested lists, tuples and dicts of tensors: taken apart, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


def flatten(structure: Any) -> list[Any]:
    """List what is inside lists, tuples and dicts, in order.

    Examples
    --------
    >>> flatten({"a": [1, (2, 3)], "b": None})
    [1, 2, 3, None]
    """
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in flatten(item)]
    if isinstance(structure, Mapping):
        return flatten(list(structure.values()))
    return [structure]


def pack(structure: Any, leaves: Iterable[Any]) -> Any:
    """Put `leaves` in the places of what `flatten` finds in `structure`.

    Examples
    --------
    >>> pack({"a": [1, (2, 3)], "b": None}, "wxyz")
    {'a': ['w', ('x', 'y')], 'b': 'z'}
    """
    return _pack(structure, iter(leaves))


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """Call `function` for everything inside lists, tuples and dicts.

    Examples
    --------
    >>> map_leaves(abs, [-1, (2, -3)])
    [1, (2, 3)]
    """
    return pack(structure, map(function, flatten(structure)))


def _pack(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, (list, tuple)):
        items = [_pack(item, leaves) for item in structure]
        if isinstance(structure, list):
            return items
        fields = getattr(structure, "_fields", None)  # of a namedtuple
        return tuple(items) if fields is None else type(structure)(*items)
    if isinstance(structure, Mapping):
        return {key: _pack(value, leaves) for key, value in structure.items()}
    return next(leaves)
