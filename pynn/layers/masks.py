"""Masks of sequences: they go from layer to layer beside the tensors of a recording or a tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynn._native import Recorder, Tensor
from pynn.layers import nested, taped
from pynn.layers.arguments import Arguments, parameter_names

if TYPE_CHECKING:
    from pynn.layers.base import Layer


def of(x: Any) -> Any:
    """Return the masks of tensors, in their structure; None where none has one."""
    noted = _noted()
    if not noted:
        return None
    if isinstance(x, Tensor):
        return noted[id(x)][1] if id(x) in noted else None
    masks = nested.mapped(of, x)
    return masks if nested.tensors(masks) else None


def note(x: Tensor, mask: Tensor | None) -> None:
    """Say which steps of ``x``, (batch, time, ...), are no padding: bool, (batch, time)."""
    noted = _noted()
    if noted is not None and mask is not None:
        noted[id(x)] = x, mask  # with the tensor, so that no other gets its id


def given_to(forward: Callable[..., Any], call: Arguments) -> Arguments:
    """Give ``forward`` the masks of its inputs where it takes them and was given none.

    Those of an input x are the parameter ``x_mask``, or ``mask`` where there is only one input.
    """
    if not _noted():
        return call
    names = parameter_names(forward)
    for i, x in enumerate(call.args):
        name = _parameter(names, i, call.inputs)
        if name is not None and call.value(forward, name) is None:
            call = call.with_value(forward, name, of(x))
    return call


def pass_on(layer: Layer, forward: Callable[..., Any], call: Arguments, outputs: Any) -> None:
    """Note the masks of outputs, where the layers inside have not done so already."""
    found = nested.tensors(outputs)
    if not call.args or all(of(y) is not None for y in found):
        return
    name = _parameter(parameter_names(forward), 0, call.inputs)
    mask = None if name is None else call.value(forward, name)
    masks = layer.compute_mask(call.args[0], of(call.args[0]) if mask is None else mask)
    for y, mask in zip(found, masks if isinstance(masks, list) else [masks], strict=False):
        note(y, mask)


def _parameter(names: list[str], i: int, inputs: int) -> str | None:
    """Name the parameter for the mask of argument `i`."""
    for name in (f"{names[i]}_mask", "mask") if i < len(names) else ():
        if name in names and (name != "mask" or (inputs == 1 and i == 0)):
            return name
    return None


def _noted() -> dict[int, tuple[Tensor, Tensor]] | None:
    recorder = Recorder.current()
    return taped.masks() if recorder is None else recorder.masks
