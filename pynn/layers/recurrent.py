"""Recurrent layers: one step of a network, repeated along a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import checks, ops
from pynn._native import Recorder, Tensor
from pynn.control import scan
from pynn.layers.base import Layer
from pynn.layers.cells import (
    States,
    built_for,
    checked_cell,
    context_of,
    projected,
    state_sizes,
    stepped,
)
from pynn.layers.gated_cells import UnitsCell
from pynn.layers.weights import Shape
from pynn.tensor import Variable


class _Memory:
    """The last states of a stateful layer, for each number of rows. They are no weights."""

    def __init__(self) -> None:
        self.states: dict[int, list[Variable]] = {}


class RNN(Layer):
    """A cell, repeated along a sequence as one native loop.

    Inputs are (batch, time, features), outputs those of the last step, or of all steps, (batch,
    time, ...), with `return_sequences`.

    Parameters
    ----------
    cell : Layer
        What takes a step: `SimpleRNNCell`, `LSTMCell`, `GRUCell`, `StackedRNNCells`, or any layer
        with an attribute ``state_size``, an int or a list of them, and ``forward(x, states)``:
        from ``x``, (batch, features), and a list of states, (batch, size) each, it computes
        ``(y, states)``.
    return_sequences : bool, default False
        Whether the outputs of all steps are returned, or the last alone.
    return_state : bool, default False
        Whether the last states are returned after the outputs, as a tuple ``(y, h)`` or, of an
        `LSTM`, ``(y, h, c)``.
    go_backwards : bool, default False
        Whether the sequence is read from its end; outputs come in the order of reading.
    stateful : bool, default False
        Whether a call starts from the states that the last call with as many rows ended with, so
        that a batch goes on where the one before stopped; see `reset_states`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as described, the inputs are no sequences, or `initial_state` or `mask`
        do not go with them.

    Notes
    -----
    A call takes, after the sequences, ``initial_state``, (batch, units) or a list of as many as
    there are states, by default zeros; and ``mask``, bool, (batch, time). Steps where it is false
    leave the states as they are and repeat the last output, at first zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RNN, Dense, Layer
    >>> class Gated(Layer):
    ...     def __init__(self, units):
    ...         super().__init__()
    ...         self.state_size = units
    ...         self.gate, self.new = Dense(units, "sigmoid"), Dense(units, "tanh")
    ...
    ...     def forward(self, x, states):
    ...         z = self.gate(x)
    ...         h = z * states[0] + (1 - z) * self.new(x)
    ...         return h, [h]
    >>> RNN(Gated(4), return_sequences=True)(np.zeros((2, 5, 3))).shape
    (2, 5, 4)
    """

    untracked = Layer.untracked | {"_memory"}

    def __init__(
        self,
        cell: Layer,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        self.cell = checked_cell(cell, f"{who}: cell")
        self.return_sequences = checks.flag(return_sequences, f"{who}: return_sequences")
        self.return_state = checks.flag(return_state, f"{who}: return_state")
        self.go_backwards = checks.flag(go_backwards, f"{who}: go_backwards")
        self.stateful = checks.flag(stateful, f"{who}: stateful")
        self._memory = _Memory()

    @property
    def state_size(self) -> list[int]:
        """Size of each state."""
        return state_sizes(self.cell)

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 2:
            raise ValueError(
                f"{self} expects sequences of shape (batch, time, features), "
                f"got samples of shape {input_shape}"
            )
        self._output = built_for(self.cell, input_shape[1:])

    def check_input(self, shape: Shape) -> None:
        features = self.cell.input_shape
        features = features[0] if isinstance(features[0], tuple) else features
        if len(shape) != 3 or shape[2:] != features or shape[1] == 0:
            raise ValueError(
                f"{self} expects sequences of {features[0]} features, "
                f"(batch, time, {features[0]}), got {shape}"
            )

    def reset_states(self, states: Any = None) -> None:
        """Forget the last states of a stateful layer.

        Parameters
        ----------
        states : array_like, (batch, units), or a list of as many as there are states, or None
            What a call with as many rows starts from instead; ``None`` is zeros, whatever the rows.

        Raises
        ------
        ValueError
            If the layer is not stateful or the states have not the sizes of its own.
        """
        if not self.stateful:
            raise ValueError(f"{self} is not stateful: it has no states to reset")
        if states is None:
            for kept in self._memory.states.values():
                for state in kept:
                    state.assign(ops.zeros_like(state))
            return
        given = [Tensor(s) for s in (states if isinstance(states, (list, tuple)) else (states,))]
        rows = given[0].shape[0] if given and given[0].ndim > 0 else 0
        self._check_states(given, rows)
        for state, value in zip(self._remembered(rows), given, strict=True):
            state.assign(value.astype(self.dtype))

    def forward(
        self,
        x: Tensor,
        initial_state: Tensor | Sequence[Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        batch, time, _ = x.shape
        first = self._first_states(initial_state, batch, x.dtype)
        seen = None if mask is None else self._seen(mask, (batch, time))
        cell = self.cell
        context = context_of(cell, batch, x.dtype)
        rows = projected(cell, x.transpose(1, 0, 2), context)  # (time, batch, ...)

        def body(carry: Any, row: Any) -> tuple[Any, Tensor | None]:
            (states, y), (x, seen) = carry, row
            output, after = stepped(cell, x, states, context)
            if seen is not None:
                after = tuple(ops.where(seen, *both) for both in zip(after, states, strict=True))
                output = ops.where(seen, output, y)
            last = None if y is None else output
            return (after, last), output if self.return_sequences else None

        # The last output is carried along where the states may not tell it; with a mask it is zeros
        # before the first step that is seen, whatever the first state.
        told = seen is None and (self.return_sequences or isinstance(cell, UnitsCell))
        y = None if told else ops.zeros((batch, *self._output), dtype=x.dtype)
        (last, y), ys = scan(body, (first, y), (rows, seen), reverse=self.go_backwards)
        if self.stateful:
            for state, value in zip(self._remembered(batch), last, strict=True):
                state.assign(value)
        if self.return_sequences:
            if self.go_backwards:  # the outputs come in the order in which they were computed
                ys = ops.flip(ys, 0)
            y = ys.transpose(1, 0, *range(2, ys.ndim))
        elif told:
            y = last[0]
        return (y, *last) if self.return_state else y

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """Return the mask of a sequence of outputs, in their order."""
        if mask is None or not self.return_sequences:
            return None
        return ops.flip(mask, 1) if self.go_backwards else mask

    def _first_states(
        self, given: Tensor | Sequence[Tensor] | None, batch: int, dtype: str
    ) -> States:
        if given is None and self.stateful:
            return tuple(self._remembered(batch))
        if given is None:
            return tuple(ops.zeros((batch, n), dtype=dtype) for n in self.state_size)
        states = tuple(given) if isinstance(given, (list, tuple)) else (given,)
        self._check_states(states, batch)
        return tuple(state.astype(dtype) for state in states)

    def _check_states(self, states: Sequence[Any], batch: int) -> None:
        sizes = self.state_size
        got = [_shape(state) for state in states]
        if got != [(batch, n) for n in sizes]:
            alike = len(set(sizes)) == 1
            units = (batch, sizes[0]) if alike else f"(batch, each of {sizes})"
            raise ValueError(
                f"{self}: initial_state expects {len(sizes)} of shape (batch, units) = {units}, "
                f"got {', '.join(map(str, got)) or 'none'}"
            )

    def _remembered(self, batch: int) -> list[Variable]:
        """Find the states that the last call with as many rows ended with."""
        known = self._memory.states
        if batch not in known:
            with Recorder.paused():
                known[batch] = [
                    self.add_weight("state", (batch, n), "zeros", trainable=False)
                    for n in self.state_size
                ]
        return known[batch]

    def _seen(self, mask: Tensor, shape: Shape) -> Tensor:
        """Give a mask the shape (time, batch, 1)."""
        if _shape(mask) != shape:
            raise ValueError(
                f"{self}: mask expects shape (batch, time) = {shape}, got {_shape(mask)}"
            )
        seen = mask if mask.dtype == "bool" else ops.not_equal(mask, 0)
        return ops.expand_dims(seen.transpose(1, 0), -1)


def _shape(x: Any) -> Any:
    """Give a tensor's shape; another value, which has none, as it is."""
    return tuple(x.shape) if isinstance(x, Tensor) else x
