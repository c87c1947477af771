"""What transformers are built of, beside attention."""

from __future__ import annotations

from typing import Any

from pynn import checks, initializers
from pynn._native import Tensor
from pynn.layers.attention import MultiHeadAttention
from pynn.layers.base import Layer
from pynn.layers.dense import Dense
from pynn.layers.dropout import Dropout
from pynn.layers.normalization import LayerNormalization
from pynn.layers.weights import Shape


class PositionalEmbedding(Layer):
    """``y = x + P``: a vector of weights for each position, added to the inputs.

    Parameters
    ----------
    sequence_length : int
        The most positions that inputs (batch, positions, features) may have.
    initializer : str or callable, default "glorot_uniform"
        Where the first values of ``P`` come from.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    embeddings : Variable, (sequence_length, features)
        ``P``.

    Raises
    ------
    ValueError, TypeError
        If `sequence_length` is no positive integer, or the inputs are longer.

    References
    ----------
    Gehring et al., "Convolutional sequence to sequence learning", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import PositionalEmbedding
    >>> PositionalEmbedding(10, initializer="ones")(np.zeros((1, 2, 3)))
    array([[[1., 1., 1.],
            [1., 1., 1.]]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self, sequence_length: int, initializer: Any = "glorot_uniform", **options: Any
    ) -> None:
        super().__init__(**options)
        self.sequence_length = checks.whole(sequence_length, "PositionalEmbedding: sequence_length")
        self.initializer = initializers.get(initializer)

    def build(self, input_shape: Shape) -> None:
        self.embeddings = self.add_weight(
            "embeddings", (self.sequence_length, input_shape[-1]), self.initializer
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.embeddings[: x.shape[1]]

    def check_input(self, shape: Shape) -> None:
        if len(shape) != 3 or shape[1] > self.sequence_length:
            raise ValueError(
                f"{self} expects inputs of shape (batch, positions, features) with at most "
                f"{self.sequence_length} positions, got {shape}"
            )


class TransformerEncoder(Layer):
    """Self-attention and a network of two layers at each position, each with a residual connection.

    ``a = norm(x + attention(x))`` and ``y = norm(a + W₂ activation(W₁ a))``; with `normalize_first`
    ``a = x + attention(norm(x))`` and ``y = a + W₂ activation(W₁ norm(a))``.

    Parameters
    ----------
    intermediate_dim : int
        Units of the inner layer.
    num_heads : int
        Heads of the attention, which the features are divided among.
    dropout : float, default 0.0
        Share of what each part adds, and of the attention, that is dropped in training.
    activation : str or callable, default "relu"
        Of the inner layer.
    layer_norm_epsilon : float, default 1e-5
        Added to variances.
    kernel_initializer : str or callable, default "glorot_uniform"
        Where the first values of matrices come from.
    bias_initializer : str or callable, default "zeros"
        Where the first values of biases come from.
    normalize_first : bool, default False
        Whether inputs of the parts are normalized rather than their sums.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If the heads don't divide the features, or a number is out of range.

    Notes
    -----
    Inputs and outputs are (batch, positions, features). ``attention_mask`` and ``use_causal_mask``
    are those of `MultiHeadAttention`. (Vaswani et al., "Attention is all you need", NeurIPS 2017;
    Xiong et al., "On layer normalization in the transformer architecture", ICML 2020.)

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import TransformerEncoder
    >>> TransformerEncoder(intermediate_dim=16, num_heads=2)(np.zeros((2, 5, 8))).shape
    (2, 5, 8)
    """

    supports_masking = True

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: Any = "relu",
        layer_norm_epsilon: float = 1e-5,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        normalize_first: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = "TransformerEncoder"
        self.intermediate_dim = checks.whole(intermediate_dim, f"{who}: intermediate_dim")
        self.num_heads = checks.whole(num_heads, f"{who}: num_heads")
        self.dropout = checks.fraction(dropout, f"{who}: dropout")
        self.activation = activation
        self.layer_norm_epsilon = checks.positive(layer_norm_epsilon, f"{who}: layer_norm_epsilon")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.normalize_first = checks.flag(normalize_first, f"{who}: normalize_first")

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 2 or input_shape[-1] % self.num_heads:
            raise ValueError(
                f"{self} expects inputs of shape (batch, positions, features) with features that "
                f"{self.num_heads} heads divide, got samples of shape {input_shape}"
            )
        features = input_shape[-1]
        kind = self.dtype
        initial = (self.kernel_initializer, self.bias_initializer)
        self.attention = MultiHeadAttention(
            self.num_heads,
            features // self.num_heads,
            dropout=self.dropout,
            kernel_initializer=initial[0],
            bias_initializer=initial[1],
            dtype=kind,
        )
        self.attention_norm = LayerNormalization(epsilon=self.layer_norm_epsilon, dtype=kind)
        self.inner = Dense(self.intermediate_dim, self.activation, True, *initial, dtype=kind)
        self.outer = Dense(features, None, True, *initial, dtype=kind)
        self.outer_norm = LayerNormalization(epsilon=self.layer_norm_epsilon, dtype=kind)
        self.drop = Dropout(self.dropout, dtype=kind)

    def forward(
        self, x: Tensor, attention_mask: Tensor | None = None, use_causal_mask: bool = False
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            y: Tensor = self.attention(
                x, x, attention_mask=attention_mask, use_causal_mask=use_causal_mask
            )
            kept: Tensor = self.drop(y)
            return kept

        def transform(x: Tensor) -> Tensor:
            y: Tensor = self.drop(self.outer(self.inner(x)))
            return y

        if self.normalize_first:
            x = x + attend(self.attention_norm(x))
            return x + transform(self.outer_norm(x))
        x = self.attention_norm(x + attend(x))
        y: Tensor = self.outer_norm(x + transform(x))
        return y
