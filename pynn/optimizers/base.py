"""Optimizer: one step of descent, written as tensor expressions and recorded with the network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import ops
from pynn._native import Executable, Recorder
from pynn._registry import Configurable, Registry
from pynn.programs import ProgramCache
from pynn.tensor import Tensor, Variable

if TYPE_CHECKING:
    import numpy.typing as npt


class Optimizer(Configurable):
    """Base class of optimizers.

    Each step, for every variable w with gradient g: g is clipped, w decays by ``w ← w (1 - λ η)``
    where ``weight_decay`` λ is given (η is the learning rate), then `update` is called.

    An optimizer of one's own names its state in ``slots`` and overrides `update` with tensor
    expressions, which are recorded once and replayed natively.

    Parameters
    ----------
    learning_rate : float, default 0.001
        η, at least 0. The attribute may be set at any time, also during training.
    weight_decay : float, optional
        λ, decoupled from the gradient: as in Keras, and as in PyTorch's AdamW (not its Adam).
    clipvalue : float, optional
        Elements of gradients are cut to [-clipvalue, clipvalue].
    clipnorm : float, optional
        Each variable's gradient is scaled down to at most this Euclidean norm.
    global_clipnorm : float, optional
        All gradients are scaled by one factor so that their joint norm is at most this.
    name : str, optional
        Default: the class name in lower case.

    Raises
    ------
    ValueError
        A value is out of its range, or more than one kind of clipping is asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from pynn import Variable
    >>> class Heavy(Optimizer):
    ...     slots = ("velocity",)
    ...     def update(self, variable, gradient, velocity):
    ...         velocity.assign(0.5 * velocity + gradient)
    ...         variable.assign_sub(self.learning_rate * velocity)
    >>> w = Variable([1.0, 2.0])
    >>> Heavy(learning_rate=0.5).apply([w], [np.array([1.0, 0.0])])
    >>> w.numpy().tolist()
    [0.5, 2.0]
    """

    slots: tuple[str, ...] = ()
    """Names of the state that `update` gets for each variable, in its shape and dtype."""

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float | None = None,
        clipvalue: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        self.name = type(self).__name__.lower() if name is None else name
        clips = {"clipvalue": clipvalue, "clipnorm": clipnorm, "global_clipnorm": global_clipnorm}
        given = [f"{key}={value}" for key, value in clips.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"{self.name}: only one kind of clipping can be used, got {', '.join(given)}"
            )
        for key, value in clips.items():
            self._require(key, value is None or value > 0, "positive", value)
        self._require(
            "weight_decay", weight_decay is None or weight_decay >= 0, "at least 0", weight_decay
        )
        self.weight_decay = weight_decay
        self.clipvalue = clipvalue
        self.clipnorm = clipnorm
        self.global_clipnorm = global_clipnorm

        self.iterations = self._number("iterations", 0, "int64")
        self._rate = self._number("learning_rate", 0.0)
        self._rate_now: Tensor | None = None  # while updates are being recorded
        self._extra: list[Variable] = []
        self._states: dict[int, tuple[Variable, tuple[Variable, ...]]] = {}  # by id of the variable
        self._programs: ProgramCache[Executable] = ProgramCache(8)
        self.learning_rate = learning_rate

    def update(self, variable: Variable, *args: Any, **scalars: Any) -> None:
        """Write one step of one variable: ``update(variable, gradient, *slots, **scalars)``.

        Called while a recording is active. `Variable.assign` and its kin store results; an
        expression that reads a variable after that sees the new value.

        Parameters
        ----------
        variable : Variable
        gradient : Tensor
            In the variable's shape and dtype.
        *slots : Variable
            One for each name in ``slots``.
        **scalars : Tensor
            What `scalars` returned, in the variable's dtype.
        """
        raise NotImplementedError(
            f"{type(self).__name__} defines no update(variable, gradient, ...)"
        )

    def scalars(self) -> dict[str, Tensor]:
        """Return numbers that all updates of a step share, by name, as float64 tensors."""
        return {}

    def initial_value(self, slot: str) -> float:
        """Return the number that fills a slot before the first step."""
        return 0.0

    @property
    def learning_rate(self) -> float:
        """η, a float; within `update` and `scalars` a tensor, so that later changes have effect."""
        if self._rate_now is not None:
            return self._rate_now  # type: ignore[return-value]
        return float(self._rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise TypeError(f"{self.name}: learning_rate expects a number, got {value!r}")
        rate = float(value)
        self._require("learning_rate", 0 <= rate < float("inf"), "finite and at least 0", rate)
        self._rate.assign(rate)

    @property
    def variables(self) -> list[Variable]:
        """All state: iterations, learning rate, further numbers, then slots by variable."""
        slots = (slot for _, state in self._states.values() for slot in state)
        return [self.iterations, self._rate, *self._extra, *slots]

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state of variables that have none yet."""
        for variable in variables:
            if id(variable) not in self._states:
                state = tuple(self._slot(variable, slot) for slot in self.slots)
                self._states[id(variable)] = (variable, state)

    def add_scalar(self, name: str, value: float) -> Variable:
        """Return a float64 number that is part of this optimizer's state."""
        self._extra.append(self._number(name, value))
        return self._extra[-1]

    def apply(
        self,
        variables: Sequence[Variable],
        gradients: Sequence[Tensor | npt.ArrayLike | None],
    ) -> None:
        """Make one step: clip, decay and update every variable that has a gradient.

        Recorded while a recording is active; otherwise recorded once for these variables and run.

        Parameters
        ----------
        variables : sequence of Variable
        gradients : sequence of Tensor or array_like or None
            Of the variables' shapes. A variable with None stays as it is.

        Raises
        ------
        ValueError
            Numbers of variables and gradients differ, or the shapes of one pair do.
        TypeError
            Something other than a `Variable` is to be updated.
        """
        pairs = self._pairs(variables, gradients)
        self.build(variable for variable, _ in pairs)
        if Recorder.current() is not None:
            self._record(pairs)
            return

        def record() -> Executable:
            with Recorder(training=True) as recorder:
                self._record([(v, recorder.input(v.shape, v.dtype)) for v, _ in pairs])
                return recorder.compile([])

        signature = (tuple(id(variable) for variable, _ in pairs), self.settings())
        self._programs.get(signature, record)(*(np.asarray(gradient) for _, gradient in pairs))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._states = {
            id(pair[0]): pair for pair in self._states.values()
        }  # copies have other ids

    def _record(self, pairs: list[tuple[Variable, Any]]) -> None:
        self.iterations.assign_add(1)
        pairs = self._clipped([(v, _as_gradient(g, v.dtype)) for v, g in pairs])
        try:
            self._rate_now = self._rate
            shared = {"learning_rate": self._rate, **self.scalars()}
            if self.weight_decay:
                shared["keep"] = 1.0 - self.weight_decay * self._rate
            by_dtype: dict[str, dict[str, Tensor]] = {}
            for variable, gradient in pairs:
                if variable.dtype not in by_dtype:
                    by_dtype[variable.dtype] = {
                        k: x.astype(variable.dtype) for k, x in shared.items()
                    }
                scalars = dict(by_dtype[variable.dtype])
                self._rate_now = scalars.pop("learning_rate")
                if self.weight_decay:
                    variable.assign(variable * scalars.pop("keep"))
                self.update(variable, gradient, *self._states[id(variable)][1], **scalars)
        finally:
            self._rate_now = None

    def _clipped(self, pairs: list[tuple[Variable, Any]]) -> list[tuple[Variable, Any]]:
        if self.clipvalue is not None:
            c = self.clipvalue
            return [(v, ops.maximum(ops.minimum(g, c), -c)) for v, g in pairs]
        if self.clipnorm is not None:
            return [(v, g * _shrink(ops.square(g).sum(), self.clipnorm)) for v, g in pairs]
        if self.global_clipnorm is not None:
            squares = (ops.square(g).sum().astype("float64") for _, g in pairs)
            factor = _shrink(
                sum(squares, start=ops.zeros((), dtype="float64")), self.global_clipnorm
            )
            return [(v, g * factor.astype(v.dtype)) for v, g in pairs]
        return pairs

    def _pairs(
        self, variables: Sequence[Variable], gradients: Sequence[Tensor | npt.ArrayLike | None]
    ) -> list[tuple[Variable, Any]]:
        if len(variables) != len(gradients):
            raise ValueError(
                f"{self.name}: {len(gradients)} gradients for {len(variables)} variables"
            )
        pairs: list[tuple[Variable, Any]] = []
        for variable, gradient in zip(variables, gradients, strict=True):
            if not isinstance(variable, Variable):
                raise TypeError(f"{self.name}: expected a Variable, got {type(variable).__name__}")
            if gradient is None:
                continue
            shape = gradient.shape if isinstance(gradient, Tensor) else np.shape(gradient)
            if tuple(shape) != variable.shape:
                raise ValueError(
                    f"{self.name}: gradient of {variable.name or 'a variable'!r} must have shape "
                    f"{variable.shape}, got {tuple(shape)}"
                )
            pairs.append((variable, gradient))
        return pairs

    def _slot(self, variable: Variable, slot: str) -> Variable:
        single = variable.dtype != "float64"
        value = (np.float32 if single else np.float64)(self.initial_value(slot))
        return Variable(
            np.broadcast_to(value, variable.shape),  # memory is filled once, by the copy
            dtype=variable.dtype,
            name=f"{variable.name}/{slot}",
            trainable=False,
        )

    def _number(self, name: str, value: float, dtype: str = "float64") -> Variable:
        return Variable(value, dtype=dtype, name=f"{self.name}/{name}", trainable=False)

    def _require(self, argument: str, met: bool, what: str, value: object) -> None:
        if not met:
            raise ValueError(f"{self.name}: {argument} must be {what}, got {value}")


def _as_gradient(gradient: Any, dtype: str) -> Tensor:
    tensor = gradient if isinstance(gradient, Tensor) else Tensor(np.asarray(gradient))
    return tensor if tensor.dtype == dtype else tensor.astype(dtype)


def _shrink(squares: Tensor, limit: float) -> Tensor:
    """Return the factor that brings a norm, given by its square, down to at most ``limit``."""
    return limit / ops.maximum(ops.sqrt(squares), limit)


registry: Registry[Optimizer] = Registry("optimizer", Optimizer)


def get(identifier: object) -> Optimizer:
    """Return an optimizer by name, object, class or configuration.

    Examples
    --------
    >>> get("adam").learning_rate
    0.001
    """
    return registry.get(identifier)
