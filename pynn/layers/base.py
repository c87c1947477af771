"""Layer: a tensor expression with weights. Networks are layers too."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import ArrayLike, NDArray

from pynn import _registry, checks, initializers, regularizers
from pynn._native import Recorder, Tensor
from pynn.layers.graph import Node
from pynn.layers.host import gradients_from_arrays, on_arrays, record_host
from pynn.layers.replay import Replay, numbers, program_dtype
from pynn.tensor import Variable

if TYPE_CHECKING:
    from typing_extensions import Self

Shape = tuple[int, ...]

_building = threading.RLock()  # the first calls from several threads build a layer once
_revisions = itertools.count(1)


@dataclass
class LayerState:
    """What the base class knows about a layer, apart from the layer's own attributes."""

    name: str | None  # as given
    dtype: str | None  # as given, or adopted
    trainable: bool
    input_shape: Shape | None
    unique_name: str | None = None  # as a network gave it
    output_shape: Shape | None = None
    built: bool = False
    penalties: list[tuple[Callable[[Tensor], Tensor], Variable]] = field(default_factory=list)
    replay: Replay = field(default_factory=Replay)
    revision: int = 0


class Layer:
    """A function of one tensor, with weights that training adjusts.

    A subclass writes ``forward`` as a tensor expression; the gradient follows from it and both run
    natively. Weights come from `add_weight`, most easily in ``build``, which is called with the
    shape of one sample before the first ``forward``. Weights and sublayers are found by attribute,
    also in lists, tuples and dicts, in the order in which they were assigned.

    A subclass that writes ``backward`` too has both called with NumPy arrays, as one
    step of the recorded program. ``backward(grad)`` takes the gradient of the loss with respect to
    the outputs and returns the one with respect to the inputs; it may set ``self.gradients`` to one
    array for each of ``self.parameters``. There the weights read as (writable) NumPy arrays.

    Called with NumPy arrays or lists, a layer gives NumPy arrays; called with tensors, tensors.

    Parameters
    ----------
    name : str or None, default None
        What errors and summaries call it; ``None`` takes it from the class.
    dtype : {"float32", "float64", "bfloat16"} or None, default None
        Type of weights, inputs and outputs; ``None`` is the network's, or float32.
    trainable : bool, default True
        Whether training changes its weights, and those of its sublayers.
    input_shape : int, tuple of int or None, default None
        Shape of one sample, without the batch axis; ``None`` takes it from the first input.

    Attributes
    ----------
    parameters : list of Variable
        The weights that training changes.
    gradients : list of numpy.ndarray
        One for each of `parameters`, after ``backward``.
    weights : list of Variable
        All weights.
    training : bool
        Inside ``forward``: whether it runs for training (dropout, say) or for prediction.

    Examples
    --------
    >>> import numpy as np
    >>> import pynn
    >>> class Swish(pynn.layers.Layer):
    ...     def forward(self, x):
    ...         return x * pynn.ops.sigmoid(x)
    >>> Swish()(np.zeros((1, 2)))
    array([[0., 0.]], dtype=float32)
    """

    autocast: ClassVar[bool] = True  # inputs are cast to the layer's dtype
    hosted: ClassVar[bool] = False  # forward and backward are NumPy code
    untracked: ClassVar[frozenset[str]] = frozenset(("_state", "name", "trainable", "gradients"))
    _state: LayerState

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "backward" in own:
            cls.hosted = True
            setattr(cls, "backward", on_arrays(own["backward"]))  # noqa: B010 - mypy: a method
        if "forward" in own:
            setattr(cls, "forward", _entered(own["forward"]))  # noqa: B010

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        input_shape: int | Sequence[int] | None = None,
    ) -> None:
        who = type(self).__name__
        if name is not None and (not isinstance(name, str) or not name):
            raise TypeError(f"{who}: name expects a string, got {name!r}")
        self._state = LayerState(
            name=name,
            dtype=None if dtype is None else checks.float_dtype(dtype, f"{who}: dtype"),
            trainable=bool(trainable),
            input_shape=None
            if input_shape is None
            else checks.sample_shape(input_shape, f"{who}: input_shape"),
        )

    # --- what subclasses write

    def build(self, input_shape: Shape) -> None:
        """Make the weights, knowing the shape of one sample. By default there are none."""

    def forward(self, x: Any, *, training: bool = False) -> Any:
        """Compute the outputs from the inputs ``x``, (batch, ...).

        Parameters
        ----------
        x : array_like or Tensor, (batch, ...), or one sample
            The inputs.
        training : bool, default False
            Whether layers such as dropout act as in training. In a recording it is the recording's.

        Returns
        -------
        numpy.ndarray or Tensor
            Whichever `x` was.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, x)")

    def backward(self, grad: Any) -> Any:
        """Propagate a gradient backwards through the last ``forward``, and fill `gradients`.

        Parameters
        ----------
        grad : array_like or Tensor, the shape of the outputs
            Gradient of the loss with respect to the outputs.

        Returns
        -------
        numpy.ndarray or Tensor
            Gradient with respect to the inputs.

        Raises
        ------
        RuntimeError
            If there was no ``forward`` before.
        ValueError
            If `grad` has not the outputs' shape.
        """
        return self._state.replay.backward(self, grad)

    def check_input(self, shape: Shape) -> None:
        """Raise ValueError where inputs of this shape, (batch, ...), cannot be meant."""

    # --- calls

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        if isinstance(x, Node):
            return Node(self._infer(x.shape), layer=self, inputs=(x,))
        return self.forward(x, training=training)

    def _record(self, forward: Callable[[Any, Any], Any], x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            x = Tensor(x)
        if self.autocast and x.dtype != self.dtype:
            x = x.astype(self.dtype)
        if x.ndim == 0:
            raise ValueError(f"{self} expects inputs of shape (batch, ...), got a scalar")
        self._ensure_built(x.shape[1:])
        self.check_input(x.shape)
        y = record_host(self, forward, x) if self.hosted else forward(self, x)
        if not isinstance(y, Tensor):
            raise TypeError(f"{self}: forward must return a tensor, got {type(y).__name__}")
        self._state.output_shape = tuple(y.shape[1:])
        return y

    def _ensure_built(self, shape: Shape) -> None:
        if self._state.built:
            return
        with _building:
            if self._state.built:
                return
            if self._state.input_shape not in (None, shape):
                raise ValueError(
                    f"{self} was declared with input_shape={self._state.input_shape}, "
                    f"got samples of shape {shape}"
                )
            with unchanged_on_failure([self]), Recorder.paused():
                self.build(shape)
                self._state.input_shape = tuple(shape)
                self._state.built = True

    def _infer(self, shape: Shape) -> Shape:
        """Build for samples of this shape and find the shape of one output."""
        with unchanged_on_failure(self.walk()), Recorder() as recorder:
            x = recorder.input((2, *shape), self.input_dtype("float32"))
            return tuple(self(x).shape[1:])

    def input_dtype(self, dtype: str) -> str:
        """Say as what type inputs that come as `dtype` enter a program."""
        return program_dtype(self.dtype) if self.autocast else dtype

    # --- weights

    def add_weight(
        self,
        name: str,
        shape: Sequence[int],
        initializer: Any = "glorot_uniform",
        regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> Variable:
        """Make a weight, to be kept as an attribute.

        Parameters
        ----------
        name : str
            Its name, such as ``"kernel"``.
        shape : sequence of int
            Its shape.
        initializer : str or callable, default "glorot_uniform"
            Where its first values come from.
        regularizer : str, callable or None, default None
            A penalty on it, added to the loss.
        trainable : bool, default True
            Whether training changes it.
        dtype : str or None, default None
            ``None`` is the layer's.

        Returns
        -------
        Variable
            The weight.
        """
        kind = self.dtype if dtype is None else dtype
        penalty = regularizers.get(regularizer)
        extents = tuple(checks.whole(n, f"{self}: every extent of {name}", 0) for n in shape)
        variable = Variable(
            initializers.get(initializer)(extents, kind), dtype=kind, name=name, trainable=trainable
        )
        if penalty is not None:
            self._state.penalties.append((penalty, variable))
        return variable

    def walk(self) -> Iterator[Layer]:
        """Go through this layer and the layers in it, depth first, each once."""
        return (item for item in _traverse(self, set()) if isinstance(item, Layer))

    @property
    def weights(self) -> list[Variable]:
        return [item for item in _traverse(self, set()) if isinstance(item, Variable)]

    @property
    def parameters(self) -> list[Variable]:
        found = _traverse(self, set(), only_trainable=True)
        return [item for item in found if isinstance(item, Variable) and item.trainable]

    @property
    def gradients(self) -> list[NDArray[Any]]:
        found = [(p, p.gradient) for p in self.parameters]
        missing = [p.name for p, gradient in found if gradient is None]
        if missing:
            raise RuntimeError(
                f"{self} has no gradient of {missing[0]!r} yet: call forward, then backward"
            )
        return [gradient for _, gradient in found if gradient is not None]

    @gradients.setter
    def gradients(self, arrays: Iterable[ArrayLike]) -> None:
        gradients_from_arrays(self, arrays)

    def get_weights(self) -> list[NDArray[Any]]:
        """Copy all weights, as a list of NumPy arrays: kernel before bias, layer by layer."""
        return [numbers(weight).copy() for weight in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order of `get_weights`.

        Raises
        ------
        ValueError
            If their number or a shape differs; then no weight has changed.
        TypeError
            If one is not of real numbers; then no weight has changed.
        """
        own = self.weights
        if len(weights) != len(own):
            hint = "" if self.built else "; it makes its weights when it first sees its input shape"
            raise ValueError(f"{self} has {len(own)} weights, got {len(weights)}{hint}")
        arrays = []
        for i, (variable, value) in enumerate(zip(own, weights, strict=True)):
            array = checks.as_array(value, f"{self}: weight {i} ({variable.name!r})")
            if array.shape != tuple(variable.shape):
                raise ValueError(
                    f"{self}: weight {i} ({variable.name!r}) has shape {tuple(variable.shape)}, "
                    f"got {array.shape}"
                )
            arrays.append(checks.stored(array, variable.dtype))
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """Count the numbers in all weights.

        Raises
        ------
        ValueError
            If the layer has no weights yet because it has not seen its input shape.
        """
        if not self.built:
            raise ValueError(f"{self} makes its weights when it first sees its input shape")
        return sum(math.prod(weight.shape) for weight in self.weights)

    def penalty(self) -> Tensor | None:
        """Sum the penalties of the regularizers in this layer, as a scalar tensor expression."""
        trained = {id(p) for p in self.parameters}
        terms = [
            regularizer(variable)
            for layer in self.walk()
            for regularizer, variable in layer._state.penalties
            if id(variable) in trained
        ]
        return functools.reduce(lambda a, b: a + b, terms) if terms else None

    # --- what it is

    @property
    def name(self) -> str:
        return self._state.name or self._state.unique_name or default_name(type(self))

    @name.setter
    def name(self, value: str) -> None:
        self._state.name = value

    @property
    def dtype(self) -> str:
        return self._state.dtype or "float32"

    @property
    def trainable(self) -> bool:
        return self._state.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._state.trainable = bool(value)

    @property
    def built(self) -> bool:
        return self._state.built

    @property
    def input_shape(self) -> Shape | None:
        return self._state.input_shape

    @property
    def output_shape(self) -> Shape | None:
        return self._state.output_shape

    @property
    def training(self) -> bool:
        recorder = Recorder.current()
        return self._state.replay.training if recorder is None else bool(recorder.training)

    def get_config(self) -> dict[str, Any]:
        """List the constructor's arguments, as far as the layer keeps them under their names."""
        arguments = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in arguments if hasattr(self, name)}

    def __str__(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    def __repr__(self) -> str:
        return f"<{self}: {self.input_shape} -> {self.output_shape}, {self.dtype}>"

    # --- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if self.hosted:
            weights = vars(self).setdefault("_weights", {})
            if isinstance(value, Variable):
                weights[name] = value
                return
            if name in weights:  # `self.w -= ...`, where self.w reads as an array
                if value is not None:
                    weights[name].assign(value)
                return
        elif name not in self.untracked and Recorder.current() is None:
            # A setting may change what forward means: what was recorded before is out of date.
            if "_state" in vars(self) and vars(self).get(name, self) is not value:
                self._state.revision = next(_revisions)
        object.__setattr__(self, name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "_state":
                who = type(self).__name__
                raise RuntimeError(f"{who}.__init__ must call super().__init__() first")
            if name in vars(self).get("_weights", ()):
                return vars(self)["_weights"][name].numpy()
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the recorded programs out of copies and pickles: they are recorded anew."""
        return {**vars(self), "_state": replace(self._state, replay=None)}  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._state.replay = Replay()

    def adopt_dtype(self, dtype: str) -> Self:
        """Take a network's dtype, in all layers that were given none and have no weights yet."""
        for layer in self.walk():
            if not layer.built and layer._state.dtype is None:
                layer._state.dtype = dtype
        return self


def default_name(cls: type) -> str:
    """Name layers of a class: ``LeakyReLU`` is ``leaky_relu``."""
    return _registry.snake_case(cls.__name__).replace("re_lu", "relu")


@contextmanager
def unchanged_on_failure(layers: Iterable[Layer]) -> Iterator[None]:
    """Give layers back their attributes when the block raises."""
    before = [(layer, dict(vars(layer)), replace(layer._state)) for layer in layers]
    penalties = [len(state.penalties) for _, _, state in before]
    try:
        yield
    except BaseException:
        for (layer, attributes, state), count in zip(before, penalties, strict=True):
            vars(layer).clear()
            vars(layer).update(attributes, _state=state)
            del state.penalties[count:]
        raise


def _entered(forward: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Wrap a subclass's forward: it is recorded, and replayed where it is called with numbers."""

    @functools.wraps(forward)
    def enter(self: Layer, x: Any, *, training: bool = False) -> Any:
        if Recorder.current() is not None:
            return self._record(forward, x)
        return self._state.replay.forward(self, forward, x, training)

    return enter


def _traverse(
    item: Any, seen: set[int], only_trainable: bool = False
) -> Iterator[Layer | Variable]:
    """Find layers and variables in attributes, lists, tuples and dicts, in order, each once."""
    if isinstance(item, (Layer, Variable)):
        if id(item) in seen or (only_trainable and not item.trainable):
            return
        seen.add(id(item))
        yield item
    inside: Iterable[Any]
    if isinstance(item, (Layer, dict)):
        inside = (vars(item) if isinstance(item, Layer) else item).values()
    elif isinstance(item, (list, tuple)):
        inside = item
    else:
        return
    for value in inside:
        if isinstance(value, (Layer, Variable, dict, list, tuple)):
            yield from _traverse(value, seen, only_trainable)
