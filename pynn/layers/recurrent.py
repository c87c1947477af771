"""Recurrent layers: one step of a network, repeated along a sequence."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

from pynn import activations, checks, initializers, ops, regularizers
from pynn._native import Tensor
from pynn.control import scan
from pynn.layers.base import Layer
from pynn.layers.weights import Shape
from pynn.tensor import Variable

States = tuple[Tensor, ...]


class Recurrent(Layer):
    """What `SimpleRNN`, `LSTM` and `GRU` share: weights, and the loop over a sequence.

    The inputs of all steps are multiplied by ``W`` at once; what is left to the loop is products by
    ``U`` and pointwise work. A subclass writes `step`.

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
    return_sequences : bool, default False
        Whether the outputs of all steps are returned, or the last alone.
    return_state : bool, default False
        Whether the last states are returned after the outputs, as a tuple ``(y, h)`` or, of an
        `LSTM`, ``(y, h, c)``.
    go_backwards : bool, default False
        Whether the sequence is read from its end; outputs come in the order of reading.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as described, the inputs are no sequences, or `initial_state` or `mask`
        do not go with them.

    Notes
    -----
    A call takes, after the sequences, ``initial_state``, (batch, units) or a list of as many as
    there are states, by default zeros; and ``mask``, bool, (batch, time). Steps where it is false
    leave the states as they are and repeat the last output, at first zeros.
    """

    gates: ClassVar[int] = 1  # how many blocks of `units` columns the weights have
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        self.units = checks.whole(units, f"{who}: units")
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.dropout = checks.fraction(dropout, f"{who}: dropout")
        self.recurrent_dropout = checks.fraction(recurrent_dropout, f"{who}: recurrent_dropout")
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)

    def get_config(self) -> dict[str, Any]:
        shared = inspect.signature(Recurrent.__init__).parameters
        return super().get_config() | {n: getattr(self, n) for n in shared if hasattr(self, n)}

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 2:
            raise ValueError(
                f"{self} expects sequences of shape (batch, time, features), "
                f"got samples of shape {input_shape}"
            )
        columns = self.gates * self.units
        self.kernel = self.add_weight(
            "kernel", (input_shape[1], columns), self.kernel_initializer, self.kernel_regularizer
        )
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            (self.units, columns),
            self.recurrent_initializer,
            self.recurrent_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_bias()

    def add_bias(self) -> Variable:
        """Make the bias."""
        columns = self.gates * self.units
        return self.add_weight("bias", (columns,), self.bias_initializer, self.bias_regularizer)

    def check_input(self, shape: Shape) -> None:
        features = self.kernel.shape[0]
        if len(shape) != 3 or shape[2] != features or shape[1] == 0:
            raise ValueError(
                f"{self} expects sequences of {features} features, (batch, time, {features}), "
                f"got {shape}"
            )

    def step(self, states: States, gates: list[Tensor], h: Tensor, u: list[Tensor]) -> States:
        """Compute the next states, the output first.

        ``gates`` holds ``x W + b`` for each gate, (batch, units), and ``u`` its part of ``U``.
        ``h`` is the last output, with dropout, which goes through ``U``.
        """
        raise NotImplementedError

    def forward(
        self,
        x: Tensor,
        initial_state: Tensor | Sequence[Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        batch, time, features = x.shape
        shape = (batch, self.units)
        first = self._first_states(initial_state, shape, x.dtype)
        seen = None if mask is None else self._seen(mask, (batch, time))
        steps = x.transpose(1, 0, 2)  # (time, batch, features)
        if self.training and self.dropout > 0:
            steps = steps * self._kept((batch, features), self.dropout, x.dtype)
        inputs = [steps @ w + b for w, b in zip(*self._input_weights(), strict=True)]
        recurrent = self.per_gate(self.recurrent_kernel)
        drops = self.training and self.recurrent_dropout > 0
        kept = self._kept(shape, self.recurrent_dropout, x.dtype) if drops else None

        def body(carry: Any, row: Any) -> tuple[Any, Tensor | None]:
            (states, y), (gates, seen) = carry, row
            h = states[0] if kept is None else states[0] * kept
            after = self.step(states, gates, h, recurrent)
            output = after[0]
            if seen is not None:
                after = tuple(ops.where(seen, *both) for both in zip(after, states, strict=True))
                output = y = ops.where(seen, output, y)
            return (after, y), output if self.return_sequences else None

        # With a mask the last output is carried along: before the first step that is seen it is
        # zeros, whatever the first state.
        carry = (first, None if seen is None else ops.zeros(shape, dtype=x.dtype))
        (last, y), ys = scan(body, carry, (inputs, seen), reverse=self.go_backwards)
        if self.return_sequences:
            if self.go_backwards:  # the outputs come in the order in which they were computed
                ys = ops.flip(ys, 0)
            y = ys.transpose(1, 0, 2)
        elif seen is None:
            y = last[0]
        return (y, *last) if self.return_state else y

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """Return the mask of a sequence of outputs, in their order."""
        if mask is None or not self.return_sequences:
            return None
        return ops.flip(mask, 1) if self.go_backwards else mask

    def per_gate(self, weight: Tensor) -> list[Tensor]:
        """Cut a weight into its gates' columns."""
        n = self.units
        return [weight[..., k * n : (k + 1) * n] for k in range(self.gates)]

    def _input_weights(self) -> tuple[list[Tensor], list[Tensor | float]]:
        biases: list[Tensor | float] = [0.0] * self.gates
        if self.use_bias:
            biases = list(self.per_gate(self.bias if self.bias.ndim == 1 else self.bias[0]))
        return self.per_gate(self.kernel), biases

    def _first_states(
        self, given: Tensor | Sequence[Tensor] | None, shape: Shape, dtype: str
    ) -> States:
        if given is None:
            return tuple(ops.zeros(shape, dtype=dtype) for _ in range(self.states))
        states = tuple(given) if isinstance(given, (list, tuple)) else (given,)
        got = [_shape(state) for state in states]
        if got != [shape] * self.states:
            raise ValueError(
                f"{self}: initial_state expects {self.states} of shape (batch, units) = {shape}, "
                f"got {', '.join(map(str, got)) or 'none'}"
            )
        return tuple(state.astype(dtype) for state in states)

    def _seen(self, mask: Tensor, shape: Shape) -> Tensor:
        """Give a mask the shape (time, batch, 1)."""
        if _shape(mask) != shape:
            raise ValueError(
                f"{self}: mask expects shape (batch, time) = {shape}, got {_shape(mask)}"
            )
        seen = mask if mask.dtype == "bool" else ops.not_equal(mask, 0)
        return ops.expand_dims(seen.transpose(1, 0), -1)

    def _kept(self, shape: Shape, rate: float, dtype: str) -> Tensor:
        """Draw a dropout mask that holds for the whole sequence."""
        draws = "float64" if dtype == "float64" else "float32"
        kept = ops.random_uniform(shape, dtype=draws) >= rate
        factors: Tensor = kept.astype(dtype) / (1 - rate)
        return factors


