"""Normalization within each sample: activations of mean 0 and variance 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pynn import checks, initializers, ops, regularizers
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Normalizer(Layer):
    """Base class: ``y = γ x̂ + β`` with weights of the extents of `axis`, the rest broadcast.

    Parameters
    ----------
    axis : int or sequence of int
        Axes that the weights go along, counted with the batch axis, or from the end.
    epsilon : float
        Added to the variance, above 0.
    center, scale : bool
        Whether there are a ``β`` and a ``γ``.
    beta_initializer, gamma_initializer : str or callable
        Where their first values come from.
    beta_regularizer, gamma_regularizer : str, callable or None
        Penalties on them, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If `epsilon` is not positive, or the inputs lack an axis.
    """

    supports_masking = True

    def __init__(
        self,
        axis: int | Sequence[int],
        epsilon: float,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        self.axis = checks.axes(axis, f"{who}: axis")
        self.epsilon = checks.positive(epsilon, f"{who}: epsilon")
        self.center = checks.flag(center, f"{who}: center")
        self.scale = checks.flag(scale, f"{who}: scale")
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)

    def build(self, input_shape: Shape) -> None:
        extents = tuple(input_shape[i - 1] for i in self.places(len(input_shape) + 1))
        self.extents = extents
        if self.scale:
            self.gamma = self.add_weight(
                "gamma", extents, self.gamma_initializer, self.gamma_regularizer
            )
        if self.center:
            self.beta = self.add_weight(
                "beta", extents, self.beta_initializer, self.beta_regularizer
            )

    def places(self, rank: int) -> tuple[int, ...]:
        """Resolve `axis` for inputs with this number of axes."""
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        found = tuple(sorted(i + rank if i < 0 else i for i in given))
        if any(not 1 <= i < rank for i in found) or len(set(found)) < len(found):
            raise ValueError(
                f"{self} normalizes along axis {self.axis}, which inputs with {rank} axes, "
                "the batch's among them, don't have"
            )
        return found

    def check_input(self, shape: Shape) -> None:
        found = tuple(shape[i] for i in self.places(len(shape)))
        if found != self.extents:
            raise ValueError(
                f"{self} expects inputs of extent {self.extents} along axis {self.axis}, "
                f"got {shape}"
            )

    def aligned(self, weight: Tensor, rank: int) -> Tensor:
        """Reshape a weight so that it broadcasts over inputs with this number of axes."""
        places = self.places(rank)
        if places == tuple(range(rank - len(places), rank)):
            return weight
        extents = dict(zip(places, self.extents, strict=True))
        return weight.reshape([extents.get(i, 1) for i in range(rank)])

    def affine(self, standard: Tensor) -> Tensor:
        """Return ``γ x̂ + β`` in the layer's dtype."""
        y = standard * self.aligned(self.gamma, standard.ndim) if self.scale else standard
        return (y + self.aligned(self.beta, y.ndim) if self.center else y).astype(self.dtype)

    def standardized(self, x: Tensor, center: bool = True) -> Tensor:
        """Return ``γ (x - μ) / √(σ² + ε) + β`` over `axis`; without `center` μ is 0."""
        places = self.places(x.ndim)
        rest = [i for i in range(x.ndim) if i not in places]
        order = [*rest, *places]
        turned = wide(x).transpose(*order)
        rows = turned.reshape(*(x.shape[i] for i in rest), -1)
        gamma = self.gamma.reshape(-1) if self.scale else None
        beta = self.beta.reshape(-1) if self.center else None
        standard: Tensor = ops.standardize(rows, -1, self.epsilon, center, gamma, beta)
        y = standard.reshape(turned.shape).transpose(*(order.index(i) for i in range(x.ndim)))
        return y.astype(self.dtype)


def wide(x: Tensor) -> Tensor:
    """Compute statistics of bfloat16 values in float32."""
    return x.astype("float32") if x.dtype == "bfloat16" else x


