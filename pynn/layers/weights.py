"""The weights of a layer and of the layers in it: made, found, read and set."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pynn import _registry, checks, initializers, regularizers
from pynn._native import Tensor
from pynn._record import Record
from pynn.layers.host import gradients_from_arrays
from pynn.layers.replay import Changes, Replay
from pynn.tensor import Variable

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

Shape = tuple[int, ...]


class LayerState(Record, frozen=False):
    """What the base class knows about a layer, apart from the layer's own attributes."""

    name: str | None  # as given
    dtype: str | None  # as given, or adopted
    trainable: bool
    input_shape: Any  # a shape, or shapes in lists, tuples and dicts
    penalties: list[tuple[Callable[[Tensor], Tensor], Variable]]
    replay: Replay
    unique_name: str | None = None  # as a network gave it
    outputs: Any = None  # nodes like the last ones, alone or in lists, tuples and dicts
    built: bool = False
    revision: int = 0  # the count of changes at the last one

    def changed(self) -> None:
        """Note that the layer may compute something else from here on."""
        Changes.count += 1
        self.revision = Changes.count


class Weighted:
    """A name, a dtype and weights: the part of `Layer` that is not a function."""

    _state: LayerState

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
        for layer in self.walk():  # a frozen layer freezes what it is made of
            if layer._state.trainable != bool(value):
                layer._state.trainable = bool(value)
                layer._state.changed()

    @property
    def built(self) -> bool:
        return self._state.built

    def __str__(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

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

    def walk(self) -> Iterator[Self]:
        """Go through this layer and the layers in it, depth first, each once."""
        return (item for item in _traverse(self) if isinstance(item, Weighted))  # type: ignore[misc]

    @property
    def weights(self) -> list[Variable]:
        return [item for item in _traverse(self) if isinstance(item, Variable)]

    @property
    def parameters(self) -> list[Variable]:
        found = _traverse(self, only_trainable=True)
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
        return [weight.numpy().copy() for weight in self.weights]

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


def default_name(cls: type) -> str:
    """Name layers of a class: ``LeakyReLU`` is ``leaky_relu``."""
    return _registry.snake_case(cls.__name__).replace("re_lu", "relu")


@contextmanager
def unchanged_on_failure(layers: Iterable[Weighted]) -> Iterator[None]:
    """Give layers back their attributes when the block raises."""
    before = [(layer, dict(vars(layer)), layer._state.replaced()) for layer in layers]
    penalties = [len(state.penalties) for _, _, state in before]
    try:
        yield
    except BaseException:
        for (layer, attributes, state), count in zip(before, penalties, strict=True):
            vars(layer).clear()
            vars(layer).update(attributes, _state=state)
            del state.penalties[count:]
        raise


def _traverse(root: Any, only_trainable: bool = False) -> list[Weighted | Variable]:
    """Find layers and variables in attributes, lists, tuples and dicts, in order, each once."""
    found: dict[int, Weighted | Variable] = {}
    _visit(root, found, only_trainable)
    return list(found.values())


def _visit(item: Any, found: dict[int, Weighted | Variable], only_trainable: bool) -> None:
    inside: Iterable[Any] = item
    if isinstance(item, (Weighted, Variable)):
        if id(item) in found or (only_trainable and not item.trainable):
            return
        found[id(item)] = item
        if isinstance(item, Variable):
            return
        inside = vars(item).values()
    elif isinstance(item, dict):
        inside = item.values()
    for value in inside:
        # Most attributes are settings; every fit goes through them.
        if type(value) not in _PLAIN and isinstance(value, _HOLDERS):
            _visit(value, found, only_trainable)


_PLAIN = frozenset((int, float, str, bool, type(None), LayerState))
_HOLDERS = (Weighted, Variable, dict, list, tuple)
