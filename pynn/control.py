"""Control flow over tensors: conditions and loops that are one step of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pynn import _native, checks
from pynn._native import Recorder, Tensor

__all__ = ["cond", "scan"]


def cond(
    pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *operands: Any
) -> Any:
    """Compute ``true_fn(*operands)`` where `pred` is true, else ``false_fn(*operands)``.

    Both functions are recorded, the one that `pred` chooses runs. They may use tensors and
    variables from outside. The gradient runs the same branch.

    Parameters
    ----------
    pred : bool or Tensor, ()
        One truth value; a number counts as true where it is not zero.
    true_fn, false_fn : callable
        Functions of the operands. What they return must have the same structure (a tensor, or
        tuples, lists and dicts of tensors), shapes and dtypes.
    *operands : Tensor or array_like, or structures of them

    Returns
    -------
    Tensor, or a structure of them
        What the chosen function returned.

    Raises
    ------
    ValueError, TypeError
        If `pred` is not one value, or the functions return different types.

    Examples
    --------
    >>> import pynn
    >>> x = pynn.Tensor([1.0, -2.0])
    >>> pynn.cond(pynn.ops.sum(x) > 0, lambda x: x, lambda x: -x, x)
    Tensor([-1.  2.], dtype=float32)
    """
    condition = _tensor(pred)
    if condition.size != 1:
        raise ValueError(f"cond: pred must be one truth value, got shape {condition.shape}")
    if condition.ndim > 0:
        condition = condition.reshape(())
    if condition.dtype != "bool":
        condition = condition != 0
    tensors: list[Tensor] = []
    arguments = _flattened(operands, tensors)
    outcomes = []
    for function in (true_fn, false_fn):
        with _body() as recorder:
            inputs = iter([recorder.input(x.shape, x.dtype) for x in tensors])
            found: list[Tensor] = []
            structure = _flattened(function(*_rebuilt(arguments, inputs)), found)
        outcomes.append((recorder, found, structure))
    (first, yes, structure), (second, no, other) = outcomes
    if structure != other or [_kind(x) for x in yes] != [_kind(x) for x in no]:
        raise TypeError(
            "cond: true_fn and false_fn must return the same structure of the same shapes and "
            f"dtypes, got {_described(structure, yes)} and {_described(other, no)}"
        )
    results = _native.cond(condition, first, yes, second, no, tensors)
    return _rebuilt(structure, iter(results))


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run ``carry, y = f(carry, x)`` over the rows of `xs`, as one step.

    The loop of a recurrent network: `f` is recorded once and runs natively. It may use tensors and
    variables from outside; gradients with respect to all of them follow.

    Parameters
    ----------
    f : callable
        Function of the carry and one row of `xs`. It returns the next carry, with the same
        structure, shapes and dtypes, and what is to be stacked, or None.
    init : Tensor or array_like, or a structure of them
        The first carry.
    xs : Tensor or array_like, (length, ...), or a structure of them, or None
        What the loop goes over, along the first axis.
    length : int, optional
        How often `f` runs; by default as often as `xs` has rows.
    reverse : bool, default False
        Whether the loop goes from the last row to the first. ``ys[i]`` still belongs to ``xs[i]``.

    Returns
    -------
    carry : Tensor, or a structure of them
        The last carry.
    ys : Tensor, (length, ...), or a structure of them
        The second values that `f` returned, stacked.

    Raises
    ------
    ValueError
        If the length is not known, or differs between `length` and the `xs`.
    TypeError
        If `f` does not return a carry like the one that it was given.

    Examples
    --------
    >>> import pynn
    >>> pynn.scan(lambda total, x: (total + x, total + x), 0.0, [1.0, 2.0, 3.0])
    (Tensor(6., dtype=float32), Tensor([1. 3. 6.], dtype=float32))
    """
    carries: list[Tensor] = []
    carry = _flattened(init, carries)
    rows: list[Tensor] = []
    row = _flattened(xs, rows)
    count = _length(rows, length)
    with _body() as recorder:
        inputs = iter([recorder.input(x.shape, x.dtype) for x in carries])
        row_inputs = iter([recorder.input(x.shape[1:], x.dtype) for x in rows])
        outcome = f(_rebuilt(carry, inputs), _rebuilt(row, row_inputs))
        if not isinstance(outcome, tuple) or len(outcome) != 2:
            raise TypeError(f"scan: f must return a pair (carry, y), got {type(outcome).__name__}")
        after: list[Tensor] = []
        structure = _flattened(outcome[0], after)
        if structure != carry or [_kind(x) for x in after] != [_kind(x) for x in carries]:
            raise TypeError(
                "scan: f must return a carry of the structure, shapes and dtypes that it is given, "
                f"{_described(carry, carries)}, got {_described(structure, after)}"
            )
        ys: list[Tensor] = []
        y = _flattened(outcome[1], ys)
    results = _native.scan(recorder, [*after, *ys], carries, rows, count, bool(reverse))
    source = iter(results)
    return _rebuilt(carry, source), _rebuilt(y, source)


def _length(rows: list[Tensor], length: int | None) -> int:
    if any(x.ndim == 0 for x in rows):
        raise ValueError("scan: every tensor of xs needs a first axis to go along, got a scalar")
    found = {x.shape[0] for x in rows}
    if length is not None:
        found.add(checks.whole(length, "scan: length", 0))
    if len(found) != 1:
        what = f"differ: {sorted(found)}" if found else "is not known: give xs or length"
        raise ValueError(f"scan: the number of rows {what}")
    return found.pop()


def _body() -> Recorder:
    """Record a body for what is being recorded around it."""
    outer = Recorder.current()
    recorder = Recorder(training=outer is not None and outer.training, body=True)
    recorder.rounds_products = outer is not None and outer.rounds_products
    return recorder


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value)


# A structure is what `_flattened` makes of nested values: the kinds of containers, `...` for each
# tensor and None for nothing.
def _flattened(value: Any, tensors: list[Tensor]) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: _flattened(item, tensors) for key, item in value.items()}
    if isinstance(value, (tuple, list)) and not _numbers(value):
        return type(value), [_flattened(item, tensors) for item in value]
    tensors.append(_tensor(value))
    return ...


def _numbers(value: Any) -> bool:
    """Whether a list is an array's values rather than a structure of tensors."""
    return isinstance(value, list) and all(
        isinstance(item, (int, float, np.number)) or _numbers(item) for item in value
    )


def _rebuilt(structure: Any, tensors: Iterable[Tensor]) -> Any:
    source = iter(tensors)
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {key: _rebuilt(item, source) for key, item in structure.items()}
    if isinstance(structure, tuple):
        kind, items = structure
        values = [_rebuilt(item, source) for item in items]
        return kind(*values) if hasattr(kind, "_fields") else kind(values)
    return next(source)


def _kind(x: Tensor) -> tuple[tuple[int, ...], str]:
    return tuple(x.shape), x.dtype


def _described(structure: Any, tensors: list[Tensor]) -> str:
    kinds = ", ".join(f"{x.dtype} {tuple(x.shape)}" for x in tensors)
    single = structure is ...
    return kinds if single else f"a structure of ({kinds})"
