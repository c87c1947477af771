"""What is measured: a workload, and what pynn must reach on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Figures(Protocol):
    """What a goal looks at: best figures by peer, and the best peak of the same minutes."""

    @property
    def best(self) -> Mapping[str, float]:
        """Return the best figure of each peer."""
        ...

    @property
    def share_of_peak(self) -> float | None:
        """Return pynn's share of the peak."""
        ...


class Goal(Protocol):
    """What pynn must reach."""

    @property
    def text(self) -> str:
        """Say it in a few words."""
        ...

    def reached(self, figures: Figures) -> float | None:
        """Return what was reached, 1 or more where the goal is met; None where it can't be said."""
        ...


@dataclass(frozen=True)
class AtMost:
    """A figure no larger than ``limit``, which is seconds, bytes or a share."""

    limit: float
    text: str

    def reached(self, figures: Figures) -> float | None:
        """Return limit / figure."""
        own = figures.best.get("pynn")
        return None if own is None else self.limit / max(own, 1e-12)


@dataclass(frozen=True)
class Faster:
    """``factor`` times as fast as the fastest of some peers."""

    factor: float
    than: tuple[str, ...]

    @property
    def text(self) -> str:
        """Say it in a few words."""
        return f"≥ {self.factor:g}× {' and '.join(self.than)}"

    def reached(self, figures: Figures) -> float | None:
        """Return the ratio of times over the factor asked for."""
        own = figures.best.get("pynn")
        peers = [figures.best[p] for p in self.than if p in figures.best]
        return None if own is None or not peers else min(peers) / own / self.factor


@dataclass(frozen=True)
class ShareOfPeak:
    """A share of the rate of fused multiply-adds that the cores reach in the same minutes."""

    share: float

    @property
    def text(self) -> str:
        """Say it in a few words."""
        return f"≥ {100 * self.share:.0f} % of peak"

    def reached(self, figures: Figures) -> float | None:
        """Return the share over the share asked for."""
        return None if figures.share_of_peak is None else figures.share_of_peak / self.share


@dataclass(frozen=True)
class Curve:
    """A point of a scaling curve: a value on an axis, and the samples that one call takes."""

    axis: str
    value: float
    samples: int


@dataclass(frozen=True)
class Workload:
    """One row of the table.

    Parameters
    ----------
    name, group : str
    kind : str
        The method of a peer that prepares it; peers without it are left out.
    arguments : mapping
        What that method is called with; it crosses to another process.
    unit : {"s", "B", "%"}
        Of the figures: seconds, bytes, or a share. Less is better in all of them.
    flops : float, optional
        Floating-point operations of one call; results, for functions.
    bytes : float, optional
        What one call must at least read and write.
    dtype : str
        Which peak bounds the operations.
    goals : tuple of Goal
    without : tuple of str
        Peers for which the figure would say nothing.
    tolerance : float
        How far results may be from NumPy's, relative to the largest magnitude.
    patience : float
        Seconds after which a peer gets no further turn.
    curve : Curve, optional
        Where the figure stands in a plot of its own.
    """

    name: str
    group: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "s"
    flops: float | None = None
    bytes: float | None = None
    dtype: str = "float32"
    goals: tuple[Goal, ...] = ()
    without: tuple[str, ...] = ()
    tolerance: float = 1e-5
    patience: float = 10.0
    curve: Curve | None = None
