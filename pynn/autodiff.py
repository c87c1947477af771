"""Gradients of functions, and functions with gradients of their own.

Examples
--------
>>> import pynn
>>> from pynn import ops
>>> pynn.grad(lambda x: ops.sin(x) * x)(0.0)
Tensor(0., dtype=float32)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pynn import _native, ops
from pynn._native import Tensor
from pynn.structures import flatten, map_leaves, pack
from pynn.tape import GradientTape

__all__ = [
    "custom_gradient",
    "grad",
    "hessian",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]

F = TypeVar("F", bound=Callable[..., Any])


def grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Make a function that computes the gradient of another.

    ``∇f(x) = ∂f/∂x``. The gradient is a function of tensor operations again: `grad` of it gives
    second derivatives. Arguments that are no tensors yet become tensors.

    Parameters
    ----------
    function : callable
        ``f(*args, **kwargs)``, returning a tensor without dimensions.
    argnums : int or sequence of int, default 0
        Positions of the arguments to differentiate with respect to: floating-point tensors, or
        lists, tuples and dicts of them.
    has_aux : bool, default False
        Whether `function` returns a pair, of which the second is passed on as it is.

    Returns
    -------
    callable
        Takes what `function` takes and returns the gradient, in the structure of the argument (a
        tuple of them for several `argnums`); with `has_aux` the pair ``(gradient, aux)``.

    Raises
    ------
    TypeError
        When called, if an argument or the value of `function` is not of a floating-point dtype.
    ValueError
        When called, if `function` returns a tensor with dimensions or has no argument `argnums`.

    Examples
    --------
    >>> import pynn
    >>> f = lambda w, x: (w * x).sum() ** 2
    >>> pynn.grad(f)([1.0, 2.0], [3.0, 1.0])
    Tensor([30. 10.], dtype=float32)
    >>> pynn.grad(pynn.grad(lambda x: x**3))(2.0)
    Tensor(12., dtype=float32)
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Make a function that computes another and its gradient.

    Parameters
    ----------
    function, argnums, has_aux
        As in `grad`.

    Returns
    -------
    callable
        Takes what `function` takes and returns ``(value, gradient)``; with `has_aux`
        ``((value, aux), gradient)``.

    Raises
    ------
    TypeError, ValueError
        As in `grad`.

    Examples
    --------
    >>> import pynn
    >>> pynn.value_and_grad(lambda x: x * x)(3.0)
    (Tensor(9., dtype=float32), Tensor(6., dtype=float32))
    """

    @functools.wraps(function)
    def both(*args: Any, **kwargs: Any) -> Any:
        with GradientTape(watch_accessed_variables=False) as tape:
            given, sources = _watched(tape, args, argnums)
            result = function(*given, **kwargs)
        value = result[0] if has_aux else result
        if not isinstance(value, Tensor) or value.shape != ():
            got = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"grad needs a function that returns a tensor without dimensions, got {got}; "
                "jacobian takes any"
            )
        return result, tape.gradient(value, sources, unconnected_gradients="zero")

    return both


