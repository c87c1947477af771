"""Recorded programs, kept for the next time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class ProgramCache(Generic[T]):
    """The most recently used programs by signature. Each holds memory, so there are only a few."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._programs: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, signature: Hashable, record: Callable[[], T]) -> T:
        """Return the program of this signature, recording it where there is none."""
        with self._lock:
            program = self._programs.get(signature)
            if program is not None:
                self._programs.move_to_end(signature)
                return program
        program = record()  # outside the lock: it may run user code
        with self._lock:
            self._programs[signature] = program
            while len(self._programs) > self._limit:
                self._programs.popitem(last=False)
        return program

    def __len__(self) -> int:
        return len(self._programs)

    def __reduce__(self) -> tuple[type[Self], tuple[int]]:
        return type(self), (self._limit,)  # a copy records its programs anew
