from __future__ import annotations

from typing import Any

import numpy as np

from layer_cases import Case, numbers
from pynn import layers, ops

X = numbers(5, 3)
H = numbers(4, seed=6)
C = numbers(4, seed=7)
MASK = np.arange(5) < np.array([[5], [2], [3]])  # padding comes last


class Started(layers.Layer):
    """An LSTM called with first states and, if there is one, a mask."""

    def __init__(self, layer: layers.LSTM, **options: Any) -> None:
        super().__init__(**options)
        self.layer = layer

    def forward(self, x: Any, h: Any, c: Any, mask: Any = None) -> Any:
        return self.layer(x, [h, c], mask)

    def get_config(self) -> dict[str, Any]:
        return {"layer": layers.LSTM(**self.layer.get_config())}


def _states(
    kind: str, weights: list[Any], x: Any, h: Any = None, c: Any = None, mask: Any = None
) -> tuple[Any, ...]:
    """Run PyTorch's own layer with weights in the order of pynn's gates: outputs, last states.

    Sequences that end before others are packed, and their last outputs repeated.
    """
    import torch

    kernel, recurrent, *bias = weights
    units = recurrent.shape[0]
    order = {"RNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}[kind]
    columns = torch.cat([torch.arange(k * units, (k + 1) * units) for k in order])
    both = torch.zeros(2, len(columns), dtype=x.dtype)
    if bias:
        both = bias[0] if bias[0].ndim == 2 else torch.stack([bias[0], bias[0] * 0])
    module = getattr(torch.nn, kind)(x.shape[2], units, batch_first=True, dtype=x.dtype)
    parameters = {
        "weight_ih_l0": kernel[:, columns].T,
        "weight_hh_l0": recurrent[:, columns].T,
        "bias_ih_l0": both[0][columns],
        "bias_hh_l0": both[1][columns],
    }
    lengths = torch.full(x.shape[:1], x.shape[1]) if mask is None else mask.sum(1)
    rnn = torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    first = () if h is None else (h[None] if c is None else (h[None], c[None]),)
    ys, last = torch.func.functional_call(module, parameters, (packed, *first))
    y, _ = rnn.pad_packed_sequence(ys, batch_first=True, total_length=x.shape[1])
    steps = torch.minimum(torch.arange(x.shape[1]), lengths[:, None] - 1)
    y = y[torch.arange(len(x))[:, None], steps]
    return (y, *(state[0] for state in (last if isinstance(last, tuple) else (last,))))


def _run(kind: str, weights: list[Any], x: Any, reverse: bool = False, last: bool = True) -> Any:
    y, *_ = _states(kind, weights, x.flip(1) if reverse else x)
    return y[:, -1] if last else y


def _torch(kind: str, reverse: bool = False, last: bool = True) -> Any:
    return lambda weights, x: _run(kind, list(weights), x, reverse, last)


def _both_ways(kind: str, last: bool, merge: str) -> Any:
    def call(weights: Any, x: Any) -> Any:
        import torch

        half = len(weights) // 2
        a = _run(kind, list(weights[:half]), x, False, last)
        b = _run(kind, list(weights[half:]), x, True, last)
        b = b if last else b.flip(1)
        return {"concat": torch.cat([a, b], -1), "sum": a + b, "mul": a * b, "ave": (a + b) / 2}[
            merge
        ]

    return call


def _at_the_end(found: tuple[Any, ...]) -> tuple[Any, ...]:
    y, *states = found
    return (y[:, -1], *states)


def _separate(weights: list[Any], x: Any) -> tuple[Any, ...]:
    half = len(weights) // 2
    a, h = _at_the_end(_states("GRU", weights[:half], x))
    b, g = _at_the_end(_states("GRU", weights[half:], x.flip(1)))
    return a, b, h, g


def _in_torchs_order(kind: str, weights: list[Any]) -> list[Any]:
    """Give weights as PyTorch's cells take them: by output, with two biases, gates r, z, n."""
    import torch

    kernel, recurrent, bias = weights
    units = recurrent.shape[0]
    order = {"RNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}[kind]
    columns = torch.cat([torch.arange(k * units, (k + 1) * units) for k in order])
    both = bias if bias.ndim == 2 else torch.stack([bias, bias * 0])
    return [kernel[:, columns].T, recurrent[:, columns].T, *both[:, columns]]


def _torch_cell(kind: str, weights: list[Any], x: Any, *states: Any) -> tuple[Any, ...]:
    """Run PyTorch's own cell: the output and the next states."""
    import torch

    cell = {"RNN": torch.rnn_tanh_cell, "LSTM": torch.lstm_cell, "GRU": torch.gru_cell}[kind]
    hidden = states if kind == "LSTM" else states[0]
    after = cell(x, hidden, *_in_torchs_order(kind, weights))
    after = after if kind == "LSTM" else (after,)
    return (after[0], *after)


def _stacked_step(weights: list[Any], x: Any, *states: Any) -> tuple[Any, ...]:
    y, *first = _torch_cell("LSTM", weights[:3], x, *states[:2])
    y, *second = _torch_cell("GRU", weights[3:], y, states[2])
    return (y, *first, *second)


def _stacked_loop(weights: list[Any], x: Any) -> Any:
    import torch

    states = [torch.zeros(len(x), n, dtype=x.dtype) for n in (4, 4, 2)]
    ys = []
    for t in range(x.shape[1]):
        y, *states = _stacked_step(weights, x[:, t], *states)
        ys.append(y)
    return torch.stack(ys, 1)


class Leaky(layers.Layer):
    """A cell of one's own, whose output is no state."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = self.state_size = units
        self.mix = layers.Dense(units, use_bias=False)

    def forward(self, x: Any, states: Any) -> Any:
        h = 0.5 * states[0] + self.mix(x)
        return ops.concatenate([h * h, x], -1), h


def _leaky(weights: Any, x: Any, mask: Any = None) -> Any:
    import torch

    y, h = x[:, 0] * 0, x[:, 0] @ weights[0] * 0
    y = torch.cat([h, y], -1)
    for t in range(x.shape[1]):
        after = 0.5 * h + x[:, t] @ weights[0]
        out = torch.cat([after * after, x[:, t]], -1)
        seen = torch.ones(len(x), 1, dtype=bool) if mask is None else mask[:, t : t + 1]
        y, h = torch.where(seen, out, y), torch.where(seen, after, h)
    return y, h


KINDS: dict[str, Any] = {"RNN": layers.SimpleRNN, "LSTM": layers.LSTM, "GRU": layers.GRU}
CASES = [
    Case(
        f"{cls.__name__}{', sequences' if sequences else ''}{', backwards' if backwards else ''}",
        lambda cls=cls, sequences=sequences, backwards=backwards, **o: cls(
            4,
            return_sequences=sequences,
            go_backwards=backwards,
            bias_initializer="random_normal",
            **o,
        ),
        (X,),
        _torch(kind, backwards, not sequences),
    )
    for kind, cls in KINDS.items()
    for sequences in (False, True)
    for backwards in (False, True)
]
CASES += [
    Case(
        f"{cls.__name__} without bias",
        lambda cls=cls, **o: cls(4, use_bias=False, **o),
        (X,),
        _torch(kind),
    )
    for kind, cls in KINDS.items()
]
CASES += [
    Case(
        f"Bidirectional {merge}{', sequences' if sequences else ''}",
        lambda merge=merge, sequences=sequences, **o: layers.Bidirectional(
            layers.LSTM(2, return_sequences=sequences), merge, **o
        ),
        (X,),
        _both_ways("LSTM", not sequences, merge),
    )
    for merge in ("concat", "sum", "mul", "ave")
    for sequences in (False, True)
]
CASES += [
    Case("GRU, reset before", lambda **o: layers.GRU(4, reset_after=False, **o), (X,)),
    Case(
        "LSTM with dropout",
        lambda **o: layers.LSTM(4, dropout=0.4, recurrent_dropout=0.3, **o),
        (X,),
        training=True,
    ),
]
CASES += [
    Case(
        f"{cls.__name__} with its states",
        lambda cls=cls, **o: cls(4, return_state=True, **o),
        (X,),
        lambda weights, x, kind=kind: _at_the_end(_states(kind, list(weights), x)),
    )
    for kind, cls in KINDS.items()
]
CASES += [
    Case(
        f"{cls.__name__} from a state{', masked' if masked else ''}",
        lambda cls=cls, **o: cls(4, return_sequences=True, return_state=True, **o),
        (X, H, MASK) if masked else (X, H),
        lambda weights, x, h, mask=None, kind=kind: _states(kind, list(weights), x, h, mask=mask),
    )
    for kind, cls in KINDS.items()
    if cls is not layers.LSTM
    for masked in (False, True)
]
CASES += [
    Case(
        f"LSTM from states{', masked' if masked else ''}{', sequences' if sequences else ''}",
        lambda sequences=sequences, **o: Started(
            layers.LSTM(4, return_sequences=sequences, return_state=True), **o
        ),
        (X, H, C, MASK) if masked else (X, H, C),
        lambda weights, *inputs, last=last: last(_states("LSTM", list(weights), *inputs)),
    )
    for masked in (False, True)
    for sequences, last in ((False, _at_the_end), (True, tuple))
]
CASES += [
    Case(
        "Bidirectional without merging, with states",
        lambda **o: layers.Bidirectional(layers.GRU(2, return_state=True), None, **o),
        (X,),
        lambda weights, x: _separate(list(weights), x),
    ),
    Case("Masking without padding", lambda **o: layers.Masking(**o), (X,), lambda _, x: x * 1),
]

CELLS: dict[str, Any] = {
    "RNN": layers.SimpleRNNCell,
    "LSTM": layers.LSTMCell,
    "GRU": layers.GRUCell,
}
CASES += [
    Case(
        cls.__name__,
        lambda cls=cls, **o: cls(4, bias_initializer="random_normal", **o),
        (X[:, 0], H, C) if kind == "LSTM" else (X[:, 0], H),
        lambda weights, *inputs, kind=kind: _torch_cell(kind, list(weights), *inputs),
        states=True,
    )
    for kind, cls in CELLS.items()
]


def _stack() -> layers.StackedRNNCells:
    return layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(2)])


CASES += [
    Case(
        "StackedRNNCells",
        lambda **o: layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(2)], **o),
        (X[:, 0], H, C, numbers(2, seed=8)),
        lambda weights, *inputs: _stacked_step(list(weights), *inputs),
        states=True,
    ),
    Case(
        "RNN of stacked cells, sequences",
        lambda **o: layers.RNN(_stack(), return_sequences=True, **o),
        (X,),
        lambda weights, x: _stacked_loop(list(weights), x),
    ),
    Case(
        "RNN of a cell of one's own, with its state",
        lambda **o: layers.RNN(Leaky(4), return_state=True, **o),
        (X,),
        _leaky,
    ),
    Case(
        "RNN of cells with dropout",
        lambda **o: layers.RNN(
            layers.StackedRNNCells(
                [layers.GRUCell(3, dropout=0.3), layers.LSTMCell(4, recurrent_dropout=0.3)]
            ),
            **o,
        ),
        (X,),
        training=True,
    ),
]
