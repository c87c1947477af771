"""Activations as layers, each the equation in its docstring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynn import activations, checks, ops
from pynn._native import Tensor
from pynn.layers.base import Layer


class Pointwise(Layer):
    """Base class: outputs have the shape of the inputs, and their mask."""

    supports_masking = True


class Activation(Pointwise):
    """Any activation as a layer: ``y = activation(x)``.

    Parameters
    ----------
    activation : str or callable
        Name, layer or function.
    input_shape : int, tuple of int or None, default None
        Shape of one sample, without the batch axis.
    dtype : str or None, default None
        ``None`` is the network's, or float32.
    name : str or None, default None
        What errors and summaries call it.

    Raises
    ------
    ValueError
        If no activation has this name.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import Activation
    >>> Activation("relu")(np.array([[-1.0, 2.0]]))
    array([[0., 2.]], dtype=float32)
    """

    def __init__(
        self,
        activation: str | activations.Activation,
        *,
        input_shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype, input_shape=input_shape)
        self.activation = activations.get(activation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x)
        return y


class Linear(Pointwise):
    """``y = x``.

    Examples
    --------
    >>> from pynn.layers import Linear
    >>> Linear()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-1.,  0.,  2.]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return x


class ReLU(Pointwise):
    """Rectified linear unit: ``y = max(x, 0)``.

    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> from pynn.layers import ReLU
    >>> ReLU()([[-1.0, 0.0, 2.0]]).round(3)
    array([[0., 0., 2.]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class ReLU6(Pointwise):
    """``y = min(max(x, 0), 6)``.

    Howard et al., "MobileNets", 2017.

    Examples
    --------
    >>> from pynn.layers import ReLU6
    >>> ReLU6()([[-1.0, 0.0, 2.0]]).round(3)
    array([[0., 0., 2.]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu6(x)


class LeakyReLU(Pointwise):
    """``y = x`` for x > 0, ``negative_slope x`` below.

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    Parameters
    ----------
    negative_slope : float, default 0.2
        Slope for x < 0, at least 0.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError
        If `negative_slope` is negative or not finite.

    Examples
    --------
    >>> from pynn.layers import LeakyReLU
    >>> LeakyReLU()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.2,  0. ,  2. ]], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.2, **options: Any) -> None:
        super().__init__(**options)
        self.negative_slope = checks.nonnegative(negative_slope, "LeakyReLU: negative_slope")

    def forward(self, x: Tensor) -> Tensor:
        return ops.leaky_relu(x, self.negative_slope)


class ELU(Pointwise):
    """Exponential linear unit: ``y = x`` for x > 0, ``alpha (eˣ - 1)`` below.

    Clevert et al., "Fast and accurate deep network learning by exponential linear units", ICLR
    2016.

    Parameters
    ----------
    alpha : float, default 1.0
        Minus the limit for x towards minus infinity, at least 0.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError
        If `alpha` is negative or not finite.

    Examples
    --------
    >>> from pynn.layers import ELU
    >>> ELU()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.632,  0.   ,  2.   ]], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = checks.nonnegative(alpha, "ELU: alpha")

    def forward(self, x: Tensor) -> Tensor:
        return ops.elu(x, self.alpha)