class LayerNormalization(Normalizer):
    """``y = γ (x - μ) / √(σ² + ε) + β`` with μ and σ² of each sample over `axis`.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        What is normalized together, counted with the batch axis, or from the end; ``γ`` and ``β``
        have its extents.
    epsilon : float, default 0.001
        ``ε``, above 0.
    center, scale : bool, default True
        Whether there are a ``β`` and a ``γ``.
    beta_initializer : str or callable, default "zeros"
        Where the first values of ``β`` come from.
    gamma_initializer : str or callable, default "ones"
        Where the first values of ``γ`` come from.
    beta_regularizer, gamma_regularizer : str, callable or None, default None
        Penalties on ``β`` and ``γ``, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    gamma, beta : Variable
        Of the extents of `axis`.

    Raises
    ------
    ValueError, TypeError
        If `epsilon` is not positive, or the inputs lack `axis`.

    References
    ----------
    Ba et al., "Layer normalization", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import LayerNormalization
    >>> LayerNormalization()(np.array([[1.0, 3.0], [10.0, 30.0]])).round(2)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
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

    def forward(self, x: Tensor) -> Tensor:
        return self.standardized(x)


class GroupNormalization(Normalizer):
    """``y = γ (x - μ) / √(σ² + ε) + β`` with μ and σ² of each sample and group of channels.

    Parameters
    ----------
    groups : int, default 32
        Number of groups, which the channels are cut into; -1 makes one of each channel (instance
        normalization), 1 is normalization over all but the batch axis.
    epsilon : float, default 0.001
        ``ε``, above 0.
    center, scale : bool, default True
        Whether there are a ``β`` and a ``γ``.
    beta_initializer : str or callable, default "zeros"
        Where the first values of ``β`` come from.
    gamma_initializer : str or callable, default "ones"
        Where the first values of ``γ`` come from.
    beta_regularizer, gamma_regularizer : str, callable or None, default None
        Penalties on ``β`` and ``γ``, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    gamma, beta : Variable, (channels,)

    Raises
    ------
    ValueError, TypeError
        If `groups` does not divide the channels, or `epsilon` is not positive.

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GroupNormalization
    >>> GroupNormalization(groups=2)(np.array([[1.0, 3.0, 10.0, 30.0]])).round(2)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        groups: int = 32,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            -1,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **options,
        )
        if groups != -1:
            checks.whole(groups, "GroupNormalization: groups")
        self.groups = groups

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.groups != -1 and input_shape[-1] % self.groups:
            raise ValueError(
                f"{self}: {self.groups} groups don't divide the {input_shape[-1]} channels"
            )

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[-1]
        groups = channels if self.groups == -1 else self.groups
        space = math.prod(x.shape[1:-1])
        grouped = wide(x).reshape(x.shape[0], space, groups, channels // groups)
        turned = grouped.transpose(0, 2, 1, 3)  # each sample's groups as rows
        rows = turned.reshape(x.shape[0], groups, -1)
        y: Tensor = ops.standardize(rows, -1, self.epsilon)
        return self.affine(y.reshape(turned.shape).transpose(0, 2, 1, 3).reshape(x.shape))


class RMSNormalization(Normalizer):
    """``y = γ x / √(mean(x²) + ε)`` with the mean over `axis`.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        What is normalized together, counted with the batch axis, or from the end.
    epsilon : float, default 1e-6
        ``ε``, above 0.
    gamma_initializer : str or callable, default "ones"
        Where the first values of ``γ`` come from.
    gamma_regularizer : str, callable or None, default None
        Penalty on ``γ``, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    gamma : Variable
        Of the extents of `axis`.

    Raises
    ------
    ValueError, TypeError
        If `epsilon` is not positive, or the inputs lack `axis`.

    References
    ----------
    Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import RMSNormalization
    >>> RMSNormalization()(np.array([[1.0, -1.0, 1.0, -1.0], [2.0, 2.0, 2.0, 2.0]])).round(2)
    array([[ 1., -1.,  1., -1.],
           [ 1.,  1.,  1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-6,
        gamma_initializer: Any = "ones",
        gamma_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            axis,
            epsilon,
            center=False,
            gamma_initializer=gamma_initializer,
            gamma_regularizer=gamma_regularizer,
            **options,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.standardized(x, center=False)


class UnitNormalization(Layer):
    """``y = x / √(max(Σx², 1e-12))`` with the sum over `axis`: vectors of length 1.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        What is normalized together, counted with the batch axis, or from the end.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import UnitNormalization
    >>> UnitNormalization()(np.array([[3.0, 4.0]])).round(2)
    array([[0.6, 0.8]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = checks.axes(axis, "UnitNormalization: axis")

    def forward(self, x: Tensor) -> Tensor:
        x = wide(x)
        power = ops.square(x).sum(self.axis, keepdims=True)
        return (x * ops.rsqrt(ops.maximum(power, 1e-12))).astype(self.dtype)


LayerNorm = LayerNormalization
