"""Attention: each position's mixture of the values of others."""

from __future__ import annotations

import functools
from typing import Any

from pynn import checks, initializers, ops
from pynn._native import Recorder, Tensor
from pynn.layers.base import Layer
from pynn.layers.dropout import Dropout
from pynn.layers.weights import Shape
from pynn.tensor import Variable

_MASKED = -1e9  # whose exponential is 0, beside any score


def causal(queries: int, keys: int) -> Tensor:
    """Make the mask (queries, keys) by which a position sees itself and what comes before it."""
    with Recorder.paused():
        mask: Tensor = Tensor([[i] for i in range(queries)]) >= Tensor(list(range(keys)))
        return mask


def masked(
    scores: Tensor,
    mask: Tensor | None,
    use_causal_mask: bool,
    *keys: Tensor | None,
) -> Tensor:
    """Lower the scores (batch, ..., queries, keys) that are not seen.

    ``mask`` broadcasts to the scores, the masks of ``keys`` are (batch, keys).
    """
    seen = [] if mask is None else [mask]
    if use_causal_mask:
        seen.append(causal(*scores.shape[-2:]))
    for key in keys:
        if key is not None:
            seen.append(key.reshape(key.shape[0], *[1] * (scores.ndim - 2), key.shape[1]))
    if not seen:
        return scores
    y: Tensor = ops.where(functools.reduce(ops.logical_and, seen), scores, _MASKED)
    return y