def jacobian(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Make a function that computes the Jacobian of another, ``Jᵢⱼ = ∂fᵢ/∂xⱼ``.

    Parameters
    ----------
    function : callable
        Returns a tensor.
    argnums : int or sequence of int, default 0
        As in `grad`.

    Returns
    -------
    callable
        Returns tensors of shape ``f(x).shape + x.shape``, in the structure of the argument.

    Raises
    ------
    TypeError, ValueError
        As in `grad`.

    Examples
    --------
    >>> import pynn
    >>> pynn.jacobian(lambda x: x * x)([1.0, 2.0])
    Tensor([[2. 0.]
            [0. 4.]], dtype=float32)
    """

    @functools.wraps(function)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        with GradientTape(watch_accessed_variables=False) as tape:
            given, sources = _watched(tape, args, argnums)
            value = function(*given, **kwargs)
        return tape.jacobian(value, sources, unconnected_gradients="zero")

    return matrix


def hessian(function: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Make a function that computes the Hessian of another, ``Hᵢⱼ = ∂²f/∂xᵢ∂xⱼ``.

    Parameters
    ----------
    function : callable
        Returns a tensor without dimensions.
    argnums : int, default 0
        Position of the argument, one floating-point tensor.

    Returns
    -------
    callable
        Returns a tensor of shape ``x.shape + x.shape``.

    Raises
    ------
    TypeError, ValueError
        As in `grad`.

    Examples
    --------
    >>> import pynn
    >>> pynn.hessian(lambda x: x[0] * x[1] ** 2)([1.0, 3.0])
    Tensor([[0. 6.]
            [6. 2.]], dtype=float32)
    """
    return jacobian(grad(function, argnums), argnums)


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """Compute a function, and prepare its vector-Jacobian product: ``x̄ⱼ = Σᵢ ȳᵢ ∂fᵢ/∂xⱼ``.

    Parameters
    ----------
    function : callable
        Returns a tensor, or a list, tuple or dict of them.
    *primals : array_like or Tensor, or structures of them
        Its arguments, of floating-point dtypes.

    Returns
    -------
    value : Tensor or structure
        ``function(*primals)``.
    product : callable
        ``product(cotangents)`` returns a tuple, with x̄ for each of `primals`, from ȳ in the
        structure of the value. It can be called more than once.

    Raises
    ------
    TypeError
        If a primal or the value is not of a floating-point dtype.

    Examples
    --------
    >>> import pynn
    >>> y, product = pynn.vjp(lambda x: x * x, [1.0, 2.0])
    >>> product([1.0, 10.0])
    (Tensor([ 2. 40.], dtype=float32),)
    """
    with GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        args, sources = _watched(tape, primals, range(len(primals)))
        value = function(*args)

    def product(cotangents: Any) -> tuple[Any, ...]:
        found: tuple[Any, ...] = tape.gradient(value, sources, cotangents, "zero")
        return found

    return value, product


def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Tensor, Tensor]:
    """Compute a function and its Jacobian-vector product: ``ẏᵢ = Σⱼ ∂fᵢ/∂xⱼ ẋⱼ``.

    Two walks back give it: the vector-Jacobian product is linear in its vector, and ẏ is the
    derivative of that.

    Parameters
    ----------
    function : callable
        Returns a tensor.
    primals : sequence of array_like or Tensor
        Its arguments.
    tangents : sequence of array_like or Tensor
        ẋ, of the shapes of `primals`.

    Returns
    -------
    tuple of Tensor
        The value, and ẏ of its shape.

    Raises
    ------
    TypeError
        If a primal or the value is not of a floating-point dtype.
    ValueError
        If `tangents` don't fit `primals`.

    Examples
    --------
    >>> import pynn
    >>> pynn.jvp(lambda x: x * x, [[1.0, 2.0]], [[1.0, 10.0]])
    (Tensor([1. 4.], dtype=float32), Tensor([ 2. 40.], dtype=float32))
    """
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(tangents)} tangents for {len(primals)} primals")
    with GradientTape(watch_accessed_variables=False) as outer:
        with GradientTape(watch_accessed_variables=False) as inner:
            args, sources = _watched(inner, primals, range(len(primals)))
            value = function(*args)
        vector = ops.zeros_like(value)
        outer.watch(vector)
        products = inner.gradient(value, list(sources), vector, "zero")
    seeds = [Tensor(t, p.dtype) for t, p in zip(tangents, products, strict=True)]
    tangent: Tensor = outer.gradient(products, vector, seeds, "zero")
    return value, tangent


