"""Adam and its kin: momentum over a running root mean square, each from a corrected start."""

from __future__ import annotations

import math
from typing import Any

from pynn import checks, ops
from pynn.optimizers.base import Optimizer, registry
from pynn.tensor import Tensor, Variable


class _Moments(Optimizer):
    """What Adam and Nadam share: the running moments of the gradient.

    Kept are ``m / (1 - β₁)`` and ``v / (1 - β₂)``: their factors go into numbers that are computed
    once a step, which saves two operations on every element.
    """

    slots: tuple[str, ...] = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        weight_decay: float | None,
        clipvalue: float | None,
        clipnorm: float | None,
        global_clipnorm: float | None,
        name: str | None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipvalue, clipnorm, global_clipnorm, name)
        self._require("beta_1", 0 <= beta_1 < 1, "at least 0 and below 1", beta_1)
        self._require("beta_2", 0 <= beta_2 < 1, "at least 0 and below 1", beta_2)
        self._require("epsilon", epsilon >= 0, "at least 0", epsilon)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def corrected(self, beta: float) -> Tensor:
        """Return ``(1 - β) / (1 - βᵗ)`` in float64, accurate also where βᵗ is near 1."""
        logarithm = math.log(beta) if beta else -math.inf
        return (beta - 1.0) / ops.expm1(self.iterations.astype("float64") * logarithm)

    def average(self, gradient: Tensor, momentum: Variable, velocity: Variable) -> None:
        """Bring both running averages up to date."""
        momentum.assign(self.beta_1 * momentum + gradient)
        velocity.assign(self.beta_2 * velocity + ops.square(gradient))


@registry.register()
class Adam(_Moments):
    """Adaptive moments.

    ``m ← β₁ m + (1 - β₁) g``, ``v ← β₂ v + (1 - β₂) g²``,
    ``w ← w - η m̂ / (√v̂ + ε)`` with ``m̂ = m / (1 - β₁ᵗ)`` and ``v̂ = v / (1 - β₂ᵗ)``.

    ``amsgrad`` puts the largest v so far in place of v. ε is added to ``√v̂``, as in the paper and
    in PyTorch; Keras adds it to ``√v``. (D. Kingma, J. Ba, "Adam: A Method for Stochastic
    Optimization", 2015; S. Reddi, S. Kale, S. Kumar, "On the Convergence of Adam and Beyond",
    2018.)

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_1 : float, default 0.9
    beta_2 : float, default 0.999
    epsilon : float, default 1e-7
    amsgrad : bool, default False
    weight_decay, clipvalue, clipnorm, global_clipnorm, name
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn import Variable
    >>> w = Variable([1.0, 1.0])
    >>> Adam(learning_rate=0.25).apply([w], [np.array([3.0, -0.1])])  # the first step is η sign(g)
    >>> w.numpy().round(4).tolist()
    [0.75, 1.25]
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipvalue: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        clips = (clipvalue, clipnorm, global_clipnorm)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, *clips, name)
        self.amsgrad = checks.flag(amsgrad, f"{self.name}: amsgrad")
        if amsgrad:
            self.slots = (*self.slots, "largest")

    def scalars(self) -> dict[str, Tensor]:
        step = self.learning_rate * self.corrected(self.beta_1)
        return {"step": step, "correction": ops.sqrt(self.corrected(self.beta_2))}

    def update(
        self,
        variable: Variable,
        gradient: Tensor,
        momentum: Variable,
        velocity: Variable,
        *largest: Variable,
        step: Tensor,
        correction: Tensor,
    ) -> None:
        self.average(gradient, momentum, velocity)
        for maximum in largest:
            maximum.assign(ops.maximum(maximum, velocity))
            velocity = maximum
        variable.assign_sub(step * momentum / (ops.sqrt(velocity) * correction + self.epsilon))


@registry.register("adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay: before each step of `Adam`, ``w ← w (1 - λ η)``.

    (I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", 2019.)

    Parameters
    ----------
    learning_rate : float, default 0.001
    weight_decay : float, default 0.004
        λ. It is not scaled by anything but the learning rate.
    beta_1, beta_2, epsilon, amsgrad
        See `Adam`.
    clipvalue, clipnorm, global_clipnorm, name
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn import Variable
    >>> w = Variable([1.0])
    >>> AdamW(learning_rate=0.25, weight_decay=0.4).apply([w], [np.array([3.0])])
    >>> round(w.item(), 4)
    0.65
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipvalue: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        clips = (clipvalue, clipnorm, global_clipnorm)
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, *clips, name
        )


@registry.register()
class Nadam(_Moments):
    """Adam with Nesterov's momentum.

    With ``μₜ = β₁ (1 - 0.96^(ψ t) / 2)`` and ``Πₜ = μ₁ μ₂ … μₜ``,

    ``m̂ = μₜ₊₁ m / (1 - Πₜ₊₁) + (1 - μₜ) g / (1 - Πₜ)``, ``w ← w - η m̂ / (√v̂ + ε)``;

    m, v and v̂ are those of `Adam`. (T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016.)

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_1 : float, default 0.9
    beta_2 : float, default 0.999
    epsilon : float, default 1e-7
    momentum_decay : float, default 0.004
        ψ, as in the paper and in PyTorch; 1 gives Keras's schedule.
    weight_decay, clipvalue, clipnorm, global_clipnorm, name
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn import Variable
    >>> w = Variable([1.0])
    >>> Nadam(learning_rate=0.25).apply([w], [np.array([3.0])])
    >>> round(w.item(), 4)
    0.7359
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        momentum_decay: float = 0.004,
        weight_decay: float | None = None,
        clipvalue: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        clips = (clipvalue, clipnorm, global_clipnorm)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, *clips, name)
        self._require("momentum_decay", momentum_decay >= 0, "at least 0", momentum_decay)
        self.momentum_decay = momentum_decay
        self._product = self.add_scalar("momentum_product", 1.0)

    def scalars(self) -> dict[str, Tensor]:
        now, following = self._mu(0), self._mu(1)
        self._product.assign(self._product * now)
        scale = self.learning_rate * (1.0 - self.beta_1)
        ahead = scale * following / (1.0 - self._product * following)
        here = self.learning_rate * (1.0 - now) / (1.0 - self._product)
        correction = ops.sqrt(self.corrected(self.beta_2))
        return {"ahead": ahead, "here": here, "correction": correction}

    def _mu(self, ahead: int) -> Tensor:
        t = self.iterations.astype("float64") + float(ahead)
        return self.beta_1 * (1.0 - 0.5 * ops.exp(t * (math.log(0.96) * self.momentum_decay)))

    def update(
        self,
        variable: Variable,
        gradient: Tensor,
        momentum: Variable,
        velocity: Variable,
        **scalars: Any,
    ) -> None:
        self.average(gradient, momentum, velocity)
        step = scalars["ahead"] * momentum + scalars["here"] * gradient
        variable.assign_sub(step / (ops.sqrt(velocity) * scalars["correction"] + self.epsilon))
