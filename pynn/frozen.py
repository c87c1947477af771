"""What a frozen network runs: a copy of it that nobody trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import batches, checks
from pynn._native import Executable, Recorder
from pynn._record import Record
from pynn.layers import nested
from pynn.layers.arguments import is_shape, mapped_shapes
from pynn.layers.replay import visible
from pynn.programs import ProgramCache
from pynn.random import fresh_key

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from pynn.network import Network

IDLE = 8  # executables for a number of rows that wait for a call
MOST_ROWS = 1024  # at once: what they compute stays in cache


class Snapshot(Record):
    """A network as it was: records its forward pass for any number of rows."""

    network: Network
    shapes: list[tuple[int, ...]]  # of one sample of each input
    dtypes: list[str]

    @classmethod
    def of(cls, network: Network) -> Self:
        import copy  # needed here only

        alone = copy.copy(network)
        for name in ("loss", "optimizer", "metrics", "history"):
            vars(alone).pop(name, None)
        alone = copy.deepcopy(alone)
        shapes: list[tuple[int, ...]] = []
        mapped_shapes(shapes.append, alone.input_shape)
        return cls(alone, shapes, [alone.input_dtype("float32", i) for i in range(len(shapes))])

    def __call__(self, rows: int) -> Executable:
        with Recorder() as recorder:
            kinds = zip(self.shapes, self.dtypes, strict=True)
            xs = iter([recorder.input((rows, *shape), dtype) for shape, dtype in kinds])
            y = self.network.forward(mapped_shapes(lambda _: next(xs), self.network.input_shape))
            return recorder.compile([visible(part) for part in nested.tensors(y)], constant=True)

    def __str__(self) -> str:
        return str(self.network)


class FrozenGraph:
    """A network of several inputs or outputs without training, from `Network.freeze`.

    ``run(a, b)`` takes the inputs in order, ``run([a, b])`` in the network's structure or as a dict
    by their names: one sample of each, or a batch. It returns arrays in the structure of the
    outputs; with ``out=``, arrays in that structure, it writes there and returns ``out``. Threads
    may call it at the same time.

    Parameters
    ----------
    snapshot : Snapshot
        Records the network for a number of rows.

    Attributes
    ----------
    input_shape, output_shape : tuple, list or dict of tuple of int
        Shapes of one sample, in the structures of the inputs and outputs.

    Raises
    ------
    ValueError
        If a shape, or the dtype of `out`, is another.
    TypeError
        If there are too few or too many inputs, or they are no numbers.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._idle: ProgramCache[list[Executable]] = ProgramCache(16)
        self._idle.get(1, list).append(snapshot(1))
        self.input_shape = snapshot.network.input_shape
        self.output_shape = snapshot.network.output_shape

    def __call__(self, *inputs: Any, out: Any = None) -> Any:
        arrays, single = self._read(inputs)
        found = self._computed(arrays)
        if single:
            found = [y[0] for y in found]
        if out is None:
            return nested.filled(self._snapshot.network._state.outputs, found)
        names = self._snapshot.network.output_names
        targets = batches.parts(out, self.output_shape, names, "out")
        for target, y, name in zip(targets, found, names, strict=True):
            kind = (getattr(target, "shape", None), getattr(target, "dtype", None))
            if not isinstance(target, np.ndarray) or kind != (y.shape, y.dtype):
                raise ValueError(
                    f"{self._snapshot}: out {name!r} expects an array of shape {y.shape} and dtype "
                    f"{y.dtype}, got {kind[0]} and {kind[1]}"
                )
        for target, y in zip(targets, found, strict=True):
            target[...] = y
        return out

    def __repr__(self) -> str:
        return f"<frozen {self._snapshot}: {self.input_shape} -> {self.output_shape}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._snapshot,)

    def _read(self, inputs: tuple[Any, ...]) -> tuple[list[NDArray[Any]], bool]:
        """Check the inputs and lay them out as batches; say whether they were single samples."""
        snapshot = self._snapshot
        shapes, names = snapshot.shapes, snapshot.network.input_names
        given = list(inputs)
        if len(given) == 1 and not is_shape(self.input_shape):
            given = batches.parts(given[0], self.input_shape, names, str(snapshot))
        elif len(given) != len(shapes):
            raise TypeError(f"{snapshot}, frozen, takes {len(shapes)} arrays, got {len(given)}")
        arrays = [
            checks.stored(checks.as_array(x, f"{snapshot}: {name!r}"), dtype)
            for x, name, dtype in zip(given, names, snapshot.dtypes, strict=True)
        ]
        single = arrays[0].ndim == len(shapes[0])
        rows = arrays[0].shape[:1]
        for array, shape, name in zip(arrays, shapes, names, strict=True):
            if array.shape != (shape if single else (*rows, *shape)) or array.size == 0:
                raise ValueError(
                    f"{snapshot} expects {name!r} as one sample of shape {shape} or a batch of "
                    f"them, like the other inputs, got {array.shape}"
                )
        return [array[np.newaxis] for array in arrays] if single else arrays, single

    def _computed(self, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        rows = len(arrays[0])
        if rows <= MOST_ROWS:
            return self._run(arrays)
        pieces = [
            self._run([array[i : i + MOST_ROWS] for array in arrays])
            for i in range(0, rows, MOST_ROWS)
        ]
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    def _run(self, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Borrow an executable that no other call has."""
        idle = self._idle.get(len(arrays[0]), list)
        try:
            executable = idle.pop()
        except IndexError:
            executable = self._snapshot(len(arrays[0]))
        try:
            return executable(*arrays, key=fresh_key() if executable.random else 0)
        finally:
            if len(idle) < IDLE:
                idle.append(executable)
