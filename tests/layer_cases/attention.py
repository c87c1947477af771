from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layer_cases import Case, numbers
from pynn.layers import (
    Attention,
    Layer,
    MultiHeadAttention,
    PositionalEmbedding,
    TransformerEncoder,
)


class Called(Layer):
    """A layer called with settings, and with a mask as an input of its own."""

    autocast = False

    def __init__(self, layer: Layer, masked: bool = False, **settings: Any) -> None:
        super().__init__()
        self.layer = layer
        self.masked = masked
        self.settings = settings

    def forward(self, *inputs: Any) -> Any:
        if not self.masked:
            return self.layer(*inputs, **self.settings)
        *tensors, mask = inputs
        name = "mask" if isinstance(self.layer, Attention) else "attention_mask"
        return self.layer(*tensors, **{name: mask}, **self.settings)

    def get_config(self) -> dict[str, Any]:
        layer = type(self.layer)(**self.layer.get_config())
        return {"layer": layer, "masked": self.masked, **self.settings}


def _seen(scores: Any, mask: Any = None, is_causal: bool = False) -> Any:
    import torch

    if is_causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:]).tril().bool(), -torch.inf)
    return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


def _attention(is_causal: bool = False) -> Callable[..., Any]:
    def call(weights: Any, query: Any, value: Any, key: Any = None, mask: Any = None) -> Any:
        scores = query @ (value if key is None else key).transpose(1, 2)
        if weights:
            scores = scores * weights[0]
        return _seen(scores, mask, is_causal).softmax(-1) @ value

    return call


def _multi_head(
    heads: int, use_bias: bool = True, is_causal: bool = False, with_scores: bool = False
) -> Callable[..., Any]:
    def call(weights: Any, query: Any, value: Any, key: Any = None, mask: Any = None) -> Any:
        kernels, biases = weights[:4], weights[4:]
        key = value if key is None else key
        parts = []
        for i, x in enumerate((query, key, value)):
            y = x @ kernels[i] + (biases[i] if use_bias else 0)
            parts.append(y.unflatten(-1, (heads, -1)).transpose(1, 2))
        q, k, v = parts
        if mask is not None and mask.ndim == 3:
            mask = mask[:, None]
        scores = _seen(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, mask, is_causal).softmax(-1)
        y = (scores @ v).transpose(1, 2).flatten(2) @ kernels[3]
        y = y + biases[3] if use_bias else y
        return (y, scores) if with_scores else y

    return call


def _norm(x: Any, gamma: Any, beta: Any) -> Any:
    import torch.nn.functional as F

    return F.layer_norm(x, x.shape[-1:], gamma, beta, eps=1e-5)


def _encoder(heads: int, first: bool) -> Callable[..., Any]:
    def call(weights: Any, x: Any) -> Any:
        attention, (g1, b1, w1, c1, w2, c2, g2, b2) = weights[:8], weights[8:]
        attend = _multi_head(heads)
        if first:
            n = _norm(x, g1, b1)
            x = x + attend(attention, n, n)
            return x + (_norm(x, g2, b2) @ w1 + c1).relu() @ w2 + c2
        x = _norm(x + attend(attention, x, x), g1, b1)
        return _norm(x + (x @ w1 + c1).relu() @ w2 + c2, g2, b2)

    return call


Q, V, K = numbers(4, 6, seed=1), numbers(5, 8, seed=2), numbers(5, 6, seed=3)
MASK = np.random.default_rng(0).random((3, 4, 5)) < 0.6
MASK[..., 0] = True  # every query sees something
HEADS = np.random.default_rng(1).random((3, 2, 4, 5)) < 0.6
HEADS[..., 0] = True


def _mha(heads: int = 2, key_dim: int = 3, **settings: Any) -> Callable[..., Layer]:
    return lambda **o: MultiHeadAttention(heads, key_dim, **settings, **o)


def _called(make: Callable[..., Layer], masked: bool = False, **settings: Any) -> Any:
    return lambda dtype=None, **o: Called(make(dtype=dtype, **o), masked, **settings)


CASES = [
    Case("Attention", Attention, (Q, V, K), _attention()),
    Case("Attention of two inputs", Attention, (Q, K), _attention()),
    Case(
        "Attention with a scale",
        lambda **o: Attention(use_scale=True, **o),
        (Q, V, K),
        _attention(),
    ),
    Case(
        "Attention, causal",
        _called(Attention, use_causal_mask=True),
        (Q, V, K),
        _attention(is_causal=True),
    ),
    Case("Attention with a mask", _called(Attention, masked=True), (Q, V, K, MASK), _attention()),
    Case(
        "Attention with dropout in training",
        lambda **o: Attention(dropout=0.3, **o),
        (Q, V, K),
        training=True,
    ),
    Case("MultiHeadAttention", _mha(), (Q, V), _multi_head(2)),
    Case("MultiHeadAttention of three inputs", _mha(), (Q, V, K), _multi_head(2)),
    Case(
        "MultiHeadAttention without biases",
        _mha(use_bias=False, value_dim=4),
        (Q, V),
        _multi_head(2, use_bias=False),
    ),
    Case(
        "MultiHeadAttention, causal, with scores",
        _called(_mha(), use_causal_mask=True, return_attention_scores=True),
        (Q, V),
        _multi_head(2, is_causal=True, with_scores=True),
    ),
    Case(
        "MultiHeadAttention with a mask",
        _called(_mha(), masked=True),
        (Q, V, MASK),
        lambda weights, q, v, mask: _multi_head(2)(weights, q, v, mask=mask),
    ),
    Case(
        "MultiHeadAttention with a mask of each head, causal",
        _called(_mha(), masked=True, use_causal_mask=True),
        (Q, V, HEADS),
        lambda weights, q, v, mask: _multi_head(2, is_causal=True)(weights, q, v, mask=mask),
    ),
    Case(
        "MultiHeadAttention with dropout in training",
        _mha(dropout=0.3),
        (Q, V),
        training=True,
    ),
    Case(
        "TransformerEncoder",
        lambda **o: TransformerEncoder(7, 2, **o),
        (Q,),
        _encoder(2, first=False),
    ),
    Case(
        "TransformerEncoder, normalizing first",
        lambda **o: TransformerEncoder(7, 3, normalize_first=True, **o),
        (Q,),
        _encoder(3, first=True),
    ),
    Case(
        "TransformerEncoder in training",
        lambda **o: TransformerEncoder(7, 2, dropout=0.2, activation="gelu", **o),
        (numbers(2, 4),),
        training=True,
    ),
    Case(
        "PositionalEmbedding",
        lambda **o: PositionalEmbedding(7, **o),
        (Q,),
        lambda weights, x: x + weights[0][: x.shape[1]],
    ),
]
