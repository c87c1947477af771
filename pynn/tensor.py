"""Tensors, and variables: tensors that training changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pynn._native import Recorder, Tensor, is_trainable, set_trainable
from pynn._native.ops import index_add, index_put

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Tensor", "Variable"]

_variables: WeakValueDictionary[int, Variable] = WeakValueDictionary()  # by the number tapes know


class Variable(Tensor):
    """A tensor with a name whose values change in place: a weight, or an optimizer's state.

    Parameters
    ----------
    value : array_like
        Its first values; copied.
    dtype : str or numpy.dtype, optional
        Default: that of the value; Python floats are float32.
    name : str, optional
        What summaries and errors call it. Default: "variable".
    trainable : bool
        Whether optimizers are meant to change it, and gradient tapes follow it. Default: True.

    Attributes
    ----------
    gradient : numpy.ndarray or None
        What the last ``backward`` of a layer found.

    Raises
    ------
    TypeError
        If the value has a dtype that tensors do not hold.

    Examples
    --------
    >>> from pynn import Variable
    >>> w = Variable([1.0, 2.0], name="w")
    >>> w.assign_sub([0.5, 0.5])
    Variable([0.5 1.5], dtype=float32, name='w')
    >>> w * 2
    Tensor([1. 3.], dtype=float32)
    """

    name: str
    gradient: NDArray[Any] | None = None

    def __new__(
        cls,
        value: Any,
        dtype: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> Variable:
        self = super().__new__(cls, value, dtype, copy=True)
        self.name = "variable" if name is None else name
        self.trainable = trainable
        return self

    @property
    def trainable(self) -> bool:
        return is_trainable(self)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        _variables[set_trainable(self, bool(value))] = self

    def assign(self, value: Any) -> Variable:
        """Replace the values; while recording, at every replay from here on.

        Parameters
        ----------
        value : array_like
            Of the variable's shape; cast to its dtype.

        Returns
        -------
        Variable
            The variable itself.

        Raises
        ------
        ValueError
            If the shape is another one.
        """
        recorder = Recorder.current()
        if recorder is None:
            self.copy_from(value)
        else:
            recorder.assign(self, value)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add to the values: ``assign(self + value)``."""
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Variable:
        """Subtract from the values: ``assign(self - value)``."""
        return self.assign(self - value)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Replace ``self[key]``, any key that reads; the value broadcasts to its shape.

        Nothing else of the variable is touched. What was read from it by ints and slices is a view
        of its memory, as in NumPy, and sees the change; `copy` makes a tensor that doesn't.

        While recording, the store happens at every replay, as in `assign`. Where an array of ints
        names an element twice, the last value counts.
        """
        if Recorder.current() is None:
            self.copy_from(value, key)
        else:
            self.assign(index_put(self, key, value))

    def scatter_add(self, key: Any, value: Any) -> Variable:
        """Add to ``self[key]``, to an element that an array of ints names twice both values.

        In place: what the key does not name is not touched. ``v[key] += value`` adds to each
        element once. While recording, it happens at every replay, as in `assign`.

        Parameters
        ----------
        key : int, slice, array_like of int or bool, or a tuple of them
            Any key that reads.
        value : array_like
            Broadcasts to the shape of ``self[key]``; cast to the variable's dtype.

        Returns
        -------
        Variable
            The variable itself.

        Raises
        ------
        IndexError
            If the key names what there is not; nothing is changed then.
        ValueError
            If the value does not fit.

        Examples
        --------
        >>> from pynn import Variable
        >>> Variable([0.0, 0.0, 0.0]).scatter_add([0, 2, 2], [1.0, 2.0, 3.0])
        Variable([1. 0. 5.], dtype=float32, name='variable')
        """
        if Recorder.current() is None:
            self.copy_from(value, key, add=True)
            return self
        return self.assign(index_add(self, key, value))

    def __iadd__(self, value: Any, /) -> Variable:  # type: ignore[misc]
        return self.assign(self + value)

    def __isub__(self, value: Any, /) -> Variable:  # type: ignore[misc]
        return self.assign(self - value)

    def __imul__(self, value: Any, /) -> Variable:  # type: ignore[misc]
        return self.assign(self * value)

    def __itruediv__(self, value: Any, /) -> Variable:  # type: ignore[misc]
        return self.assign(self / value)

    def __ipow__(self, value: Any, mod: None = None, /) -> Variable:  # type: ignore[misc]
        return self.assign(self**value)

    def __repr__(self) -> str:
        values = super().__repr__().removeprefix("Tensor").removesuffix(")")
        return f"Variable{values}, name={self.name!r})"

    def __reduce__(self) -> tuple[type[Variable], tuple[Any, ...]]:
        return type(self), (self.numpy(), self.dtype, self.name, self.trainable)


def known_variable(number: int) -> Variable | None:
    """Return the variable that tapes know by this number, if it is still there."""
    return _variables.get(number)
