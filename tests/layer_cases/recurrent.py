from __future__ import annotations

from typing import Any

from layer_cases import Case, numbers
from pynn import layers

X = numbers(5, 3)


def _run(kind: str, weights: list[Any], x: Any, reverse: bool = False, last: bool = True) -> Any:
    """Run PyTorch's own layer with weights in the order of pynn's gates."""
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
    y, _ = torch.func.functional_call(module, parameters, x.flip(1) if reverse else x)
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
