"""Embeddings: a vector for each of a number of symbols."""

from __future__ import annotations

from typing import Any, ClassVar

from pynn import checks, initializers, ops, regularizers
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Embedding(Layer):
    """``y = E[x]``: row x of a matrix of weights in place of each integer x.

    Parameters
    ----------
    input_dim : int
        Number of symbols: inputs go from 0 to ``input_dim - 1``.
    output_dim : int
        Length of the vectors.
    embeddings_initializer : str or callable, default "uniform"
        Where the first values of ``E`` come from.
    embeddings_regularizer : str, callable or None, default None
        Penalty on ``E``, added to the loss.
    mask_zero : bool, default False
        Whether 0 is padding: layers behind it get a mask, see `compute_mask`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    embeddings : Variable, (input_dim, output_dim)
        ``E``.

    Raises
    ------
    ValueError, TypeError
        If an extent is not a positive integer.
    IndexError
        If an input is no symbol: not whole, negative or too great.

    Notes
    -----
    Inputs of any shape (...) give outputs (..., output_dim). (Bengio et al., "A neural
    probabilistic language model", JMLR 2003.)

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Embedding
    >>> layer = Embedding(10, 4)
    >>> layer(np.array([[1, 2, 1]])).shape
    (1, 3, 4)
    """

    autocast: ClassVar[bool] = False  # inputs are integers

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        mask_zero: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        self.input_dim = checks.whole(input_dim, f"{who}: input_dim")
        self.output_dim = checks.whole(output_dim, f"{who}: output_dim")
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.mask_zero = checks.flag(mask_zero, f"{who}: mask_zero")

    def build(self, input_shape: Shape) -> None:
        self.embeddings = self.add_weight(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            self.embeddings_regularizer,
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = ops.take(self.embeddings, symbols(self, x, self.input_dim))
        return y

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """Return where inputs are not padding, as bool; None without `mask_zero`."""
        return ops.not_equal(x, 0) if self.mask_zero else None


class EmbeddingBag(Embedding):
    """The sum or the mean of the rows of a matrix of weights that several integers name.

    ``y = Σⱼ E[xⱼ]`` over the last axis of the inputs, or that divided by its extent. The rows that
    are added up are never stored.

    Parameters
    ----------
    input_dim : int
        Number of symbols: inputs go from 0 to ``input_dim - 1``.
    output_dim : int
        Length of the vectors.
    combiner : {"sum", "mean"}, default "mean"
        What becomes of the rows of a bag.
    embeddings_initializer : str or callable, default "uniform"
        Where the first values of ``E`` come from.
    embeddings_regularizer : str, callable or None, default None
        Penalty on ``E``, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    embeddings : Variable, (input_dim, output_dim)
        ``E``.

    Raises
    ------
    ValueError, TypeError
        If an extent is not a positive integer, or `combiner` is unknown.
    IndexError
        If an input is no symbol: not whole, negative or too great.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import EmbeddingBag
    >>> EmbeddingBag(10, 2, "sum", embeddings_initializer="ones")(np.array([[1, 2, 1]]))
    array([[3., 3.]], dtype=float32)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        combiner: str = "mean",
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            **options,
        )
        self.combiner = checks.one_of(combiner, ("sum", "mean"), "EmbeddingBag: combiner")

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = ops.take_sum(self.embeddings, symbols(self, x, self.input_dim))
        return total if self.combiner == "sum" else total * (1 / x.shape[-1])

    def compute_mask(self, x: Any, mask: Any = None) -> None:
        """Return None: the axis of symbols goes."""

    def check_input(self, shape: Shape) -> None:
        if len(shape) < 2:
            raise ValueError(f"{self} expects inputs of shape (batch, ..., bag), got {shape}")


def symbols(layer: Layer, x: Tensor, count: int) -> Tensor:
    """Read inputs of any type as integers from 0 to ``count - 1``, naming the layer in errors."""
    y: Tensor = ops.checked_indices(x, count, str(layer))
    return y
