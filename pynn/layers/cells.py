"""Cells: one step of a recurrent network. What a cell is, and cells made of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import checks
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.graph import Node
from pynn.layers.weights import Shape

States = tuple[Tensor, ...]


class Cell(Layer):
    """A layer that takes one step: ``y, states = cell(x, states)``.

    Over a sequence (`RNN`) its work is done in three parts: `context` once, `project` for all steps
    together, and `step` for each.
    """

    @property
    def state_size(self) -> list[int]:
        """Size of each state."""
        raise NotImplementedError

    def context(self, batch: int, dtype: str) -> Any:
        """Compute what all steps of a sequence have in common, such as what dropout keeps."""

    def project(self, x: Tensor, context: Any) -> Tensor:
        """Compute from inputs, (..., batch, features), what `step` takes of them."""
        return x

    def step(self, x: Tensor, states: States, context: Any) -> tuple[Tensor, States]:
        """Compute the output and the next states."""
        raise NotImplementedError

    def forward(self, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, States]:
        context = self.context(x.shape[0], x.dtype)
        return self.step(self.project(x, context), checked_states(self, states, x), context)


class StackedRNNCells(Cell):
    """Cells on top of each other as one cell: each takes the output of the one below.

    Parameters
    ----------
    cells : sequence of Layer
        From the inputs up; each a cell as `RNN` takes it.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError, ValueError
        If there is none, or one is no cell.

    Notes
    -----
    Its states are those of the first cell, then of the second, and so on.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RNN, GRUCell, LSTMCell, StackedRNNCells
    >>> RNN(StackedRNNCells([LSTMCell(8), GRUCell(5)]))(np.zeros((2, 7, 3))).shape
    (2, 5)
    """

    def __init__(self, cells: Sequence[Layer], **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise TypeError(f"StackedRNNCells: cells expects a list of cells, got {cells!r}")
        self.cells = [checked_cell(cell, "StackedRNNCells: cells") for cell in cells]

    @property
    def state_size(self) -> list[int]:
        return [n for cell in self.cells for n in state_sizes(cell)]

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            input_shape = built_for(cell, input_shape)

    def context(self, batch: int, dtype: str) -> list[Any]:
        """Ask each cell for its own."""
        return [context_of(cell, batch, dtype) for cell in self.cells]

    def project(self, x: Tensor, context: Any) -> Tensor:
        """Let the first cell prepare the inputs."""
        return projected(self.cells[0], x, context[0])

    def step(self, x: Tensor, states: States, context: Any) -> tuple[Tensor, States]:
        after: list[Tensor] = []
        for i, (cell, own) in enumerate(zip(self.cells, context, strict=True)):
            before = states[len(after) : len(after) + len(state_sizes(cell))]
            x, found = stepped(cell, projected(cell, x, own) if i > 0 else x, before, own)
            after.extend(found)
        return x, tuple(after)


# A cell of the user's own is any layer with a `state_size`, called with inputs and states: the rest
# of what a `Cell` does has defaults here.


def checked_cell(cell: Any, who: str) -> Layer:
    """Return a cell, or say what is not right about it."""
    if not isinstance(cell, Layer):
        raise TypeError(f"{who} expects a cell, a layer of one step, got {cell!r}")
    sizes = getattr(cell, "state_size", None)
    several = isinstance(sizes, (list, tuple))
    if sizes is None or (several and not sizes):
        raise ValueError(f"{who}: {cell} needs a state_size, the size of its state, or a list")
    for size in sizes if isinstance(sizes, (list, tuple)) else (sizes,):
        checks.whole(size, f"{who}: state_size of {cell}")
    return cell


def state_sizes(cell: Layer) -> list[int]:
    """List the sizes of a cell's states."""
    sizes: Any = getattr(cell, "state_size")  # noqa: B009 - mypy: a user's layer
    return list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]


def built_for(cell: Layer, input_shape: Shape) -> Shape:
    """Build a cell for samples of this shape, and give the shape of its outputs'."""
    if not cell.built:
        cell._infer(
            Node(input_shape, cell.dtype), [Node((n,), cell.dtype) for n in state_sizes(cell)]
        )
    shape: Any = cell.output_shape
    if not isinstance(shape, tuple) or len(shape) != 2 or not isinstance(shape[0], tuple):
        raise TypeError(f"{cell}: forward(x, states) of a cell must return (y, states)")
    return shape[0]


def checked_states(cell: Layer, states: Any, x: Tensor) -> States:
    """Return a cell's states as a tuple, if they are as its sizes say."""
    given = tuple(states) if isinstance(states, (list, tuple)) else (states,)
    wanted = [(x.shape[0], n) for n in state_sizes(cell)]
    if [tuple(state.shape) for state in given] != wanted:
        got = ", ".join(str(tuple(state.shape)) for state in given) or "none"
        raise ValueError(f"{cell} expects states of shapes {wanted}, got {got}")
    return given


def context_of(cell: Layer, batch: int, dtype: str) -> Any:
    """Call `Cell.context`."""
    return cell.context(batch, dtype) if isinstance(cell, Cell) else None


def projected(cell: Layer, x: Tensor, context: Any) -> Tensor:
    """Call `Cell.project`."""
    return cell.project(x, context) if isinstance(cell, Cell) else x


def stepped(cell: Layer, x: Tensor, states: States, context: Any) -> tuple[Tensor, States]:
    """Call `Cell.step`, or the cell."""
    if isinstance(cell, Cell):
        return cell.step(x, states, context)
    y, after = cell(x, list(states))
    return y, tuple(after) if isinstance(after, (list, tuple)) else (after,)