class SimpleRNN(Recurrent):
    """``h = activation(x W + h U + b)`` at each step of a sequence.

    Inputs are (batch, time, features), outputs (batch, units), or (batch, time, units) with
    `return_sequences`. (J. Elman, "Finding structure in time", 1990.)

    Parameters
    ----------
    units : int
        Size of the state.
    activation : str, callable or None, default "tanh"
        What bounds the state.
    *arguments, **options
        As for every `Recurrent` layer: `use_bias`, initializers, regularizers, `dropout`,
        `recurrent_dropout`, `return_sequences`, `return_state`, `go_backwards`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SimpleRNN
    >>> layer = SimpleRNN(1, None, kernel_initializer="ones", recurrent_initializer="ones")
    >>> layer(np.array([[[1.0], [2.0], [3.0]]]))
    array([[6.]], dtype=float32)
    """

    def step(self, states: States, gates: list[Tensor], h: Tensor, u: list[Tensor]) -> States:
        return (self.activation(gates[0] + h @ u[0]),)


class Gated(Recurrent):
    """A recurrent layer whose gates have an activation of their own."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        **options: Any,
    ) -> None:
        super().__init__(units, activation, **options)
        self.recurrent_activation = activations.get(recurrent_activation)


class LSTM(Gated):
    """Long short-term memory: a cell ``c`` that gates write to, keep and read.

    ``i, f, o = σ(x W + h U + b)``, ``c = f c + i activation(x W + h U + b)``,
    ``h = o activation(c)``, where σ is `recurrent_activation` and each gate has its columns of the
    weights, in the order i, f, c, o. Inputs are (batch, time, features), outputs (batch, units), or
    (batch, time, units) with `return_sequences`. (S. Hochreiter, J.
    Schmidhuber, "Long short-term memory", 1997; F. Gers et al., "Learning to forget", 2000.)

    Parameters
    ----------
    units : int
        Size of ``h`` and ``c``.
    activation : str, callable or None, default "tanh"
        What bounds ``h`` and what enters ``c``.
    recurrent_activation : str, callable or None, default "sigmoid"
        That of the gates.
    unit_forget_bias : bool, default True
        Whether the bias of the gate f starts at 1, so that the cell keeps its value at first.
    **options
        As for every `Recurrent` layer: `use_bias`, initializers, regularizers, `dropout`,
        `recurrent_dropout`, `return_sequences`, `return_state`, `go_backwards`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import LSTM
    >>> LSTM(8, return_sequences=True)(np.zeros((2, 5, 3))).shape
    (2, 5, 8)
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
        self.unit_forget_bias = bool(unit_forget_bias)

    def add_bias(self) -> Variable:
        bias = super().add_bias()
        if self.unit_forget_bias:
            bias[self.units : 2 * self.units] = 1.0
        return bias

    def step(self, states: States, gates: list[Tensor], h: Tensor, u: list[Tensor]) -> States:
        i, f, new, o = (x + h @ w for x, w in zip(gates, u, strict=True))
        gate = self.recurrent_activation
        c = gate(f) * states[1] + gate(i) * self.activation(new)
        return gate(o) * self.activation(c), c


