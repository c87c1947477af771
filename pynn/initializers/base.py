"""Initializer: a function of a shape; and those that are not random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pynn._registry import Configurable, Registry

if TYPE_CHECKING:
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"
Float64: TypeAlias = "npt.NDArray[np.float64]"


class Initializer(Configurable):
    """Base class of initializers: a function of a shape.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.initializers import Initializer
    >>> class Twos(Initializer):
    ...     def values(self, shape):
    ...         return np.full(shape, 2.0)
    >>> Twos()((3,))
    array([2., 2., 2.], dtype=float32)
    """

    def values(self, shape: tuple[int, ...]) -> Float64:
        """Return the numbers in float64."""
        raise NotImplementedError(f"{type(self).__name__} defines no values(shape)")

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        """Return an array of new numbers.

        Parameters
        ----------
        shape : sequence of int
        dtype : default "float32"
            "bfloat16", which NumPy lacks, gives float32.

        Raises
        ------
        ValueError
            An extent is negative, or the shape has no meaning for this initializer.
        """
        extents = tuple(int(extent) for extent in shape)
        if any(extent < 0 for extent in extents):
            raise ValueError(f"{type(self).__name__}: extents must be at least 0, got {extents}")
        numpy_dtype = np.dtype("float32" if dtype == "bfloat16" else dtype)
        return np.ascontiguousarray(self.values(extents), numpy_dtype).reshape(extents)


class FunctionInitializer(Initializer):
    """An initializer made of a function ``f(shape)`` that returns an array."""

    def __init__(self, function: Callable[[tuple[int, ...]], npt.ArrayLike]) -> None:
        self.function = function

    def values(self, shape: tuple[int, ...]) -> Float64:
        array = np.asarray(self.function(shape), np.float64)
        if array.shape != shape:
            raise ValueError(f"initializer: expected an array of shape {shape}, got {array.shape}")
        return array


registry: Registry[Initializer] = Registry("initializer", Initializer, FunctionInitializer)


@registry.register()
class Constant(Initializer):
    """``w = value``.

    Parameters
    ----------
    value : float or array_like, default 0.0
        An array must broadcast to the shape asked for.

    Examples
    --------
    >>> Constant(0.5)((2,))
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, value: npt.ArrayLike = 0.0) -> None:
        self.value = value

    def values(self, shape: tuple[int, ...]) -> Float64:
        value = np.asarray(self.value, np.float64)
        try:
            return np.broadcast_to(value, shape)
        except ValueError:
            raise ValueError(
                f"Constant: cannot fill shape {shape} with shape {value.shape}"
            ) from None


@registry.register()
class Zeros(Constant):
    """``w = 0``.

    Examples
    --------
    >>> Zeros()((2,))
    array([0., 0.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(0.0)


@registry.register()
class Ones(Constant):
    """``w = 1``.

    Examples
    --------
    >>> Ones()((2,))
    array([1., 1.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0)


def get(identifier: object) -> Initializer:
    """Return an initializer by name, object, class, configuration or function of a shape.

    Examples
    --------
    >>> get("he_normal")
    HeNormal()
    """
    return registry.get(identifier)
