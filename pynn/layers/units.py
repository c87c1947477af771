"""SimpleRNN, LSTM and GRU: recurrent layers with a cell of their own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from pynn.layers.gated_cells import GRUCell, LSTMCell, SimpleRNNCell, UnitsCell
from pynn.layers.recurrent import RNN
from pynn.tensor import Variable


class Recurrent(RNN):
    """A recurrent layer with a cell of its own: it takes the cell's arguments and those of `RNN`.

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
    return_sequences, return_state, go_backwards, stateful : bool, default False
        See `RNN`, as for what a call takes.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as described, the inputs are no sequences, or `initial_state` or `mask`
        do not go with them.
    """

    cell: UnitsCell
    cell_class: ClassVar[type[UnitsCell]]

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        given = {n: v for n, v in arguments.items() if n not in ("self", "options", "__class__")}
        whole = inspect.signature(RNN.__init__).parameters
        own = {name: given.pop(name) for name in list(given) if name in whole}
        super().__init__(self.cell_class(**given), **own, **arguments["options"])

    def get_config(self) -> dict[str, Any]:
        own = [name for name in inspect.signature(RNN.__init__).parameters if hasattr(self, name)]
        config = self.cell.get_config() | super().get_config()
        config |= {name: getattr(self, name) for name in own}
        return {name: value for name, value in config.items() if name != "cell"}

    @property
    def units(self) -> int:
        return self.cell.units

    @property
    def kernel(self) -> Variable:
        return self.cell.kernel

    @property
    def recurrent_kernel(self) -> Variable:
        return self.cell.recurrent_kernel

    @property
    def bias(self) -> Variable:
        return self.cell.bias


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
    use_bias, ..., stateful, **options
        As for every `Recurrent` layer.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import SimpleRNN
    >>> layer = SimpleRNN(1, None, kernel_initializer="ones", recurrent_initializer="ones")
    >>> layer(np.array([[[1.0], [2.0], [3.0]]]))
    array([[6.]], dtype=float32)
    """

    cell_class = SimpleRNNCell

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
        stateful: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class LSTM(Recurrent):
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
    use_bias, ..., stateful, **options
        As for every `Recurrent` layer.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import LSTM
    >>> LSTM(8, return_sequences=True)(np.zeros((2, 5, 3))).shape
    (2, 5, 8)
    """

    cell_class = LSTMCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class GRU(Recurrent):
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
    use_bias, ..., stateful, **options
        As for every `Recurrent` layer.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn.layers import GRU
    >>> GRU(8)(np.zeros((2, 5, 3))).shape
    (2, 8)
    """

    cell_class = GRUCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        stateful: bool = False,
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(locals())
