"""The cells of `SimpleRNN`, `LSTM` and `GRU`."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from pynn import activations, checks, initializers, ops, regularizers
from pynn._native import Tensor
from pynn.layers.cells import Cell, States
from pynn.layers.weights import Shape
from pynn.tensor import Variable


class UnitsCell(Cell):
    """What `SimpleRNNCell`, `LSTMCell` and `GRUCell` share: weights, with columns for each gate.

    Parameters
    ----------
    units : int
        Size of the state and of the outputs.
    activation : str, callable or None, default "tanh"
        What bounds the state; ``None`` is linear.
    use_bias : bool, default True
        Whether ``b`` is added.
    kernel_initializer : str or callable, default "glorot_uniform"
        Where the first values of ``W`` come from.
    recurrent_initializer : str or callable, default "orthogonal"
        Where the first values of ``U`` come from.
    bias_initializer : str or callable, default "zeros"
        Where the first values of ``b`` come from.
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str, callable or None
        Penalties on ``W``, ``U`` and ``b``. Default: None.
    dropout : float, default 0.0
        Share of the inputs' features that training sets to zero, the same ones in all steps.
    recurrent_dropout : float, default 0.0
        The same for the output that goes through ``U``.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as described, or inputs or states have another shape than (batch,
        features) and (batch, units).
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__.removesuffix("Cell")
        self.units = checks.whole(units, f"{who}: units")
        self.activation = activations.get(activation)
        self.use_bias = checks.flag(use_bias, f"{who}: use_bias")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.dropout = checks.fraction(dropout, f"{who}: dropout")
        self.recurrent_dropout = checks.fraction(recurrent_dropout, f"{who}: recurrent_dropout")

    def get_config(self) -> dict[str, Any]:
        shared = inspect.signature(UnitsCell.__init__).parameters
        return super().get_config() | {n: getattr(self, n) for n in shared if hasattr(self, n)}

    @property
    def state_size(self) -> list[int]:
        return [self.units] * self.states

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 1:
            raise ValueError(
                f"{self} expects inputs of shape (batch, features), "
                f"got samples of shape {input_shape}"
            )
        columns = self.gates * self.units
        self.kernel = self.add_weight(
            "kernel", (*input_shape, columns), self.kernel_initializer, self.kernel_regularizer
        )
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            (self.units, columns),
            self.recurrent_initializer,
            self.recurrent_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_bias((columns,))

    def add_bias(self, shape: Shape) -> Variable:
        """Make the bias."""
        return self.add_weight("bias", shape, self.bias_initializer, self.bias_regularizer)

    def check_input(self, shape: Shape) -> None:
        features = self.kernel.shape[0]
        if len(shape) != 2 or shape[1] != features:
            raise ValueError(
                f"{self} expects inputs of {features} features, (batch, {features}), got {shape}"
            )

    def context(self, batch: int, dtype: str) -> tuple[Tensor | None, Tensor | None]:
        """Draw what dropout keeps of the inputs and of the output."""

        def kept(features: int, rate: float) -> Tensor | None:
            if not self.training or rate == 0:
                return None
            draws = "float64" if dtype == "float64" else "float32"
            keeps = ops.random_uniform((batch, features), dtype=draws) >= rate
            factors: Tensor = keeps.astype(dtype) / (1 - rate)
            return factors

        return kept(self.kernel.shape[0], self.dropout), kept(self.units, self.recurrent_dropout)

    def project(self, x: Tensor, context: Any) -> Tensor:
        """``x W + b``."""
        kept = context[0]
        bias: Tensor | None = self.bias if self.use_bias else None
        if bias is not None and bias.ndim == 2:
            bias = bias[0]
        y: Tensor = ops.dense(x if kept is None else x * kept, self.kernel, bias)
        return y

    def step(self, x: Tensor, states: States, context: Any) -> tuple[Tensor, States]:
        h, kept = states[0], context[1]
        after = self.update(x, h if kept is None else h * kept, states, context)
        return after[0], after

    def update(self, x: Tensor, h: Tensor, states: States, context: Any) -> States:
        """Compute the next states, the output first.

        ``x`` is ``x W + b``, (batch, gates units), ``h`` the last output, with dropout.
        """
        raise NotImplementedError