class GRU(Gated):
    """Gated recurrent unit: ``h = z h + (1 - z) n``.

    ``z, r = σ(x W + h U + b)`` and ``n = activation(x W + b + r (h U + b'))``, where σ is
    `recurrent_activation` and each gate has its columns of the weights, in the order z, r, n.
    Inputs are (batch, time, features), outputs (batch, units), or (batch, time, units) with
    `return_sequences`. (K. Cho et al., "Learning phrase representations
    using RNN encoder-decoder", 2014.)

    Parameters
    ----------
    units : int
        Size of the state.
    activation : str, callable or None, default "tanh"
        That of ``n``.
    recurrent_activation : str, callable or None, default "sigmoid"
        That of the gates.
    reset_after : bool, default True
        Whether ``r`` is multiplied by ``h U``, as above, where the bias has two rows, for ``x W``
        and for ``h U``; otherwise by ``h`` before.
    **options
        As for every `Recurrent` layer: `use_bias`, initializers, regularizers, `dropout`,
        `recurrent_dropout`, `return_sequences`, `return_state`, `go_backwards`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GRU
    >>> GRU(8)(np.zeros((2, 5, 3))).shape
    (2, 8)
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
        self.reset_after = bool(reset_after)

    def add_bias(self) -> Variable:
        if not self.reset_after:
            return super().add_bias()
        shape = (2, self.gates * self.units)
        return self.add_weight("bias", shape, self.bias_initializer, self.bias_regularizer)

    def step(self, states: States, gates: list[Tensor], h: Tensor, u: list[Tensor]) -> States:
        gate = self.recurrent_activation
        if self.reset_after:
            products = [h @ w for w in u]
            if self.use_bias:
                biases = self.per_gate(self.bias[1])
                products = [p + b for p, b in zip(products, biases, strict=True)]
            z, r = (gate(x + p) for x, p in zip(gates[:2], products[:2], strict=True))
            n = self.activation(gates[2] + r * products[2])
        else:
            z, r = (gate(x + h @ w) for x, w in zip(gates[:2], u[:2], strict=True))
            n = self.activation(gates[2] + (r * h) @ u[2])
        return (z * states[0] + (1 - z) * n,)


def _shape(x: Any) -> Any:
    """Give a tensor's shape; another value, which has none, as it is."""
    return tuple(x.shape) if isinstance(x, Tensor) else x
