"""Sums of products over axes: einsum and what is a case of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pynn._native import ops
from pynn.ops.creation import shape_of

__all__ = ["einsum", "norm", "outer", "tensordot"]


_SPARE = "\u0391\u0392\u0393\u0394\u0395\u0396\u0397\u0398"  # Greek capitals for axes of "..."


def einsum(equation: str, *operands: Any) -> Any:
    """Return the sum of products that Einstein's notation says.

    ``"ij,jk->ik"`` is ``y[i, k] = sum over j of a[i, j] * b[j, k]``: each letter is an axis, and
    those that are missing behind the arrow are summed over. Products of two operands are batched
    matrix products.

    Parameters
    ----------
    equation : str
        Letters for the axes of every operand, joined by commas; ``...`` stands for axes that
        broadcast. Without an arrow, letters that occur once remain, in alphabetical order.
    *operands : array_like

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        If the letters do not fit the operands' axes.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.], dtype=float32)
    >>> pynn.ops.einsum("ii", [[1.0, 2.0], [3.0, 4.0]])
    array(5., dtype=float32)
    """
    terms, result = _parse(equation, operands)
    pairs = [_prepared(x, term) for x, term in zip(operands, terms, strict=True)]
    sizes = _sizes(equation, pairs)
    while len(pairs) > 1:
        # The two whose product has the fewest elements.
        count = len(pairs)
        i, j = min(
            ((i, j) for i in range(count) for j in range(i + 1, count)),
            key=lambda ij: math.prod(sizes[c] for c in {*pairs[ij[0]][1], *pairs[ij[1]][1]}),
        )
        (b, b_term), (a, a_term) = pairs.pop(j), pairs.pop(i)
        needed = {*result, *(c for _, term in pairs for c in term)}
        pairs.insert(i, _product(a, a_term, b, b_term, needed, sizes))
    y, term = _summed(*pairs[0], set(result))
    return ops.transpose(y, [term.index(c) for c in result]) if term else y


def _parse(equation: str, operands: Sequence[Any]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, ``...`` written as letters."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(
            f"einsum: {equation!r} has {len(terms)} terms for {len(operands)} operands"
        )
    most = 0
    written = []
    for term, x in zip(terms, operands, strict=True):
        rank = len(shape_of(x))
        more = rank - len(term.replace("...", "")) if "..." in term else 0
        term = term.replace("...", _SPARE[len(_SPARE) - more :] if more > 0 else "")
        most = max(most, more)
        if len(term) != rank or not all(c.isalpha() for c in term):
            raise ValueError(f"einsum: {term!r} of {equation!r} does not fit shape {shape_of(x)}")
        written.append(term)
    ellipsis = _SPARE[len(_SPARE) - most :]
    if arrow:
        result = right.replace("...", ellipsis)
    else:
        once = sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1)
        result = ellipsis + "".join(once)
    known = {c for term in written for c in term}
    if len(set(result)) < len(result) or not set(result) <= known:
        raise ValueError(
            f"einsum: the result {right!r} of {equation!r} has unknown or equal letters"
        )
    return written, result


def _prepared(x: Any, term: str) -> tuple[Any, str]:
    """Return the operand with one axis for each letter: repeated ones are diagonals."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            n, m = shape_of(x)[i], shape_of(x)[j]
            if n != m:
                raise ValueError(f"einsum: a diagonal of axes of extent {n} and {m}")
            order = [a for a in range(len(term)) if a not in (i, j)]
            rest = [shape_of(x)[a] for a in order]
            flat = ops.reshape(ops.transpose(x, [*order, i, j]), [*rest, n * n])
            x = flat[..., :: n + 1]
            term = "".join(term[a] for a in order) + c
    return x, term


