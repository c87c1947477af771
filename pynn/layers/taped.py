"""Calls of layers under a gradient tape: computed step by step, so that the tape sees each step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynn._native import Tensor
from pynn.layers import nested
from pynn.layers.arguments import Arguments

if TYPE_CHECKING:
    from pynn.layers.base import Layer


class _Outermost(threading.local):
    training: bool | None = None  # of the layer that a program called; None outside such calls
    masks: dict[int, tuple[Tensor, Tensor]] | None = None


_outermost = _Outermost()


def training() -> bool | None:
    """Return whether the layers of a call under a tape run for training; None outside of one."""
    return _outermost.training


def masks() -> dict[int, tuple[Tensor, Tensor]] | None:
    """Return the masks of tensors of a call under a tape; None outside of one."""
    return _outermost.masks


def call(
    layer: Layer,
    forward: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
    training: bool,
) -> Any:
    """Compute a layer's outputs at once; layers inside it take `training` from the outermost."""
    if _outermost.training is not None:
        return layer._record(forward, args, options)
    given = Arguments.of(layer, forward, args, options)
    tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in given.tensors]
    single = given.input_shape(type(layer).build, 0) == layer.input_shape
    given = given.filled(x.reshape(1, *x.shape) if single else x for x in tensors)
    _outermost.training, _outermost.masks = training, {}
    try:
        y = layer._record(forward, given.args, given.options)
    finally:
        _outermost.training = _outermost.masks = None
    return nested.mapped(lambda x: x.reshape(x.shape[1:]), y) if single else y
