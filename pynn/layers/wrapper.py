"""Layers made of a function, or of another layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pynn import ops
from pynn._native import Tensor
from pynn.layers import masks
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Lambda(Layer):
    """``y = function(x)``, for a tensor expression without weights.

    Parameters
    ----------
    function : callable
        Takes the inputs, as the layer is given them, and returns a tensor.
    arguments : dict or None, default None
        Further arguments of `function`, by name.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError
        If `function` can't be called.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Lambda
    >>> Lambda(lambda x, power: x**power, arguments={"power": 2})(np.array([[1.0, 3.0]]))
    array([[1., 9.]], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise TypeError(f"Lambda: function expects a function of tensors, got {function!r}")
        self.function = function
        self.arguments = dict(arguments or {})

    def forward(self, x: Any) -> Any:
        return self.function(x, **self.arguments)


class Wrapper(Layer):
    """Base class of layers around another one, whose weights are theirs.

    Parameters
    ----------
    layer : Layer
        The layer inside.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError
        If `layer` is none.
    """

    def __init__(self, layer: Layer, **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(layer, Layer):
            raise TypeError(f"{type(self).__name__}: layer expects a layer, got {layer!r}")
        self.layer = layer


class TimeDistributed(Wrapper):
    """The same layer at each step of time: (batch, time, ...) to (batch, time, ...).

    All steps are one batch to the layer inside, so batch normalization, say, averages over both. Of
    a mask (batch, time, ...) the layer inside sees what is beyond the axis of time.

    Parameters
    ----------
    layer : Layer
        Takes (batch, ...).
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError, ValueError
        If `layer` is none, or the inputs have no axis of time.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Flatten, TimeDistributed
    >>> TimeDistributed(Flatten())(np.zeros((5, 7, 2, 3))).shape
    (5, 7, 6)
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        batch, time, *sample = x.shape
        rows = x.reshape(batch * time, *sample)
        if mask is not None and mask.ndim > 2:
            masks.note(rows, mask.reshape(batch * time, *mask.shape[2:]))
        rows = self.layer(rows)
        y: Tensor = rows.reshape(batch, time, *rows.shape[1:])
        inner = masks.of(rows)
        masks.note(y, None if inner is None else inner.reshape(batch, time, *inner.shape[1:]))
        return y

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """Return the mask of the steps: those of which the layer inside sees anything."""
        deep = mask is not None and mask.ndim > 2
        return ops.any(mask, tuple(range(2, mask.ndim))) if deep else mask

    def check_input(self, shape: Shape) -> None:
        if len(shape) < 3:
            raise ValueError(f"{self} expects inputs of shape (batch, time, ...), got {shape}")