class SELU(Pointwise):
    """Scaled ELU: ``y = 1.0507 x`` for x > 0, ``1.0507 · 1.6733 (eˣ - 1)`` below.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017. Meant for weights from
    ``"lecun_normal"``.

    Examples
    --------
    >>> from pynn.layers import SELU
    >>> SELU()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-1.111,  0.   ,  2.101]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.selu(x)


class GELU(Pointwise):
    """Gaussian error linear unit: ``y = x Φ(x)``, Φ the normal distribution function.

    Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    Parameters
    ----------
    approximate : bool, default False
        Whether Φ is replaced by ``(1 + tanh(√(2/π) (x + 0.044715 x³))) / 2``.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Examples
    --------
    >>> from pynn.layers import GELU
    >>> GELU()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.159,  0.   ,  1.954]], dtype=float32)
    """

    def __init__(self, approximate: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.approximate = checks.flag(approximate, f"{type(self).__name__}: approximate")

    def forward(self, x: Tensor) -> Tensor:
        return ops.gelu_tanh(x) if self.approximate else ops.gelu(x)


class Sigmoid(Pointwise):
    """``y = 1 / (1 + e⁻ˣ)``.

    Examples
    --------
    >>> from pynn.layers import Sigmoid
    >>> Sigmoid()([[-1.0, 0.0, 2.0]]).round(3)
    array([[0.269, 0.5  , 0.881]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)


class LogSigmoid(Pointwise):
    """``y = -log(1 + e⁻ˣ)``, without overflow.

    Examples
    --------
    >>> from pynn.layers import LogSigmoid
    >>> LogSigmoid()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-1.313, -0.693, -0.127]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.log_sigmoid(x)


class HardSigmoid(Pointwise):
    """``y = min(max(x / 6 + 1/2, 0), 1)``.

    Examples
    --------
    >>> from pynn.layers import HardSigmoid
    >>> HardSigmoid()([[-1.0, 0.0, 2.0]]).round(3)
    array([[0.333, 0.5  , 0.833]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.hard_sigmoid(x)


class Tanh(Pointwise):
    """``y = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)``.

    Examples
    --------
    >>> from pynn.layers import Tanh
    >>> Tanh()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.762,  0.   ,  0.964]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.tanh(x)


class HardTanh(Pointwise):
    """``y = min(max(x, -1), 1)``.

    Examples
    --------
    >>> from pynn.layers import HardTanh
    >>> HardTanh()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-1.,  0.,  1.]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.hard_tanh(x)


class Softplus(Pointwise):
    """``y = log(1 + eˣ)``, without overflow.

    Examples
    --------
    >>> from pynn.layers import Softplus
    >>> Softplus()([[-1.0, 0.0, 2.0]]).round(3)
    array([[0.313, 0.693, 2.127]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.softplus(x)


class Softsign(Pointwise):
    """``y = x / (1 + |x|)``.

    Examples
    --------
    >>> from pynn.layers import Softsign
    >>> Softsign()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.5  ,  0.   ,  0.667]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.softsign(x)


class Swish(Pointwise):
    """``y = x / (1 + e⁻ˣ)``, also called SiLU.

    Elfwing et al., "Sigmoid-weighted linear units", 2017; Ramachandran et al., "Searching for
    activation functions", 2017.

    Examples
    --------
    >>> from pynn.layers import Swish
    >>> Swish()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.269,  0.   ,  1.762]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.silu(x)


SiLU = Swish


class HardSwish(Pointwise):
    """``y = x min(max(x / 6 + 1/2, 0), 1)``.

    Howard et al., "Searching for MobileNetV3", 2019.

    Examples
    --------
    >>> from pynn.layers import HardSwish
    >>> HardSwish()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.333,  0.   ,  1.667]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.hard_silu(x)


class Mish(Pointwise):
    """``y = x tanh(log(1 + eˣ))``.

    Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    Examples
    --------
    >>> from pynn.layers import Mish
    >>> Mish()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-0.303,  0.   ,  1.944]], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return ops.mish(x)


class Softmax(Pointwise):
    """``yᵢ = eˣⁱ / Σⱼ eˣʲ`` along an axis, without overflow.

    Parameters
    ----------
    axis : int, default -1
        The axis along which outputs sum to 1.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Examples
    --------
    >>> from pynn.layers import Softmax
    >>> Softmax()([[-1.0, 0.0, 2.0]]).round(3)
    array([[0.042, 0.114, 0.844]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return ops.softmax(x, axis=self.axis)


class LogSoftmax(Pointwise):
    """``yᵢ = xᵢ - log Σⱼ eˣʲ`` along an axis, without overflow.

    Parameters
    ----------
    axis : int, default -1
        The axis along which the outputs' exponentials sum to 1.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Examples
    --------
    >>> from pynn.layers import LogSoftmax
    >>> LogSoftmax()([[-1.0, 0.0, 2.0]]).round(3)
    array([[-3.17, -2.17, -0.17]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return ops.log_softmax(x, axis=self.axis)
