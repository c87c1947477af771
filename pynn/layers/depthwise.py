"""Convolutions of each channel by itself, with and without a mix of channels behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import activations, checks, initializers, ops, regularizers
from pynn._native import Tensor
from pynn.layers.convolution import Convolving
from pynn.layers.weights import Shape


class Depthwise(Convolving):
    """Base class: ``y[o, c m + i] = activation(Σ x[o strides + t dilation, c] W[t, c, i] + b)``.

    The sum is over the taps t; i goes from 0 to ``m = depth_multiplier``.

    Parameters
    ----------
    kernel_size : int or tuple of int
        The window: see `Convolving`.
    strides, padding
        See `Convolving`.
    depth_multiplier : int, default 1
        Number of output channels for each input channel.
    dilation_rate, activation, use_bias, bias_initializer, bias_regularizer
        See `Convolving`.
    depthwise_initializer : str or callable, default "glorot_uniform"
        Where the first values of ``W`` come from.
    depthwise_regularizer : str, callable or None, default None
        A penalty on ``W``, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    kernel : Variable, (taps..., channels, depth_multiplier)
        ``W``.
    bias : Variable, (channels depth_multiplier,)
        ``b``.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or the window is larger than the padded inputs.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        depth_multiplier: int = 1,
        dilation_rate: int | Sequence[int] = 1,
        activation: str | activations.Activation | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            **options,
        )
        who = type(self).__name__
        self.depth_multiplier = checks.whole(depth_multiplier, f"{who}: depth_multiplier")
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.kernel = self.add_weight(
            "depthwise_kernel",
            (*self.kernel_size, self.channels, self.depth_multiplier),
            self.depthwise_initializer,
            self.depthwise_regularizer,
        )
        self.add_rest(self.channels * self.depth_multiplier)

    def add_rest(self, channels: int) -> None:
        """Make the weights for so many channels behind the kernel."""
        self.add_bias(channels)

    def convolved(self, x: Tensor) -> Tensor:
        """Convolve each channel: a group for each."""
        channels = self.channels * self.depth_multiplier
        kernel = self.kernel.reshape(*self.kernel_size, 1, channels)
        z: Tensor = ops.conv(
            x, kernel, self.strides, self.around, self.dilation_rate, self.channels
        )
        return z

    def forward(self, x: Tensor) -> Tensor:
        return self.activated(self.convolved(x))


class DepthwiseConv1D(Depthwise):
    """Convolution of each channel of (batch, steps, channels); see `Depthwise`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import DepthwiseConv1D
    >>> DepthwiseConv1D(3)(np.zeros((2, 8, 3))).shape
    (2, 6, 3)
    """

    axes = 1


class DepthwiseConv2D(Depthwise):
    """Convolution of each channel of (batch, rows, columns, channels); see `Depthwise`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import DepthwiseConv2D
    >>> DepthwiseConv2D(3, padding="same", depth_multiplier=2)(np.zeros((2, 8, 8, 3))).shape
    (2, 8, 8, 6)
    """

    axes = 2


class Separable(Depthwise):
    """Base class: a convolution of each channel, then a product that mixes the channels.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size, strides, padding, depth_multiplier, dilation_rate
        Of the convolution: see `Depthwise`.
    activation, use_bias, bias_initializer, bias_regularizer
        Of the outputs: see `Convolving`.
    depthwise_initializer, pointwise_initializer : str or callable, default "glorot_uniform"
        Where the first weights come from.
    depthwise_regularizer, pointwise_regularizer : str, callable or None, default None
        Penalties on them, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    kernel : Variable, (taps..., channels, depth_multiplier)
        Of the convolution.
    mix : Variable, (1..., channels depth_multiplier, filters)
        Of the product.
    bias : Variable, (filters,)
        What is added to it.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or the window is larger than the padded inputs.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: str | activations.Activation | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            dilation_rate,
            activation,
            use_bias,
            depthwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            bias_regularizer,
            **options,
        )
        self.filters = checks.whole(filters, f"{type(self).__name__}: filters")
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def add_rest(self, channels: int) -> None:
        self.mix = self.add_weight(
            "pointwise_kernel",
            (*(1,) * self.axes, channels, self.filters),
            self.pointwise_initializer,
            self.pointwise_regularizer,
        )
        self.add_bias(self.filters)

    def forward(self, x: Tensor) -> Tensor:
        return self.activated(ops.conv(self.convolved(x), self.mix))


class SeparableConv1D(Separable):
    """Separable convolution over (batch, steps, channels); see `Separable`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SeparableConv1D
    >>> SeparableConv1D(4, 3)(np.zeros((2, 8, 3))).shape
    (2, 6, 4)
    """

    axes = 1


class SeparableConv2D(Separable):
    """Separable convolution over (batch, rows, columns, channels); see `Separable`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SeparableConv2D
    >>> SeparableConv2D(4, 3, depth_multiplier=2)(np.zeros((2, 8, 8, 3))).shape
    (2, 6, 6, 4)
    """

    axes = 2
