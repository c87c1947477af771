"""Convolutions: the same small linear map at every place of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pynn import activations, checks, initializers, ops, regularizers
from pynn._native import Tensor
from pynn.layers import spatial
from pynn.layers.spatial import Spatial
from pynn.layers.weights import Shape
from pynn.tensor import Variable


class Convolving(Spatial):
    """Base class of layers that see inputs (batch, space..., channels) through a window.

    Parameters
    ----------
    kernel_size : int or tuple of int
        The window's extents: how many taps it has along each axis.
    strides : int or tuple of int, default 1
        From one window to the next.
    padding : {"valid", "same"}, int or sequence, default "valid"
        None; as many zeros as give ceil(extent / stride) outputs, the odd one behind; or zeros
        around each axis, each an int or a pair (before, after). In one dimension also "causal":
        zeros in front, so that no output sees a later step.
    dilation_rate : int or tuple of int, default 1
        Distance between taps.
    activation : str, callable or None, default None
        Name, layer or function; ``None`` is linear.
    use_bias : bool, default True
        Whether a number for each output channel is added.
    bias_initializer : str or callable, default "zeros"
        Where the first biases come from.
    bias_regularizer : str, callable or None, default None
        A penalty on them, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.
    """

    transposed: ClassVar[bool] = False  # from windows to pixels
    channels: int  # of the inputs, once they are known

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        dilation_rate: int | Sequence[int] = 1,
        activation: str | activations.Activation | None = None,
        use_bias: bool = True,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        causal = self.axes == 1 and not self.transposed
        self.kernel_size = spatial.per_axis(kernel_size, f"{who}: kernel_size", self.axes)
        self.strides = spatial.per_axis(strides, f"{who}: strides", self.axes)
        self.padding = spatial.padding(
            padding,
            f"{who}: padding",
            self.axes,
            ("valid", "same", "causal") if causal else ("valid", "same"),
        )
        self.dilation_rate = spatial.per_axis(dilation_rate, f"{who}: dilation_rate", self.axes)
        self.activation = activations.get(activation)
        self.use_bias = checks.flag(use_bias, f"{type(self).__name__}: use_bias")
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    @property
    def reach(self) -> Shape:
        """The window's extents in pixels, from its first tap to its last."""
        return tuple(
            (taps - 1) * rate + 1
            for taps, rate in zip(self.kernel_size, self.dilation_rate, strict=True)
        )

    @property
    def around(self) -> str | spatial.Pairs:
        """`padding` as the functions of `pynn.ops` take it."""
        return ((self.reach[0] - 1, 0),) if self.padding == "causal" else self.padding

    def check_sample(self, shape: Shape) -> None:
        super().check_sample(shape)
        if self.built and shape[-1] != self.channels:
            raise ValueError(
                f"{self} expects inputs with {self.channels} channels, got samples of shape {shape}"
            )
        if self.transposed or self.padding == "same":
            return
        around = self.around
        pads = (0,) * self.axes if isinstance(around, str) else map(sum, around)
        if any(n + p < r for n, p, r in zip(shape, pads, self.reach, strict=False)):
            raise ValueError(
                f"{self} has windows of {self.reach} pixels, larger than samples of shape {shape} "
                f"with padding={self.padding!r}"
            )

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.channels = input_shape[-1]

    def add_bias(self, channels: int) -> None:
        """Make the bias, if there is one."""
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", (channels,), self.bias_initializer, self.bias_regularizer
            )

    def activated(self, z: Tensor) -> Tensor:
        """Add the bias and apply the activation."""
        y: Tensor = self.activation(z + self.bias if self.use_bias else z)
        return y


class Convolution(Convolving):
    """Base class: ``y[o, f] = activation(Σ x[o strides + t dilation, c] W[t, c, f] + b[f])``.

    The sum is over the taps t of the window and the channels c of its group.

    Parameters
    ----------
    filters : int
        Number of output channels.
    kernel_size, strides, padding, dilation_rate
        The window: see `Convolving`.
    groups : int, default 1
        Channels and filters fall into so many groups that don't see each other.
    activation, use_bias, bias_initializer, bias_regularizer
        See `Convolving`.
    kernel_initializer : str or callable, default "glorot_uniform"
        Where the first values of ``W`` come from.
    kernel_regularizer : str, callable or None, default None
        A penalty on ``W``, added to the loss.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Attributes
    ----------
    kernel : Variable, (taps..., channels / groups, filters)
        ``W``.
    bias : Variable, (filters,)
        ``b``.

    Raises
    ------
    ValueError, TypeError
        If an option is not as above, `groups` doesn't divide channels and filters, or the window is
        larger than the padded inputs.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: str | activations.Activation | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
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
        self.filters = checks.whole(filters, f"{who}: filters")
        self.groups = checks.whole(groups, f"{who}: groups")
        if self.filters % self.groups:
            raise ValueError(f"{who}: {filters} filters can't form {groups} equal groups")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.channels % self.groups:
            raise ValueError(
                f"{self} can't divide the {self.channels} channels of samples of shape "
                f"{input_shape} into {self.groups} groups"
            )
        self.kernel = self.make_kernel()
        self.add_bias(self.filters)

    def make_kernel(self) -> Variable:
        """Make ``W``."""
        shape = (*self.kernel_size, self.channels // self.groups, self.filters)
        return self.add_weight("kernel", shape, self.kernel_initializer, self.kernel_regularizer)

    def forward(self, x: Tensor) -> Tensor:
        z = ops.conv(x, self.kernel, self.strides, self.around, self.dilation_rate, self.groups)
        return self.activated(z)


class Conv1D(Convolution):
    """Convolution over (batch, steps, channels); see `Convolution`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Conv1D
    >>> Conv1D(4, 3)(np.zeros((2, 8, 3))).shape
    (2, 6, 4)
    """

    axes = 1


class Conv2D(Convolution):
    """Convolution over (batch, rows, columns, channels); see `Convolution`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Conv2D
    >>> Conv2D(4, 3, padding="same", activation="relu")(np.zeros((2, 8, 8, 3))).shape
    (2, 8, 8, 4)
    """

    axes = 2


class Conv3D(Convolution):
    """Convolution over (batch, depth, rows, columns, channels); see `Convolution`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Conv3D
    >>> Conv3D(4, 2, strides=2)(np.zeros((2, 4, 4, 4, 3))).shape
    (2, 2, 2, 2, 4)
    """

    axes = 3
