"""Calls of layers under a gradient tape: computed step by step, so that the tape sees each step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynn._native import Tensor

if TYPE_CHECKING:
    from pynn.layers.base import Layer


class _Outermost(threading.local):
    training: bool | None = None  # of the layer that a program called; None outside such calls


_outermost = _Outermost()


def training() -> bool | None:
    """Return whether the layers of a call under a tape run for training; None outside of one."""
    return _outermost.training


def call(layer: Layer, compute: Callable[[Any], Any], x: Any, training: bool) -> Any:
    """Compute a layer's outputs at once; layers inside it take `training` from the outermost."""
    if _outermost.training is not None:
        return compute(x)
    tensor = x if isinstance(x, Tensor) else Tensor(x)
    single = tensor.shape == layer.input_shape
    _outermost.training = training
    try:
        y = compute(tensor.reshape(1, *tensor.shape) if single else tensor)
    finally:
        _outermost.training = None
    return y.reshape(y.shape[1:]) if single else y