class Attention(Layer):
    """Dot-product attention: ``y = softmax(Q Kᵀ) V``.

    Parameters
    ----------
    use_scale : bool, default False
        Whether the scores ``Q Kᵀ`` are multiplied by a weight, a number that starts at 1.
    dropout : float, default 0.0
        Share of the softmax that is dropped in training.
    seed : int or None, default None
        With a seed what is dropped depends on it and the number of the step alone.
    **options
        `name`, `dtype`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `dropout` is not from 0 to below 1, or the inputs' shapes don't go together.

    Notes
    -----
    Inputs are the query (batch, queries, features), the value (batch, keys, outputs) and, if it is
    not the value, the key (batch, keys, features); outputs are (batch, queries, outputs).
    ``mask`` (batch or 1, queries or 1, keys), bool, says what is seen; ``value_mask`` and
    ``key_mask``, (batch, keys), leave out padding, and come from the inputs in a network. (Luong et
    al., "Effective approaches to attention-based neural machine translation", EMNLP 2015.)

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Attention
    >>> Attention()(np.zeros((1, 2, 3)), np.array([[[1.0], [3.0]]]), np.zeros((1, 2, 3)))
    array([[[2.],
            [2.]]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self, use_scale: bool = False, dropout: float = 0.0, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.use_scale = checks.flag(use_scale, "Attention: use_scale")
        self.dropout = checks.fraction(dropout, "Attention: dropout")
        self.seed = seed
        self.drop = Dropout(dropout, seed=seed)

    def build(self, query_shape: Shape, value_shape: Shape) -> None:  # type: ignore[override]
        if self.use_scale:
            self.scale = self.add_weight("scale", (), "ones")

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        mask: Tensor | None = None,
        use_causal_mask: bool = False,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
    ) -> Tensor:
        key = value if key is None else key
        scores = query @ key.transpose(0, 2, 1)
        if self.use_scale:
            scores = scores * self.scale
        scores = masked(scores, mask, use_causal_mask, value_mask, key_mask)
        y: Tensor = self.drop(ops.softmax(scores)) @ value
        return y

    def check_input(self, query: Shape, value: Shape) -> None:  # type: ignore[override]
        check_sequences(self, query, value)


class MultiHeadAttention(Layer):
    """Several attentions side by side, each on projections of its own.

    ``headᵢ = softmax(Q Wᵢ^q (K Wᵢ^k)ᵀ / √key_dim) V Wᵢ^v`` and ``y = [head₁ ... headₙ] W^o``, each
    projection with a bias.

    Parameters
    ----------
    num_heads : int
        Number of heads.
    key_dim : int
        Length of the queries and keys of each head.
    value_dim : int or None, default None
        Length of the values of each head; ``None`` is `key_dim`.
    dropout : float, default 0.0
        Share of the softmax that is dropped in training.
    use_bias : bool, default True
        Whether the projections have biases.
    kernel_initializer : str or callable, default "glorot_uniform"
        Where the first values of the projections come from.
    bias_initializer : str or callable, default "zeros"
        Where the first values of the biases come from.
    seed : int or None, default None
        With a seed what is dropped depends on it and the number of the step alone.
    **options
        `name`, `dtype`: see `Layer`.

    Attributes
    ----------
    kernels : dict of Variable
        ``query``, ``key``, ``value`` (features, heads · length) and ``output``.
    biases : dict of Variable
        Theirs.

    Raises
    ------
    ValueError, TypeError
        If a number is no positive integer, or the inputs' shapes don't go together.

    Notes
    -----
    Inputs are the query (batch, queries, features), the value (batch, keys, ...) and, if it is not
    the value, the key (batch, keys, ...); outputs are (batch, queries, features).
    ``attention_mask``, bool, broadcasts to (batch, queries, keys) or, with four axes, to (batch,
    heads, queries, keys), and says what is seen; with ``use_causal_mask`` no position sees later
    ones. ``value_mask`` and ``key_mask``, (batch, keys), leave out padding, and come from the
    inputs in a network. ``return_attention_scores`` gives the softmax as well. (Vaswani et al.,
    "Attention is all you need", NeurIPS 2017.)

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import MultiHeadAttention
    >>> x = np.zeros((2, 5, 8))
    >>> MultiHeadAttention(num_heads=4, key_dim=2)(x, x, use_causal_mask=True).shape
    (2, 5, 8)
    """

    supports_masking = True

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.num_heads = checks.whole(num_heads, "MultiHeadAttention: num_heads")
        self.key_dim = checks.whole(key_dim, "MultiHeadAttention: key_dim")
        self.value_dim = self.key_dim
        if value_dim is not None:
            self.value_dim = checks.whole(value_dim, "MultiHeadAttention: value_dim")
        self.dropout = checks.fraction(dropout, "MultiHeadAttention: dropout")
        self.use_bias = checks.flag(use_bias, "MultiHeadAttention: use_bias")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.seed = seed
        self.drop = Dropout(dropout, seed=seed)

    def build(  # type: ignore[override]
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        features = query_shape[-1]
        extents = {
            "query": (features, self.num_heads * self.key_dim),
            "key": ((key_shape or value_shape)[-1], self.num_heads * self.key_dim),
            "value": (value_shape[-1], self.num_heads * self.value_dim),
            "output": (self.num_heads * self.value_dim, features),
        }
        self.kernels: dict[str, Variable] = {}
        self.biases: dict[str, Variable] = {}
        for name, (inputs, units) in extents.items():
            self.kernels[name] = self.add_weight(
                f"{name}_kernel", (inputs, units), self.kernel_initializer
            )
            if self.use_bias:
                self.biases[name] = self.add_weight(f"{name}_bias", (units,), self.bias_initializer)

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
    ) -> Any:
        q = self.heads("query", query) * self.key_dim**-0.5
        k = self.heads("key", value if key is None else key)
        v = self.heads("value", value)
        scores = q @ k.transpose(0, 1, 3, 2)  # (batch, heads, queries, keys)
        if attention_mask is not None and attention_mask.ndim == 3:
            attention_mask = ops.expand_dims(attention_mask, 1)
        scores = masked(scores, attention_mask, use_causal_mask, value_mask, key_mask)
        weights = self.drop(ops.softmax(scores))
        mixed = (weights @ v).transpose(0, 2, 1, 3)
        y = self.projected("output", mixed.reshape(*mixed.shape[:2], -1))
        return (y, weights) if return_attention_scores else y

    def projected(self, name: str, x: Tensor) -> Tensor:
        """Multiply by a kernel, and add its bias."""
        y: Tensor = ops.dense(x, self.kernels[name], self.biases.get(name))
        return y

    def heads(self, name: str, x: Tensor) -> Tensor:
        """Project to (batch, heads, positions, length)."""
        y = self.projected(name, x)
        return y.reshape(*y.shape[:2], self.num_heads, -1).transpose(0, 2, 1, 3)

    def check_input(self, query: Shape, value: Shape) -> None:  # type: ignore[override]
        check_sequences(self, query, value)
        for name, shape in (("query", query), ("value", value)):
            expected = self.kernels[name].shape[0]
            if shape[-1] != expected:
                raise ValueError(f"{self} expects a {name} with {expected} features, got {shape}")


def check_sequences(layer: Layer, query: Shape, value: Shape) -> None:
    """Refuse a query and a value that are not sequences of one batch."""
    if len(query) != 3 or len(value) != 3 or query[0] != value[0]:
        raise ValueError(
            f"{layer} expects a query (batch, queries, features) and a value (batch, keys, "
            f"features), got {query} and {value}"
        )
