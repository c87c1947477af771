"""Transposed convolutions: from small images to large ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import activations, ops
from pynn._native import Tensor
from pynn.layers import spatial
from pynn.layers.convolution import Convolution
from pynn.layers.weights import Shape
from pynn.tensor import Variable


class ConvolutionTranspose(Convolution):
    """Base class: each pixel of x adds ``W`` times its value to a window of the outputs.

    That is the gradient of `Convolution` with respect to its inputs, so it leads back to their
    shape. Bias and activation follow.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size, strides, dilation_rate
        The window: see `Convolving`.
    padding : {"valid", "same"}, int or sequence, default "valid"
        What is cut from around the outputs: nothing; as much as leaves extent times stride; or
        pixels, each an int or a pair.
    output_padding : int, tuple of int or None, default None
        Pixels more at the end of each axis, less than strides or dilation_rate: which of the
        images that a convolution makes so small is meant. ``None`` is as in Keras.
    activation, use_bias, bias_initializer, bias_regularizer
        See `Convolving`.
    kernel_initializer, kernel_regularizer
        See `Convolution`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    kernel : Variable, (taps..., filters, channels)
        ``W``.
    bias : Variable, (filters,)
        ``b``.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, or nothing is left of the outputs.
    """

    transposed = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        output_padding: int | Sequence[int] | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: str | activations.Activation | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            dilation_rate,
            1,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            **options,
        )
        who = type(self).__name__
        self.output_padding = (
            None
            if output_padding is None
            else spatial.per_axis(output_padding, f"{who}: output_padding", self.axes, 0)
        )
        limits = map(max, self.strides, self.dilation_rate)
        if self.output_padding and any(
            more >= limit for more, limit in zip(self.output_padding, limits, strict=True)
        ):
            raise ValueError(
                f"{who}: output_padding must be less than strides {self.strides} or dilation_rate "
                f"{self.dilation_rate}, got {output_padding!r}"
            )

    def check_sample(self, shape: Shape) -> None:
        super().check_sample(shape)
        if isinstance(self.padding, str):
            return
        more = self.output_padding or (0,) * self.axes
        sizes = [
            (n - 1) * stride + reach + extra - sum(cut)
            for n, stride, reach, extra, cut in zip(
                shape[:-1], self.strides, self.reach, more, self.padding, strict=True
            )
        ]
        if min(sizes) < 1:
            raise ValueError(
                f"{self} with padding={self.padding} leaves nothing of samples of shape {shape}"
            )

    def make_kernel(self) -> Variable:
        shape = (*self.kernel_size, self.filters, self.channels)
        return self.add_weight("kernel", shape, self.kernel_initializer, self.kernel_regularizer)

    def forward(self, x: Tensor) -> Tensor:
        z = ops.conv_transpose(
            x, self.kernel, self.strides, self.padding, self.output_padding, self.dilation_rate
        )
        return self.activated(z)


class Conv1DTranspose(ConvolutionTranspose):
    """Transposed convolution over (batch, steps, channels); see `ConvolutionTranspose`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Conv1DTranspose
    >>> Conv1DTranspose(4, 3, strides=2)(np.zeros((2, 8, 3))).shape
    (2, 17, 4)
    """

    axes = 1


class Conv2DTranspose(ConvolutionTranspose):
    """Transposed convolution over (batch, rows, columns, channels); see `ConvolutionTranspose`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Conv2DTranspose
    >>> Conv2DTranspose(4, 3, strides=2, padding="same")(np.zeros((2, 8, 8, 3))).shape
    (2, 16, 16, 4)
    """

    axes = 2


class Conv3DTranspose(ConvolutionTranspose):
    """Transposed convolution over (batch, depth, rows, columns, channels).

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Conv3DTranspose
    >>> Conv3DTranspose(4, 2, strides=2)(np.zeros((2, 4, 4, 4, 3))).shape
    (2, 8, 8, 8, 4)
    """

    axes = 3
