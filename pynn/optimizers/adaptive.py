"""Optimizers that scale each weight's step by the history of its gradient's size."""

from __future__ import annotations

from pynn import checks, ops
from pynn.optimizers.base import Optimizer, registry
from pynn.tensor import Tensor, Variable


@registry.register("rmsprop")
class RMSprop(Optimizer):
    """Gradient over its running root mean square.

    ``s ← ρ s + (1 - ρ) g²``, ``w ← w - η g / (√s + ε)``.

    ``centered`` divides by the running deviation instead: ``a ← ρ a + (1 - ρ) g``, ``√(s - a²) +
    ε``. With momentum μ, ``v ← μ v + g / (√s + ε)`` and ``w ← w - η v``. ε stands outside the root,
    as in PyTorch; Keras has it inside. (G. Hinton, lecture 6e of "Neural Networks for Machine
    Learning", 2012.)

    Parameters
    ----------
    learning_rate : float, default 0.001
    rho : float, default 0.9
        ρ from 0 to 1.
    momentum : float, default 0.0
        μ from 0 to 1.
    epsilon : float, default 1e-7
    centered : bool, default False
    weight_decay, clipvalue, clipnorm, global_clipnorm, name
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn import Variable
    >>> w = Variable([1.0])
    >>> RMSprop(learning_rate=0.1, rho=0.75).apply([w], [np.array([3.0])])
    >>> round(w.item(), 4)
    0.8
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipvalue: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipvalue, clipnorm, global_clipnorm, name)
        self._require("rho", 0 <= rho <= 1, "from 0 to 1", rho)
        self._require("momentum", 0 <= momentum <= 1, "from 0 to 1", momentum)
        self._require("epsilon", epsilon >= 0, "at least 0", epsilon)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = checks.flag(centered, f"{self.name}: centered")
        kept = {"mean_square": True, "mean": centered, "velocity": momentum > 0}
        self.slots = tuple(slot for slot, used in kept.items() if used)

    def update(self, variable: Variable, gradient: Tensor, *state: Variable) -> None:
        slots = dict(zip(self.slots, state, strict=True))
        mean_square = slots["mean_square"]
        mean_square.assign(self.rho * mean_square + (1.0 - self.rho) * ops.square(gradient))
        spread: Tensor = mean_square
        if self.centered:
            mean = slots["mean"]
            mean.assign(self.rho * mean + (1.0 - self.rho) * gradient)
            spread = ops.relu(mean_square - ops.square(mean))  # rounding can make it negative
        step = gradient / (ops.sqrt(spread) + self.epsilon)
        if self.momentum:
            slots["velocity"].assign(self.momentum * slots["velocity"] + step)
            step = slots["velocity"]
        variable.assign_sub(self.learning_rate * step)


@registry.register("adagrad")
class Adagrad(Optimizer):
    """Gradient over the root of the sum of all its squares.

    ``s ← s + g²``, ``w ← w - η g / (√s + ε)``.

    ε stands outside the root, as in PyTorch; Keras has it inside. (J. Duchi, E. Hazan, Y. Singer,
    "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011.)

    Parameters
    ----------
    learning_rate : float, default 0.001
    initial_accumulator_value : float, default 0.1
        s before the first step, at least 0.
    epsilon : float, default 1e-7
    weight_decay, clipvalue, clipnorm, global_clipnorm, name
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn import Variable
    >>> w = Variable([1.0])
    >>> Adagrad(learning_rate=0.5, initial_accumulator_value=0.0).apply([w], [np.array([3.0])])
    >>> round(w.item(), 4)
    0.5
    """

    slots = ("accumulator",)

    def __init__(
        self,
        learning_rate: float = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipvalue: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipvalue, clipnorm, global_clipnorm, name)
        start = initial_accumulator_value
        self._require("initial_accumulator_value", start >= 0, "at least 0", start)
        self._require("epsilon", epsilon >= 0, "at least 0", epsilon)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def initial_value(self, slot: str) -> float:
        return self.initial_accumulator_value

    def update(self, variable: Variable, gradient: Tensor, accumulator: Variable) -> None:
        accumulator.assign_add(ops.square(gradient))
        variable.assign_sub(self.learning_rate * gradient / (ops.sqrt(accumulator) + self.epsilon))
