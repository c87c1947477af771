"""function: Python functions of tensors, recorded once for each kind of input and replayed."""

from __future__ import annotations

import functools
import os
import types
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

import pynn
from pynn._native import Executable, Recorder, Tensor, is_idle
from pynn.layers.base import Layer
from pynn.layers.replay import program_dtype, structure, visible
from pynn.programs import ProgramCache
from pynn.structures import flatten, pack
from pynn.tensor import Variable

__all__ = ["Function", "function"]

KEPT = 16  # programs of a function
RETRACES = 5  # recordings without a warning
_HOME = os.path.dirname(pynn.__file__)


@dataclass(frozen=True)
class Recording:
    """One recording: the program and what it returns."""

    program: Executable
    result: Any  # the structure
    leaves: list[Any]  # in it: the dtype of each tensor, and what is no tensor
    tensors: list[bool]

    def replay(self, arrays: list[Any]) -> Any:
        outputs = iter(self.program(*arrays))
        found = [
            Tensor(next(outputs), leaf) if tensor else leaf
            for leaf, tensor in zip(self.leaves, self.tensors, strict=True)
        ]
        return pack(self.result, found)


class Function:
    """What `function` makes of a Python function.

    Attributes
    ----------
    recordings : int
        How often the function was recorded.
    """

    def __init__(self, python_function: Callable[..., Any], training: bool = False) -> None:
        if not callable(python_function):
            raise TypeError(f"function expects a function of tensors, got {python_function!r}")
        functools.update_wrapper(self, python_function)
        self._function = python_function
        self._training = bool(training)
        self._programs: ProgramCache[Recording] = ProgramCache(KEPT)
        self._last: tuple[Hashable, ...] | None = None
        self.recordings = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not is_idle():  # part of what is being recorded, or followed by a tape
            return self._function(*args, **kwargs)
        leaves = flatten((args, kwargs))
        kinds = tuple(map(self._kind, leaves))
        shape = pack((args, kwargs), range(len(leaves)))
        signature = (repr(shape), kinds)
        recording = self._programs.get(signature, lambda: self._record(args, kwargs, leaves, kinds))
        return recording.replay([leaf for leaf in leaves if _is_input(leaf)])

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<pynn.function {self.__name__}>"  # type: ignore[attr-defined]

    def _kind(self, leaf: Any) -> Hashable:
        """Identify an argument: a tensor by its type, anything else by its value."""
        if _is_input(leaf):
            return "tensor", tuple(leaf.shape), str(leaf.dtype)
        if isinstance(leaf, Layer):
            return leaf, structure(leaf)
        if isinstance(leaf, Variable):
            return Variable, id(leaf)
        try:
            hash(leaf)
        except TypeError:
            raise TypeError(
                f"{self!r}: arguments are tensors, arrays or values that can be hashed, got "
                f"{type(leaf).__name__}"
            ) from None
        return type(leaf), leaf

    def _record(
        self, args: Any, kwargs: Any, leaves: list[Any], kinds: tuple[Hashable, ...]
    ) -> Recording:
        self._warn(kinds)
        with Recorder(training=self._training) as recorder:
            symbols = [
                recorder.input(leaf.shape, program_dtype(str(leaf.dtype))).astype(str(leaf.dtype))
                if _is_input(leaf)
                else leaf
                for leaf in leaves
            ]
            positional, named = pack((args, kwargs), symbols)
            try:
                result = self._function(*positional, **named)
            except TypeError as error:
                raise self._located(error) from error
            found = flatten(result)
            tensors = [isinstance(leaf, Tensor) for leaf in found]
            outputs = [visible(leaf) for leaf in found if isinstance(leaf, Tensor)]
            program = recorder.compile(outputs)
        values = [leaf.dtype if isinstance(leaf, Tensor) else leaf for leaf in found]
        return Recording(program, _emptied(result), values, tensors)

    def _warn(self, kinds: tuple[Hashable, ...]) -> None:
        """Say so when the function is recorded again and again."""
        self.recordings += 1
        last, self._last = self._last, kinds
        if self.recordings <= RETRACES or last is None:
            return
        pairs = zip(last, kinds, strict=False)
        changed = next((f"{a!r} became {b!r}" for a, b in pairs if a != b), "their number changed")
        warnings.warn(
            f"{self!r} was recorded {self.recordings} times, which is slow: each new shape, dtype "
            f"or Python value among the arguments takes a recording. Last, {changed}. Pass numbers "
            "that change as tensors, and keep shapes the same",
            UserWarning,
            stacklevel=4,
        )

    def _located(self, error: TypeError) -> TypeError:
        """Name the line that asked a tensor for values it does not have yet."""
        if "no values yet" not in str(error):
            return error
        place, traceback = "", error.__traceback__
        while traceback is not None:
            file = traceback.tb_frame.f_code.co_filename
            if not file.startswith(_HOME):
                place = f"{file}, line {traceback.tb_lineno}: "
            traceback = traceback.tb_next
        return TypeError(f"{place}{error}")


def function(python_function: Callable[..., Any] | None = None, *, training: bool = False) -> Any:
    """Make a function of tensors run natively: recorded once for each kind of arguments.

    A call whose tensors have shapes and dtypes that were seen before replays the recorded program;
    the Python code does not run. Other arguments are constants of the program, and a new value
    is a new recording. Variables are read, and assigned, at each replay. Inside another recording
    and under a `GradientTape` the Python code runs as if it were written there.

    Parameters
    ----------
    python_function : callable
        It takes and returns tensors, arrays, Python values, and lists, tuples and dicts of them. It
        may branch on shapes and Python values, on values of tensors by `cond` and `scan`.
    training : bool, default False
        Whether layers such as dropout act as in training.

    Returns
    -------
    Function
        The function, or without `python_function` a decorator. It returns `Tensor` objects.

    Raises
    ------
    TypeError
        When called, if the function asks a tensor for its values (``float(x)``, ``if x:``), with
        the file and line; or if an argument cannot be hashed.

    Warns
    -----
    UserWarning
        When it was recorded more than five times.

    Examples
    --------
    >>> import pynn
    >>> @pynn.function
    ... def smooth(x, weight=0.5):
    ...     return x * weight + 1.0
    >>> smooth(pynn.Tensor([2.0, 4.0]))
    Tensor([2. 3.], dtype=float32)
    >>> smooth(pynn.Tensor([6.0, 8.0])), smooth.recordings
    (Tensor([4. 5.], dtype=float32), 1)
    """
    if python_function is None:
        return functools.partial(function, training=training)
    return Function(python_function, training)


def _is_input(leaf: Any) -> bool:
    return isinstance(leaf, (np.ndarray, Tensor)) and not isinstance(leaf, Variable)


def _emptied(result: Any) -> Any:
    """Keep the structure without the recording's tensors."""
    return pack(result, [None] * len(flatten(result)))
