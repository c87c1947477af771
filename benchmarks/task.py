"""What a peer prepares for a workload: something that can take a turn and show its results."""

from __future__ import annotations

import functools
import timeit
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Unsupported(Exception):
    """A peer has nothing to set against a workload; the message says why, if worth saying."""


class Task(Protocol):
    """One workload, ready to run on one peer."""

    def outputs(self) -> Sequence[NDArray[Any]]:
        """Return what must agree with the other peers' results."""
        ...

    def facts(self) -> dict[str, float]:
        """Return figures that belong beside the time, such as an accuracy."""
        ...

    def turn(self, seconds: float) -> float:
        """Run for about ``seconds``, but at least once; return the figure: less is better."""
        ...


class Timed:
    """A call that is timed: the figure is seconds per call.

    Parameters
    ----------
    function : callable
        Called as ``function(*arguments)``, positionally: the loop around it costs some 10 ns.
    *arguments
    named : mapping, optional
        Arguments that are passed by name.
    per : int, default 1
        What one call counts for: the figure is that part of its seconds.
    outputs : callable, optional
        Makes the results to compare. Default: what the first call returns.
    facts : callable, optional
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        named: Mapping[str, Any] | None = None,
        per: int = 1,
        outputs: Callable[[], Sequence[NDArray[Any]]] | None = None,
        facts: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        named = named or {}
        given = {f"a{i}": argument for i, argument in enumerate(arguments)}
        self._call: Callable[[], Any] = functools.partial(function, *arguments, **named)
        self._timer = timeit.Timer(
            f"run({', '.join([*given, *(f'{name}={name}' for name in named)])})",
            globals={"run": function, **given, **named},
        )
        self._per = per
        self._outputs = outputs
        self._facts = facts
        self._once = 0.0  # seconds of one call, once known

    def outputs(self) -> Sequence[NDArray[Any]]:
        """Return what must agree with the other peers' results."""
        if self._outputs is not None:
            return self._outputs()
        result = self._call()
        return [np.array(r) for r in (result if isinstance(result, (list, tuple)) else [result])]

    def facts(self) -> dict[str, float]:
        """Return figures that belong beside the time."""
        return {} if self._facts is None else self._facts()

    def turn(self, seconds: float) -> float:
        """Time as many calls as fit, after one that wakes threads and caches."""
        return self._seconds(seconds) / self._per

    def _seconds(self, seconds: float) -> float:
        if self._once == 0.0 or self._once < seconds / 10:
            self._once = self._timer.timeit(1)
            if self._once >= seconds:
                return self._once
        # Growing, so that a call of nanoseconds is not calibrated by one reading of the clock.
        count, taken = 1, self._once
        while taken < seconds / 10:
            count = max(2 * count, int(count * seconds / 5 / max(taken, 1e-7)))
            taken = self._timer.timeit(count)
            self._once = taken / count
        count = max(1, round(seconds / self._once))
        self._once = self._timer.timeit(count) / count
        return self._once


class Measured:
    """A figure that a function finds by itself."""

    def __init__(self, measure: Callable[[], float]) -> None:
        self._measure = measure

    def outputs(self) -> Sequence[NDArray[Any]]:
        """Return nothing: there is nothing to compare."""
        return []

    def facts(self) -> dict[str, float]:
        """Return nothing."""
        return {}

    def turn(self, seconds: float) -> float:
        """Measure once."""
        del seconds
        return self._measure()
