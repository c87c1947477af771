"""Dense: the fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import activations, checks, initializers, regularizers
from pynn._native import Tensor
from pynn.layers.base import Layer
from pynn.layers.weights import Shape


class Dense(Layer):
    """Fully connected layer: ``y = activation(x W + b)``.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str, callable or None, default None
        Name, layer or function; ``None`` is linear.
    use_bias : bool, default True
        Whether ``b`` is added.
    kernel_initializer : str or callable, default "glorot_uniform"
        Where the first values of ``W`` come from.
    bias_initializer : str or callable, default "zeros"
        Where the first values of ``b`` come from.
    kernel_regularizer, bias_regularizer : str, callable or None, default None
        Penalties on ``W`` and ``b``, added to the loss.
    activity_regularizer : str, callable or None, default None
        The same on the outputs, divided by the number of samples.
    input_shape : int, tuple of int or None, default None
        Shape of one sample, without the batch axis; ``None`` takes it from the first input.
    dtype : {"float32", "float64", "bfloat16"} or None, default None
        ``None`` is the network's, or float32.
    name : str or None, default None
        What errors and summaries call it.

    Attributes
    ----------
    kernel : Variable, (inputs, units)
        ``W``.
    bias : Variable, (units,), or None
        ``b``.

    Raises
    ------
    ValueError, TypeError
        If `units` is not a positive integer, or a name is unknown.

    Notes
    -----
    Inputs are (..., inputs), outputs (..., units).

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Dense
    >>> layer = Dense(3, activation="relu", kernel_initializer="ones")
    >>> layer(np.array([[1.0, 2.0], [-3.0, 0.0]]))
    array([[3., 3., 3.],
           [0., 0., 0.]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: str | activations.Activation | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        *,
        input_shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            name=name,
            dtype=dtype,
            input_shape=input_shape,
            activity_regularizer=activity_regularizer,
        )
        self.units = checks.whole(units, "Dense: units")
        self.activation = activations.get(activation)
        self.use_bias = checks.flag(use_bias, "Dense: use_bias")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, input_shape: Shape) -> None:
        if not input_shape:
            raise ValueError(
                f"{self} expects inputs of shape (batch, features), got a batch of numbers"
            )
        features = input_shape[-1]
        self.kernel = self.add_weight(
            "kernel", (features, self.units), self.kernel_initializer, self.kernel_regularizer
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", (self.units,), self.bias_initializer, self.bias_regularizer
            )

    def forward(self, x: Tensor) -> Tensor:
        z = x @ self.kernel + self.bias if self.use_bias else x @ self.kernel
        y: Tensor = self.activation(z)
        return y

    def check_input(self, shape: Shape) -> None:
        features = self.kernel.shape[0]
        if len(shape) < 2 or shape[-1] != features:
            raise ValueError(f"{self} expects inputs with {features} features, got {shape}")