def custom_gradient(function: F) -> F:
    """Give a function of tensors a gradient of its own: a decorator.

    Where the gradient that follows from the operations is wasteful or not finite. It holds under a
    `GradientTape`, in `grad`, and for whatever is recorded: layers, losses, functions.

    Parameters
    ----------
    function : callable
        ``f(*x, **options)`` returns ``(y, rule)``: one or several tensors, and a function
        ``rule(*dy)`` that returns the gradient of each x (None: none), by tensor operations, from
        those of each y. Where f reads a trainable `Variable` that is not among its arguments, the
        rule takes ``variables=``, a list of them, and returns ``(dx, dvariables)``.

    Returns
    -------
    callable
        ``f(*x, **options)`` without the rule. Arguments given by position become tensors. Inside
        the functions of `scan` and `cond` the rule can only use the gradients that it gets.

    Raises
    ------
    TypeError
        When called, if `function` returns no such pair, or reads variables that its rule does not
        take.
    ValueError
        When differentiated, if the rule's gradients don't fit the arguments.

    Examples
    --------
    >>> import pynn
    >>> from pynn import ops
    >>> @pynn.custom_gradient
    ... def log1pexp(x):
    ...     e = ops.exp(x)
    ...     return ops.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))
    >>> pynn.grad(log1pexp)(100.0)
    Tensor(1., dtype=float32)
    """

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        x = [arg if isinstance(arg, Tensor) else Tensor(arg) for arg in args]
        with GradientTape() as seen:
            result = function(*x, **options)
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            raise TypeError(
                f"custom_gradient: {function.__name__} must return its value and a function for "
                f"the gradient, got {type(result).__name__}"
            )
        value, rule = result
        given = {id(t) for t in x}
        variables = [v for v in seen.watched_variables() if id(v) not in given]
        if variables and "variables" not in inspect.signature(rule).parameters:
            names = ", ".join(repr(v.name) for v in variables)
            raise TypeError(
                f"custom_gradient: {function.__name__} reads the variables {names}: pass them as "
                "arguments, or let the gradient function take variables="
            )
        inputs = [*x, *variables]

        def gradients(*dy: Tensor) -> list[Tensor | None]:
            found = rule(*dy, variables=variables) if variables else rule(*dy)
            parts = found if variables else (found, ())
            return _checked_gradients(function.__name__, parts, x, variables)

        outputs = _native.custom_gradient(inputs, flatten(value), gradients)
        return pack(value, outputs)

    return call  # type: ignore[return-value]


def _watched(
    tape: GradientTape, args: Sequence[Any], argnums: int | Sequence[int]
) -> tuple[list[Any], Any]:
    """Turn the arguments to be differentiated into tensors of their own, and watch them."""
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    taken: dict[int, Tensor] = {}

    def own(x: Any) -> Tensor:
        tensor = x if isinstance(x, Tensor) else Tensor(x)
        if id(tensor) in taken:  # the same tensor in two places has two gradients
            tensor = tensor.copy()
        taken[id(tensor)] = tensor
        return tensor

    found = list(args)
    for i in positions:
        if not -len(args) <= i < len(args):
            raise ValueError(f"argnums {i}: the function was given {len(args)} arguments")
        found[i] = own(args[i]) if _is_array(args[i]) else map_leaves(own, args[i])
    sources = tuple(found[i] for i in positions)
    tape.watch(sources)
    return found, sources[0] if isinstance(argnums, int) else sources


def _is_array(x: Any) -> bool:
    """Tell nested lists of numbers, which are one array, from structures of tensors."""
    return not isinstance(x, dict) and not any(hasattr(leaf, "shape") for leaf in flatten(x))


def _checked_gradients(
    name: str, parts: Any, x: Sequence[Tensor], variables: Sequence[Tensor]
) -> list[Tensor | None]:
    found: list[Tensor | None] = []
    for part, inputs, what in zip(parts, (x, variables), ("arguments", "variables"), strict=True):
        items = list(part) if isinstance(part, (list, tuple)) else [part]
        if len(items) != len(inputs):
            raise ValueError(
                f"custom_gradient: {name} has {len(inputs)} {what}, its gradient function "
                f"returned {len(items)} gradients"
            )
        for i, (item, source) in enumerate(zip(items, inputs, strict=True)):
            g = item if item is None or isinstance(item, Tensor) else Tensor(item, source.dtype)
            if g is not None and g.shape != source.shape:
                raise ValueError(
                    f"custom_gradient: {what[:-1]} {i} of {name} has shape {source.shape}, its "
                    f"gradient {g.shape}"
                )
            found.append(g if g is None or g.dtype == source.dtype else g.astype(source.dtype))
    return found
