"""Control flow over tensors: conditions and loops that are one step of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pynn import _native, checks
from pynn._native import Recorder, Tensor

__all__ = ["cond", "scan", "while_loop"]


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
    condition = _truth(pred, "cond: pred")
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
        _check_carry("scan: f must return a carry", outcome[0], after, carry, carries)
        ys: list[Tensor] = []
        y = _flattened(outcome[1], ys)
    results = _native.scan(recorder, [*after, *ys], carries, rows, count, reverse=bool(reverse))
    source = iter(results)
    return _rebuilt(carry, source), _rebuilt(y, source)


def while_loop(
    cond: Callable[[Any], Any],
    body: Callable[[Any], Any],
    state: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """Run ``state = body(state)`` for as long as ``cond(state)`` is true, as one step.

    How often is decided by values, while it runs. Both functions are recorded once; they may use
    tensors and variables from outside.

    Gradients read what each iteration has computed. So that there is memory for that, the number of
    iterations must have a bound: without `maximum_iterations` the loop has no gradient. With it a
    loop that is differentiated takes memory for that many iterations, and time for those that run.

    Parameters
    ----------
    cond : callable
        Function of the state; returns one truth value.
    body : callable
        Function of the state; returns the next, of the same structure, shapes and dtypes.
    state : Tensor or array_like, or a structure of them
        The first state.
    maximum_iterations : int, optional
        The loop ends after so many at the latest. Default: no bound.

    Returns
    -------
    Tensor, or a structure of them
        The last state.

    Raises
    ------
    TypeError
        If `body` does not return a state like the one that it was given.
    ValueError
        If `cond` returns more than one value, or `maximum_iterations` is negative.
    RuntimeError
        When a gradient is asked for without `maximum_iterations`.

    Examples
    --------
    >>> import pynn
    >>> pynn.while_loop(lambda x: x < 100.0, lambda x: x * x, 3.0)
    Tensor(6561., dtype=float32)
    >>> pynn.grad(lambda x: pynn.while_loop(lambda x: x < 100.0, lambda x: x * x, x, 10))(3.0)
    Tensor(17496., dtype=float32)
    """
    if maximum_iterations is not None:
        checks.whole(maximum_iterations, "while_loop: maximum_iterations", 0)
    first: list[Tensor] = []
    structure = _flattened(state, first)
    going = _truth(cond(_rebuilt(structure, first)), "while_loop: what cond returns")
    carries = [going, Tensor(0), *first]
    with _body() as recorder:
        _, count, *inputs = [recorder.input(x.shape, x.dtype) for x in carries]
        result = body(_rebuilt(structure, inputs))
        after: list[Tensor] = []
        _check_carry("while_loop: body must return a state", result, after, structure, first)
        more = _truth(cond(_rebuilt(structure, after)), "while_loop: what cond returns")
        outputs = [more, count + 1, *after]
    results = _native.scan(recorder, outputs, carries, [], maximum_iterations, conditional=True)
    return _rebuilt(structure, results[2:])


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


def _check_carry(
    what: str, result: Any, after: list[Tensor], structure: Any, before: list[Tensor]
) -> None:
    """Collect the tensors of a new carry in `after`, and compare them with the old one's."""
    found = _flattened(result, after)
    if found != structure or [_kind(x) for x in after] != [_kind(x) for x in before]:
        raise TypeError(
            f"{what} of the structure, shapes and dtypes that it is given, "
            f"{_described(structure, before)}, got {_described(found, after)}"
        )


def _truth(value: Any, what: str) -> Tensor:
    """Turn what somebody gave as a condition into one bool."""
    truth = _tensor(value)
    if truth.size != 1:
        raise ValueError(f"{what} must be one truth value, got shape {truth.shape}")
    if truth.ndim > 0:
        truth = truth.reshape(())
    return truth if truth.dtype == "bool" else truth != 0


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
