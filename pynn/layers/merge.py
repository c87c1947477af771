"""Layers that make one tensor of several."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from pynn import checks, ops
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Merge(Layer):
    """Base class of layers that take a list of at least two tensors.

    Parameters
    ----------
    **options
        `name`, `dtype`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If there are fewer than two inputs, or their shapes don't go together.
    """

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """Return which steps are no padding in any of the inputs; None where one has no mask."""
        if mask is None or any(part is None for part in mask):
            return None
        return functools.reduce(ops.logical_or, mask)

    def check_input(self, shapes: Sequence[Shape]) -> None:  # type: ignore[override]
        if not isinstance(shapes, list) or len(shapes) < 2:
            raise ValueError(f"{self} expects a list of at least two inputs, got {shapes}")
        self.check_shapes(shapes)

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        """Raise ValueError where inputs of these shapes can't be broadcast to one."""
        rank = max(map(len, shapes))
        for extents in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
            if len(set(extents) - {1}) > 1:
                raise ValueError(f"{self} expects inputs of one shape, got {shapes}")


class Add(Merge):
    """``y = x₁ + x₂ + ...``; extents of 1 are broadcast. A residual connection, say.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Add
    >>> Add()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
    array([[11., 22.]], dtype=float32)
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return functools.reduce(lambda a, b: a + b, inputs)


class Subtract(Merge):
    """``y = x₁ - x₂``; extents of 1 are broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Subtract
    >>> Subtract()([np.array([[10.0, 20.0]]), np.array([[1.0, 2.0]])])
    array([[ 9., 18.]], dtype=float32)
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        a, b = inputs
        return a - b

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        if len(shapes) != 2:
            raise ValueError(f"{self} expects two inputs, got {len(shapes)}")
        super().check_shapes(shapes)


class Multiply(Merge):
    """``y = x₁ x₂ ...``, value by value; extents of 1 are broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Multiply
    >>> Multiply()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
    array([[10., 40.]], dtype=float32)
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return functools.reduce(lambda a, b: a * b, inputs)


class Average(Merge):
    """``y = (x₁ + ... + xₙ) / n``; extents of 1 are broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Average
    >>> Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 8.0]])])
    array([[2., 5.]], dtype=float32)
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return functools.reduce(lambda a, b: a + b, inputs) * (1 / len(inputs))


class Maximum(Merge):
    """The greatest of the inputs, value by value; extents of 1 are broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Maximum
    >>> Maximum()([np.array([[1.0, 8.0]]), np.array([[3.0, 2.0]])])
    array([[3., 8.]], dtype=float32)
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return functools.reduce(ops.maximum, inputs)


class Minimum(Merge):
    """The least of the inputs, value by value; extents of 1 are broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Minimum
    >>> Minimum()([np.array([[1.0, 8.0]]), np.array([[3.0, 2.0]])])
    array([[1., 2.]], dtype=float32)
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return functools.reduce(ops.minimum, inputs)


class Concatenate(Merge):
    """The inputs one after the other along an axis.

    Parameters
    ----------
    axis : int, default -1
        Which axis, counted with the batch axis, or from the end.
    **options
        `name`, `dtype`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If the inputs differ along another axis.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Concatenate
    >>> Concatenate()([np.array([[1.0, 2.0]]), np.array([[3.0]])])
    array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = checks.whole(axis, "Concatenate: axis", -99)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        y: Tensor = ops.concatenate(inputs, self.axis)
        return y

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """Return the masks one after the other along an axis that they have, or else their AND."""
        if mask is None:
            return None
        extents = next(part for part in mask if part is not None).ndim
        if self.axis % x[0].ndim >= extents:
            return functools.reduce(ops.logical_and, [part for part in mask if part is not None])
        parts = [
            ops.ones(part.shape[:extents], dtype="bool") if seen is None else seen
            for part, seen in zip(x, mask, strict=True)
        ]
        return ops.concatenate(parts, self.axis % x[0].ndim)

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        rank = len(shapes[0])
        if not 1 <= (self.axis + rank if self.axis < 0 else self.axis) < rank:
            raise ValueError(f"{self} has no axis {self.axis} to join inputs {shapes} along")
        rests = {tuple(n for i, n in enumerate(s) if i != self.axis % rank) for s in shapes}
        if len(rests) > 1 or any(len(shape) != rank for shape in shapes):
            raise ValueError(
                f"{self} expects inputs that differ along axis {self.axis} only, got {shapes}"
            )


class Dot(Merge):
    """Products of two inputs, summed over one axis of each, for each sample.

    ``y[b, ..., ...] = Σₖ x₁[b, ..., k, ...] x₂[b, ..., k, ...]``: first the other axes of x₁, then
    those of x₂. Two inputs (batch, features) give (batch, 1).

    Parameters
    ----------
    axes : int or tuple of two ints
        The axis of each input, counted with the batch axis, or from the end.
    normalize : bool, default False
        Whether vectors along the axes are scaled to length 1 before: the cosine of their angle.
    **options
        `name`, `dtype`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If the axes have different extents, or there are not two inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Dot
    >>> Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
    array([[50.]], dtype=float32)
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **options: Any) -> None:
        super().__init__(**options)
        found = checks.axes(axes, "Dot: axes")
        if isinstance(found, tuple) and len(found) != 2:
            raise ValueError(f"Dot: axes expects one axis or two, got {axes}")
        self.axes = found
        self.normalize = checks.flag(normalize, "Dot: normalize")

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        places = self.places([x.shape for x in inputs])
        rows, rests = [], []
        for x, place in zip(inputs, places, strict=True):
            others = [i for i in range(1, x.ndim) if i != place]
            if self.normalize:
                power = ops.square(x).sum(place, keepdims=True)
                x = x * ops.rsqrt(ops.maximum(power, 1e-12))
            rest = [x.shape[i] for i in others]
            turned = x.transpose(0, *others, place)
            rows.append(turned.reshape(x.shape[0], math.prod(rest), x.shape[place]))
            rests += rest
        y = rows[0] @ rows[1].transpose(0, 2, 1)
        return y.reshape(y.shape[0], *(rests or [1]))

    def compute_mask(self, x: Any, mask: Any = None) -> None:
        """Return None: an axis of each input goes."""

    def places(self, shapes: Sequence[Shape]) -> list[int]:
        """Find the axis of each input."""
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return [
            axis + len(shape) if axis < 0 else axis
            for axis, shape in zip(axes, shapes, strict=True)
        ]

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        if len(shapes) != 2:
            raise ValueError(f"{self} expects two inputs, got {len(shapes)}")
        places = self.places(shapes)
        missing = any(not 1 <= p < len(s) for p, s in zip(places, shapes, strict=True))
        if missing or shapes[0][places[0]] != shapes[1][places[1]]:
            raise ValueError(f"{self} expects equal extents along axes {self.axes}, got {shapes}")
