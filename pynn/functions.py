"""function: Python functions of tensors, recorded once for each kind of input and replayed."""

from __future__ import annotations

import functools
import os
import types
import warnings
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np

import pynn
from pynn._native import Body, Executable, Recorder, Tensor, is_idle
from pynn._record import Record
from pynn.layers.base import Layer
from pynn.layers.replay import program_dtype, structure, visible
from pynn.programs import ProgramCache
from pynn.structures import flatten, pack
from pynn.tensor import Variable, known_variable

__all__ = ["Function", "function"]

KEPT = 16  # programs of a function
RETRACES = 5  # recordings without a warning
_HOME = os.path.dirname(pynn.__file__)


class Result(Record):
    """What a recording returns."""

    structure: Any
    leaves: list[Any]  # in it: the dtype of each tensor, and what is no tensor
    tensors: list[bool]

    @classmethod
    def of(cls, result: Any) -> tuple[Result, list[Tensor]]:
        leaves = flatten(result)
        outputs = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        kept = [leaf.dtype if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        structure = pack(result, [None] * len(leaves))  # without the recording's tensors
        return cls(structure, kept, [isinstance(leaf, Tensor) for leaf in leaves]), outputs

    def filled(self, outputs: Iterator[Any]) -> Any:
        found = [
            Tensor(next(outputs), leaf) if tensor else leaf
            for leaf, tensor in zip(self.leaves, self.tensors, strict=True)
        ]
        return pack(self.structure, found)


class Replay(Record):
    """One recording that nothing follows."""

    program: Executable
    result: Result

    def run(self, arrays: list[Any]) -> Any:
        return self.result.filled(iter(self.program(*arrays)))


class Step(Record):
    """One recording, as a step that tapes remember."""

    body: Body
    closures: list[Tensor]  # what it reads beside its arguments
    assigned: list[Tensor]  # what gets the last outputs
    result: Result

    def run(self, arrays: list[Any]) -> Any:
        inputs = [leaf if isinstance(leaf, Tensor) else Tensor(leaf) for leaf in arrays]
        outputs = self.body(inputs, self.closures)
        count = len(outputs) - len(self.assigned)
        for target, value in zip(self.assigned, outputs[count:], strict=True):
            target.copy_from(value)
        return self.result.filled(iter(outputs[:count]))


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
        self._programs: ProgramCache[Replay | Step] = ProgramCache(KEPT)
        self._last: tuple[Hashable, ...] | None = None
        self.recordings = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if Recorder.current() is not None:  # part of what is being recorded
            return self._function(*args, **kwargs)
        leaves = flatten((args, kwargs))
        kinds = tuple(map(self._kind, leaves))
        shape = pack((args, kwargs), range(len(leaves)))
        signature = (repr(shape), kinds)
        followed = not is_idle()
        program = self._programs.get(
            (followed, *signature), lambda: self._record(args, kwargs, leaves, kinds, followed)
        )
        return program.run([leaf for leaf in leaves if _is_input(leaf)])

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
        self,
        args: Any,
        kwargs: Any,
        leaves: list[Any],
        kinds: tuple[Hashable, ...],
        followed: bool,
    ) -> Replay | Step:
        self._warn(kinds)
        with Recorder(training=self._training, body=followed, assigns=followed) as recorder:
            symbols = [_symbol(recorder, leaf, followed) for leaf in leaves]
            positional, named = pack((args, kwargs), symbols)
            try:
                value = self._function(*positional, **named)
            except TypeError as error:
                raise self._located(error) from error
            result, outputs = Result.of(value)
            if not followed:
                return Replay(recorder.compile(list(map(visible, outputs))), result)
            assigned = recorder.assigned
            body = Body(recorder, [*outputs, *(value for _, value in assigned)])
        targets = [target for target, _ in assigned]
        return Step(body, [_current(*closure) for closure in body.closures], targets, result)

    def _warn(self, kinds: tuple[Hashable, ...]) -> None:
        """Say so when the function is recorded again and again."""
        self.recordings += 1
        last, self._last = self._last, kinds
        if self.recordings <= RETRACES or last is None or last == kinds:
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
    is a new recording. Variables are read, and assigned, at each replay. For a `GradientTape` a
    call is one step, whose gradient is recorded and replayed as well. Inside another recording the
    Python code runs as if it were written there.

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


def _symbol(recorder: Recorder, leaf: Any, followed: bool) -> Any:
    """Return what stands for an argument in a recording."""
    if not _is_input(leaf):
        return leaf
    if followed:
        x = Tensor(leaf)
        return recorder.input(x.shape, x.dtype)
    dtype = str(leaf.dtype)
    return recorder.input(leaf.shape, program_dtype(dtype)).astype(dtype)


def _current(number: int, tensor: Tensor) -> Tensor:
    """Return the variable that a recording reads: whether tapes follow it may change."""
    variable = known_variable(number)
    return tensor if variable is None else variable
