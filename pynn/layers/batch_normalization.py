"""Normalization over the batch, with running averages for prediction."""

from __future__ import annotations

from typing import Any

from pynn import checks, initializers, ops
from pynn._native import Tensor
from pynn.layers.normalization import Normalizer, wide
from pynn.layers.weights import Shape


class BatchNormalization(Normalizer):
    """In training, ``y = γ (x - μ) / √(σ² + ε) + β`` with each feature's μ and σ² of the batch.

    In prediction, μ and σ² are running averages: every step of training sets ``moving = momentum
    moving + (1 - momentum) batch``. A layer that is not `trainable` predicts in training as well.
    Of sequences with a ``mask``, (batch, time), only the steps where it is true count.

    Parameters
    ----------
    axis : int, default -1
        The axis of features, counted with the batch axis, or from the end.
    momentum : float, default 0.99
        How slowly the running averages move, from 0 to below 1.
    epsilon : float, default 0.001
        ``ε``, above 0.
    center, scale : bool, default True
        Whether there are a ``β`` and a ``γ``.
    beta_initializer, moving_mean_initializer : str or callable, default "zeros"
        Where first values come from.
    gamma_initializer, moving_variance_initializer : str or callable, default "ones"
        Where first values come from.
    beta_regularizer, gamma_regularizer : str, callable or None, default None
        Penalties on ``β`` and ``γ``, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    gamma, beta, moving_mean, moving_variance : Variable, (features,)

    Raises
    ------
    ValueError, TypeError
        If `momentum` or `epsilon` is out of range, or the inputs lack `axis`.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import BatchNormalization
    >>> layer = BatchNormalization(momentum=0.5)
    >>> layer(np.array([[1.0, 10.0], [3.0, 30.0]]), training=True).round(2)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.moving_mean
    Variable([ 1. 10.], dtype=float32, name='moving_mean')
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            axis,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **options,
        )
        self.momentum = checks.fraction(momentum, "BatchNormalization: momentum")
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        dtype = "float32" if self.dtype == "bfloat16" else self.dtype
        self.moving_mean = self.add_weight(
            "moving_mean", self.extents, self.moving_mean_initializer, trainable=False, dtype=dtype
        )
        self.moving_variance = self.add_weight(
            "moving_variance",
            self.extents,
            self.moving_variance_initializer,
            trainable=False,
            dtype=dtype,
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = wide(x)
        if self.training and self.trainable:
            return self.trained(x) if mask is None else self.trained_where(x, mask)
        mean, variance = self.moving_mean, self.moving_variance
        return self.normalized_by(x, self.aligned(mean, x.ndim), self.aligned(variance, x.ndim))

    def normalized_by(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Normalize with these statistics."""
        factor = ops.rsqrt(variance + self.epsilon)
        if self.scale:
            factor = factor * self.aligned(self.gamma, x.ndim)
        y: Tensor = (x - mean) * factor
        return (y + self.aligned(self.beta, x.ndim) if self.center else y).astype(self.dtype)

    def trained_where(self, x: Tensor, mask: Tensor) -> Tensor:
        """Do what `trained` does with the statistics of the steps of a mask."""
        features = self.places(x.ndim)
        others = tuple(i for i in range(x.ndim) if i not in features)
        seen = mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim)).astype(x.dtype)
        seen = ops.broadcast_to(seen, x.shape)
        count = ops.maximum(seen.sum(others, keepdims=True), 1)
        mean = (x * seen).sum(others, keepdims=True) / count
        variance = (ops.square(x - mean) * seen).sum(others, keepdims=True) / count
        self.move(mean, variance)
        return self.normalized_by(x, mean, variance)

    def move(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running averages towards the batch's statistics."""
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            now = batch.reshape(self.extents)
            moving.assign(moving * self.momentum + now * (1 - self.momentum))

    def trained(self, x: Tensor) -> Tensor:
        """Normalize with the batch's own statistics, and move the averages towards them."""
        features = self.places(x.ndim)
        others = [i for i in range(x.ndim) if i not in features]
        order = [*others, *features]
        turned = x.transpose(*order)
        gamma = self.gamma.reshape(-1) if self.scale else None
        beta = self.beta.reshape(-1) if self.center else None
        rows = turned.reshape(*(x.shape[i] for i in others), -1)
        y, mean, variance = ops.batch_standardize(rows, self.epsilon, gamma, beta)
        self.move(mean, variance)
        back: Tensor = y.reshape(turned.shape).transpose(*(order.index(i) for i in range(x.ndim)))
        return back.astype(self.dtype)


BatchNorm = BatchNormalization