def _sizes(equation: str, pairs: Sequence[tuple[Any, str]]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for x, term in pairs:
        for c, extent in zip(term, shape_of(x), strict=True):
            if sizes.setdefault(c, extent) == 1:
                sizes[c] = extent
            if extent not in (1, sizes[c]):
                raise ValueError(
                    f"einsum: {c!r} of {equation!r} has extent {sizes[c]} and {extent}"
                )
    return sizes


def _summed(x: Any, term: str, needed: set[str]) -> tuple[Any, str]:
    axes = [i for i, c in enumerate(term) if c not in needed]
    if not axes:
        return x, term
    return ops.sum(x, axes), "".join(c for c in term if c in needed)


def _product(
    a: Any, a_term: str, b: Any, b_term: str, needed: set[str], sizes: dict[str, int]
) -> tuple[Any, str]:
    """Return the product of two operands, summed over what nobody else needs."""
    a, a_term = _summed(a, a_term, {*needed, *b_term})
    b, b_term = _summed(b, b_term, {*needed, *a_term})
    shared = [c for c in a_term if c in b_term]
    batch = [c for c in shared if c in needed]
    inner = [c for c in shared if c not in needed]
    rows = [c for c in a_term if c not in b_term]
    columns = [c for c in b_term if c not in a_term]

    def laid(x: Any, term: str, order: list[str], shape: list[int]) -> Any:
        # What broadcasts along a letter is stretched before letters are merged.
        x = ops.transpose(x, [term.index(c) for c in order]) if order else x
        return ops.reshape(ops.broadcast_to(x, [sizes[c] for c in order]), shape)

    def size(letters: list[str]) -> int:
        return math.prod(sizes[c] for c in letters)

    over = [sizes[c] for c in batch]
    left = laid(a, a_term, [*batch, *rows, *inner], [*over, size(rows), size(inner)])
    right = laid(b, b_term, [*batch, *inner, *columns], [*over, size(inner), size(columns)])
    y = ops.matmul(left, right) if inner else ops.multiply(left, right)
    term = [*batch, *rows, *columns]
    return ops.reshape(y, [sizes[c] for c in term]), "".join(term)


def tensordot(a: Any, b: Any, axes: int | Sequence[Any] = 2) -> Any:
    """Return the products of a and b, summed over axes of both.

    Parameters
    ----------
    a, b : array_like
    axes : int or pair, default 2
        How many axes, the last of a and the first of b; or those of a and those of b.

    Returns
    -------
    ndarray or Tensor
        With the axes of a that remain, then those of b.

    Raises
    ------
    ValueError
        If the axes do not match.

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.tensordot([[1.0, 2.0]], [[1.0], [1.0]], axes=1)
    array([[3.]], dtype=float32)
    """
    ranks = len(shape_of(a)), len(shape_of(b))
    if isinstance(axes, int):
        axes = range(ranks[0] - axes, ranks[0]), range(axes)
    of_a, of_b = ([v] if isinstance(v, int) else list(v) for v in axes)
    if len(of_a) != len(of_b):
        raise ValueError(f"tensordot: axes {of_a} of a and {of_b} of b are not as many")
    letters = [chr(ord("a") + i) for i in range(sum(ranks))]
    left, right = letters[: ranks[0]], letters[ranks[0] :]
    for i, j in zip(of_a, of_b, strict=True):
        right[j] = left[i]
    summed = {left[i] for i in of_a}
    rest = [c for c in left + right if c not in summed]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(rest)}", a, b)


def outer(a: Any, b: Any) -> Any:
    """Return ``y[i, j] = a[i] * b[j]`` of all elements of a and b.

    Parameters
    ----------
    a, b : array_like
        Taken in C order.

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.outer([1, 2], [3, 4])
    array([[3, 4],
           [6, 8]])
    """
    return ops.multiply(ops.reshape(a, (-1, 1)), ops.reshape(b, -1))


def norm(
    x: Any, ord: float = 2, axis: int | Sequence[int] | None = None, keepdims: bool = False
) -> Any:
    """Return the vector norm over axes, ``sum(abs(x)**ord) ** (1 / ord)``.

    Parameters
    ----------
    x : array_like
    ord : float, default 2
        ``inf`` is the greatest absolute value, 0 the number of elements that are not zero.
    axis : int or sequence of ints, optional
        Default: all.
    keepdims : bool, default False
        Keep the axes, with extent 1.

    Returns
    -------
    ndarray or Tensor

    Examples
    --------
    >>> import pynn
    >>> pynn.ops.norm([3.0, 4.0])
    array(5., dtype=float32)
    """
    if ord == 2:
        return ops.sqrt(ops.sum(ops.square(x), axis, keepdims))
    if ord == 0:
        return ops.sum(ops.cast(ops.not_equal(x, 0), "float32"), axis, keepdims)
    size = ops.abs(x)
    if ord == 1:
        return ops.sum(size, axis, keepdims)
    if math.isinf(ord):
        reduce = ops.max if ord > 0 else ops.min
        return reduce(size, axis, keepdims)
    return ops.power(ops.sum(ops.power(size, ord), axis, keepdims), 1 / ord)
