"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from pynn import checks
from pynn.optimizers.base import Optimizer, registry
from pynn.tensor import Tensor, Variable


@registry.register("sgd")
class SGD(Optimizer):
    """Gradient descent, with momentum μ if wanted.

    ``v ← μ v + g``, ``w ← w - η v``; Nesterov's form looks ahead, ``w ← w - η (g + μ v)``.

    This is PyTorch's form: η multiplies the whole step. Keras keeps η inside v, which is the same
    as long as η does not change. (Y. Nesterov, 1983; I. Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013.)

    Parameters
    ----------
    learning_rate : float, default 0.01
    momentum : float, default 0.0
        μ from 0 to 1.
    nesterov : bool, default False
    weight_decay, clipvalue, clipnorm, global_clipnorm, name
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn import Variable
    >>> w = Variable([1.0, 2.0])
    >>> SGD(learning_rate=0.5).apply([w], [np.array([1.0, 2.0])])
    >>> w.numpy().tolist()
    [0.5, 1.0]
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipvalue: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipvalue, clipnorm, global_clipnorm, name)
        self._require("momentum", 0 <= momentum <= 1, "from 0 to 1", momentum)
        self.momentum = momentum
        self.nesterov = checks.flag(nesterov, f"{self.name}: nesterov")
        self.slots = ("velocity",) if momentum else ()

    def update(self, variable: Variable, gradient: Tensor, *slots: Variable, **_: Any) -> None:
        step = gradient
        for velocity in slots:
            velocity.assign(self.momentum * velocity + gradient)
            step = gradient + self.momentum * velocity if self.nesterov else velocity
        variable.assign_sub(self.learning_rate * step)
