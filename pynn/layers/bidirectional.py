"""A recurrent layer in both directions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from pynn import ops
from pynn._native import Tensor
from pynn._registry import unknown_name
from pynn.layers.recurrent import RNN
from pynn.layers.wrapper import Wrapper


class Bidirectional(Wrapper):
    """A recurrent layer that reads the sequence forwards, and one like it that reads it backwards.

    Parameters
    ----------
    layer : RNN
        The forward layer.
    merge_mode : {"concat", "sum", "mul", "ave"} or None, default "concat"
        How the outputs of the two, (..., units), are joined: side by side, or by their sum, product
        or mean. ``None`` returns both, as a tuple.
    backward_layer : RNN or None, default None
        The layer that reads the other way; ``None`` makes a copy of `layer`, which must not have
        weights yet.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError, ValueError
        If a layer is no recurrent one, has weights that would be copied, or reads the same way as
        the other; if `merge_mode` is unknown; if `initial_state` is not as described.

    Notes
    -----
    A call takes ``mask`` as the layers do, and ``initial_state``, a list of the forward layer's
    states and the backward layer's. With ``return_state`` the last states follow the outputs in
    this order. (M. Schuster, K. Paliwal, "Bidirectional recurrent neural networks", 1997.)

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GRU, Bidirectional
    >>> Bidirectional(GRU(8, return_sequences=True))(np.zeros((2, 5, 3))).shape
    (2, 5, 16)
    """

    layer: RNN

    def __init__(
        self,
        layer: RNN,
        merge_mode: str | None = "concat",
        backward_layer: RNN | None = None,
        **options: Any,
    ) -> None:
        super().__init__(layer, **options)
        if not isinstance(layer, RNN):
            raise TypeError(f"Bidirectional: layer expects a recurrent layer, got {layer}")
        if merge_mode is not None and merge_mode not in _MERGES:
            raise unknown_name("merge_mode", str(merge_mode), tuple(_MERGES))
        self.merge_mode = merge_mode
        if backward_layer is None:
            if layer.built:
                raise ValueError(f"Bidirectional: {layer} has weights already; give it a new layer")
            backward_layer = copy.deepcopy(layer)
            backward_layer.name = f"backward_{layer.name}"
            backward_layer.go_backwards = not layer.go_backwards
        elif not isinstance(backward_layer, RNN):
            raise TypeError(
                f"Bidirectional: backward_layer expects a recurrent layer, got {backward_layer}"
            )
        self.backward_layer = backward_layer
        if (
            layer.go_backwards == backward_layer.go_backwards
            or layer.return_sequences != backward_layer.return_sequences
            or layer.return_state != backward_layer.return_state
        ):
            raise ValueError(
                "Bidirectional: the two layers must differ in go_backwards and agree in "
                "return_sequences and return_state"
            )

    def forward(
        self,
        x: Tensor,
        initial_state: Sequence[Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        outputs: list[Tensor] = []
        states: list[Tensor] = []
        pair = (self.layer, self.backward_layer)
        for layer, first in zip(pair, self._halves(initial_state), strict=True):
            found = layer(x, initial_state=first, mask=mask)
            y, *last = found if layer.return_state else (found,)
            outputs.append(y)
            states.extend(last)
        if self.layer.return_sequences:
            outputs[1] = ops.flip(outputs[1], 1)
        if self.merge_mode is not None:
            outputs = [_MERGES[self.merge_mode](*outputs)]
        results = (*outputs, *states)
        return results if len(results) > 1 else results[0]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """Return the mask of a sequence of outputs, or of both."""
        found = self.layer.compute_mask(x, mask)
        return found if self.merge_mode is not None else [found, found]

    def _halves(self, states: Sequence[Tensor] | None) -> Sequence[Any]:
        if states is None:
            return None, None
        n, m = len(self.layer.state_size), len(self.backward_layer.state_size)
        if not isinstance(states, (list, tuple)) or len(states) != n + m:
            got = len(states) if isinstance(states, (list, tuple)) else type(states).__name__
            raise ValueError(
                f"{self}: initial_state expects a list of {n} forward and {m} backward states, "
                f"got {got}"
            )
        return states[:n], states[n:]


_MERGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concat": lambda a, b: ops.concatenate([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}
