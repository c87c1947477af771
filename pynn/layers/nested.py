"""Tensors in lists, tuples and dicts: what layers with several inputs or outputs take and give."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from numpy import ndarray

from pynn._native import Tensor


class Placeholder:
    """What stands for a tensor where there is none yet."""

    shape: tuple[int, ...] = ()


_TENSORS = (Tensor, ndarray, Placeholder)


def tensors(item: Any) -> list[Any]:
    """List the tensors, arrays and placeholders in a structure, in order."""
    found: list[Any] = []
    mapped(found.append, item)
    return found


def mapped(function: Callable[[Any], Any], item: Any) -> Any:
    """Put what `function` gives in the place of each tensor, array and placeholder."""
    if isinstance(item, _TENSORS):
        return function(item)
    if isinstance(item, dict):
        return {key: mapped(function, value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        values = [mapped(function, value) for value in item]
        return tuple(values) if isinstance(item, tuple) else values
    return item


def filled(item: Any, values: Iterable[Any]) -> Any:
    """Put `values` in the places of the tensors, arrays and placeholders, in order."""
    source = iter(values)
    return mapped(lambda _: next(source), item)


def named(item: Any, label: Callable[[Any], str]) -> list[str]:
    """Name each tensor, array and placeholder: by its key in a dict, or else by `label`.

    Names that were given before get numbers.
    """
    found: list[str] = []

    def visit(item: Any, key: object = None) -> None:
        if isinstance(item, _TENSORS):
            base = label(item) if key is None else str(key)
            names = (f"{base}_{i}" if i else base for i in range(len(found) + 1))
            found.append(next(name for name in names if name not in found))
        elif isinstance(item, dict):
            for name, value in item.items():
                visit(value, name)
        elif isinstance(item, (list, tuple)):
            for value in item:
                visit(value, key)

    visit(item)
    return found


def placeholders(item: Any) -> Any:
    """Keep the structure alone."""
    return mapped(lambda _: Placeholder(), item)


def shapes(item: Any, skip: int = 0) -> Any:
    """Put its shape, from axis `skip` on, in the place of each tensor; None for other values."""
    if isinstance(item, (dict, list, tuple)):
        return mapped(lambda x: tuple(x.shape[skip:]), item)
    return tuple(item.shape[skip:]) if isinstance(item, _TENSORS) else None


def signature(item: Any) -> Hashable:
    """Identify a structure, with the values in it that are no tensors."""
    if isinstance(item, _TENSORS):
        return ...
    if isinstance(item, dict):
        return dict, tuple((key, signature(value)) for key, value in item.items())
    if isinstance(item, (list, tuple)):
        return type(item), tuple(map(signature, item))
    return type(item), item


def holds_tensors(item: Any) -> bool:
    """Tell a structure of tensors from nested lists of numbers, by the first value that it has."""
    if isinstance(item, dict):
        return True
    if isinstance(item, (list, tuple)):
        first = next((value for value in item if value is not None), None)
        return isinstance(first, _TENSORS) or holds_tensors(first)
    return False