class SimpleRNNCell(UnitsCell):
    """One step of a `SimpleRNN`: ``h = activation(x W + h U + b)``.

    Inputs are (batch, features) and a list of one state, (batch, units); it returns the output and
    the next states, ``(h, (h,))``.

    Parameters
    ----------
    units : int
        Size of the state.
    activation : str, callable or None, default "tanh"
        What bounds the state.
    *arguments, **options
        `use_bias`, initializers, regularizers, `dropout`, `recurrent_dropout` as for `SimpleRNN`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SimpleRNNCell
    >>> y, states = SimpleRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> y.shape, len(states)
    ((2, 4), 1)
    """

    def update(self, x: Tensor, h: Tensor, states: States, context: Any) -> States:
        return (self.activation(x + h @ self.recurrent_kernel),)


class GatedCell(UnitsCell):
    """A cell whose gates have an activation of their own."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        **options: Any,
    ) -> None:
        super().__init__(units, activation, **options)
        self.recurrent_activation = activations.get(recurrent_activation)


class LSTMCell(GatedCell):
    """One step of an `LSTM`.

    ``i, f, o = σ(x W + h U + b)``, ``c = f c + i activation(x W + h U + b)``,
    ``h = o activation(c)``. Inputs are (batch, features) and a list of two states, h and c, (batch,
    units) each; it returns the output and the next states, ``(h, (h, c))``.

    Parameters
    ----------
    units : int
        Size of ``h`` and ``c``.
    activation : str, callable or None, default "tanh"
        What bounds ``h`` and what enters ``c``.
    recurrent_activation : str, callable or None, default "sigmoid"
        That of the gates.
    unit_forget_bias : bool, default True
        Whether the bias of the gate f starts at 1.
    **options
        `use_bias`, initializers, regularizers, `dropout`, `recurrent_dropout` as for `LSTM`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import LSTMCell
    >>> y, (h, c) = LSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 4))])
    >>> c.shape
    (2, 4)
    """

    gates = 4
    states = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **options)
        self.unit_forget_bias = checks.flag(unit_forget_bias, "LSTM: unit_forget_bias")

    def add_bias(self, shape: Shape) -> Variable:
        bias = super().add_bias(shape)
        if self.unit_forget_bias:
            bias[self.units : 2 * self.units] = 1.0
        return bias

    def update(self, x: Tensor, h: Tensor, states: States, context: Any) -> States:
        i, f, new, o = ops.split(x + h @ self.recurrent_kernel, 4, axis=-1)
        gate = self.recurrent_activation
        c = gate(f) * states[1] + gate(i) * self.activation(new)
        return gate(o) * self.activation(c), c


class GRUCell(GatedCell):
    """One step of a `GRU`: ``h = z h + (1 - z) n``.

    ``z, r = σ(x W + h U + b)`` and ``n = activation(x W + b + r (h U + b'))``. Inputs are (batch,
    features) and a list of one state, (batch, units); it returns the output and the next states,
    ``(h, (h,))``.

    Parameters
    ----------
    units : int
        Size of the state.
    activation : str, callable or None, default "tanh"
        That of ``n``.
    recurrent_activation : str, callable or None, default "sigmoid"
        That of the gates.
    reset_after : bool, default True
        Whether ``r`` is multiplied by ``h U``, as above, or by ``h`` before.
    **options
        `use_bias`, initializers, regularizers, `dropout`, `recurrent_dropout` as for `GRU`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GRUCell
    >>> y, (h,) = GRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> h.shape
    (2, 4)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **options)
        self.reset_after = checks.flag(reset_after, "GRU: reset_after")

    def add_bias(self, shape: Shape) -> Variable:
        return super().add_bias((2, *shape) if self.reset_after else shape)

    def context(self, batch: int, dtype: str) -> Any:
        """Add the bias of ``h U``, where there is one, to what dropout keeps."""
        both = self.use_bias and self.reset_after
        return *super().context(batch, dtype), self.bias[1] if both else None

    def update(self, x: Tensor, h: Tensor, states: States, context: Any) -> States:
        gate, n, u = self.recurrent_activation, self.units, self.recurrent_kernel
        if self.reset_after:
            x_z, x_r, x_n = ops.split(x, 3, axis=-1)
            h_z, h_r, h_n = ops.split(ops.dense(h, u, context[2]), 3, axis=-1)
            z, new = gate(x_z + h_z), self.activation(x_n + gate(x_r + h_r) * h_n)
        else:
            z, r = ops.split(gate(x[:, : 2 * n] + h @ u[:, : 2 * n]), 2, axis=-1)
            new = self.activation(x[:, 2 * n :] + (r * h) @ u[:, 2 * n :])
        return (z * states[0] + (1 - z) * new,)
