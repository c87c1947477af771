from __future__ import annotations

from typing import Any

from layer_cases import Case, integers
from pynn import layers


def _bag(mode: str) -> Any:
    def call(weights: Any, x: Any) -> Any:
        rows = weights[0][x]
        return rows.sum(-2) if mode == "sum" else rows.mean(-2)

    return call


CASES = [
    Case(
        "Embedding",
        lambda **o: layers.Embedding(6, 3, **o),
        (integers(6, 4),),
        lambda weights, x: weights[0][x],
    ),
    Case(
        "Embedding of rows, int32",
        lambda **o: layers.Embedding(5, 17, **o),
        (integers(5, 2, 3).astype("int32"),),
        lambda weights, x: weights[0][x],
    ),
    Case(
        "Embedding of single symbols",
        lambda **o: layers.Embedding(5, 1, **o),
        (integers(5, batch=7),),
        lambda weights, x: weights[0][x],
    ),
    *[
        Case(
            f"EmbeddingBag, {mode}",
            lambda mode=mode, **o: layers.EmbeddingBag(6, 19, mode, **o),
            (integers(6, 5),),
            _bag(mode),
        )
        for mode in ("sum", "mean")
    ],
    Case(
        "EmbeddingBag of rows of bags",
        lambda **o: layers.EmbeddingBag(6, 3, **o),
        (integers(6, 2, 4),),
        _bag("mean"),
    ),
]
