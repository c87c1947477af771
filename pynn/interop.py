"""NumPy's functions called on tensors: what `Tensor.__array_ufunc__` and `__array_function__` do.

A function that pynn has too gives a tensor, through which gradients flow and which can be recorded.
Any other takes tensors as the arrays that they are, and gives arrays.

Examples
--------
>>> import numpy as np, pynn
>>> np.add(np.ones(2), pynn.Tensor([1.0, 2.0], "float64"))
Tensor([2. 3.], dtype=float64)
>>> np.hypot(pynn.Tensor(3.0), 4.0)
np.float32(5.0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pynn import ops
from pynn._native import Tensor
from pynn.structures import map_leaves

__all__ = ["array_function", "array_ufunc"]

# NumPy's names of ufuncs that are called otherwise in pynn.ops.
_UFUNCS = {"absolute": "abs", "fabs": "abs", "remainder": "mod"}

# Functions with the same arguments: how many may be given by position, and the names of others.
_REDUCTIONS = ("sum", "mean", "prod", "max", "min", "any", "all")
_FUNCTIONS: dict[str, tuple[int, frozenset[str]]] = {
    **dict.fromkeys(_REDUCTIONS, (2, frozenset({"axis", "keepdims"}))),
    **dict.fromkeys(("var", "std"), (2, frozenset({"axis", "keepdims", "ddof"}))),
    **dict.fromkeys(
        ("concatenate", "stack", "sort", "argsort", "cumsum", "cumprod", "expand_dims", "flip"),
        (2, frozenset({"axis"})),
    ),
    **dict.fromkeys(("take_along_axis", "roll"), (3, frozenset({"axis"}))),
    **dict.fromkeys(("reshape", "broadcast_to", "outer"), (2, frozenset())),
    **dict.fromkeys(("where", "swapaxes", "moveaxis", "clip"), (3, frozenset())),
    **dict.fromkeys(("zeros_like", "ones_like"), (1, frozenset())),
    "transpose": (2, frozenset({"axes"})),
    "tensordot": (3, frozenset({"axes"})),
    "einsum": (99, frozenset()),
}
_NAMES = {"amax": "max", "amin": "min"}
_DESCRIPTIONS: dict[str, Callable[[Any], Any]] = {
    "shape": lambda x: x.shape,
    "ndim": lambda x: x.ndim,
    "size": lambda x: x.size,
}


def array_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Compute a ufunc of which an input or an output is a tensor."""
    function = getattr(ops, _UFUNCS.get(ufunc.__name__, ufunc.__name__), None)
    if function is not None and method == "__call__" and not options:
        return function(*inputs)
    if any(isinstance(out, Tensor) for out in options.get("out", ())):
        return NotImplemented  # who follows the tensor would not learn of it
    return getattr(ufunc, method)(*map(_array, inputs), **_arrays(options))


def array_function(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Compute a function of NumPy's of which an argument is a tensor."""
    name = _NAMES.get(function.__name__, function.__name__)
    if len(args) == 1 and not options and name in _DESCRIPTIONS and isinstance(args[0], Tensor):
        return _DESCRIPTIONS[name](args[0])
    positions, names = _FUNCTIONS.get(name, (0, frozenset()))
    known = function is getattr(np, function.__name__, None)  # not one of a submodule
    if known and 0 < len(args) <= positions and names.issuperset(options):
        return getattr(ops, name)(*args, **options)
    return function(*map_leaves(_array, args), **_arrays(options))


def _array(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, Tensor) else x


def _arrays(options: dict[str, Any]) -> dict[str, Any]:
    arrays: dict[str, Any] = map_leaves(_array, options)
    return arrays
