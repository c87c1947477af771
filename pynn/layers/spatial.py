"""What layers of images share: axes of space between the batch's and the channels'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pynn import checks
from pynn.layers.base import Layer
from pynn.layers.weights import Shape

AXES = {1: "steps", 2: "rows, columns", 3: "depth, rows, columns"}
Pairs = tuple[tuple[int, int], ...]


class Spatial(Layer):
    """Base class of layers whose inputs are (batch, space..., channels).

    Parameters
    ----------
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.
    """

    axes: ClassVar[int]  # of space

    def check_sample(self, shape: Shape) -> None:
        """Raise ValueError where samples of this shape, (space..., channels), cannot be meant."""
        if len(shape) != self.axes + 1:
            raise ValueError(
                f"{self} expects inputs of shape (batch, {AXES[self.axes]}, channels), "
                f"got samples of shape {shape}"
            )

    def build(self, input_shape: Shape) -> None:
        self.check_sample(input_shape)

    def check_input(self, shape: Shape) -> None:
        self.check_sample(shape[1:])


def per_axis(value: int | Sequence[int], name: str, axes: int, least: int = 1) -> Shape:
    """Check an integer for each axis of space, or one for all of them."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return (checks.whole(value, name, least),) * axes
    values = tuple(checks.whole(v, name, least) for v in value)
    if len(values) != axes:
        raise ValueError(f"{name} expects an integer or {axes} of them, got {value!r}")
    return values


def pairs(value: Any, name: str, axes: int) -> Pairs:
    """Check pixels before and after each axis: an int, ints, or pairs; for one axis also a pair."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return ((checks.whole(value, name, 0),) * 2,) * axes
    given = tuple(value)
    if axes == 1 and len(given) == 2:
        given = (given,)
    if len(given) != axes:
        raise ValueError(
            f"{name} expects an integer, or {axes} integers or pairs of them, got {value!r}"
        )
    found = []
    for item in given:
        before, after = per_axis(item, f"{name}={value!r}: each", 2, 0)
        found.append((before, after))
    return tuple(found)


def padding(value: Any, name: str, axes: int, names: tuple[str, ...]) -> str | Pairs:
    """Check a name of a way to pad, or `pairs`."""
    if isinstance(value, str):
        if value.lower() not in names:
            known = ", ".join(map(repr, names))
            raise ValueError(f"{name} expects {known} or integers, got {value!r}")
        return value.lower()
    return pairs(value, name, axes)
