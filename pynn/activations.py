"""Activations by name, as objects or as functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pynn import _native, ops
from pynn._registry import unknown_name

__all__ = ["Activation", "get", "linear", "names"]

Activation = Callable[[Any], Any]  # a function of one tensor, or a layer

_ALIASES = {
    "swish": "silu",
    "hard_swish": "hard_silu",
    "exponential": "exp",
}
_ALONG_AN_AXIS = ("softmax", "log_softmax")


def linear(x: Any) -> Any:
    """Return `x` as it is: ``y = x``.

    Examples
    --------
    >>> from pynn import activations
    >>> activations.linear(3.0)
    3.0
    """
    return x


@functools.cache
def names() -> tuple[str, ...]:
    """List every name that `get` knows, in alphabetical order.

    Examples
    --------
    >>> from pynn import activations
    >>> "relu" in activations.names() and "swish" in activations.names()
    True
    """
    pointwise = [row["name"] for row in _native.op_table() if "activation" in row["traits"]]
    return tuple(sorted({"linear", *pointwise, *_ALONG_AN_AXIS, *_ALIASES}))


def get(identifier: str | Activation | None) -> Activation:
    """Find an activation.

    Parameters
    ----------
    identifier : str, callable or None
        A name such as ``"relu"``; a layer or a function of one tensor, which is returned as it is;
        ``None`` is ``"linear"``.

    Returns
    -------
    callable
        A function of one tensor (or NumPy array).

    Raises
    ------
    ValueError
        If no activation has this name; the nearest one is suggested.
    TypeError
        If `identifier` is neither a name nor callable.

    Examples
    --------
    >>> from pynn import activations
    >>> activations.get("relu")([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    """
    if identifier is None or identifier == "linear":
        return linear
    if isinstance(identifier, str):
        if identifier not in names():
            raise unknown_name("activation", identifier, names())
        function: Activation = getattr(ops, _ALIASES.get(identifier, identifier))
        return function
    if isinstance(identifier, type):
        raise TypeError(
            f"activation expects a name, a layer or a function, got the class "
            f"{identifier.__name__}; write {identifier.__name__}()"
        )
    if callable(identifier):
        return identifier
    raise TypeError(f"activation expects a name, a layer or a function, got {identifier!r}")
