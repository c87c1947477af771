"""Rows as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.results import Record

_STEPS = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "B": ((1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "%": ((0.01, "%"),),
}


def amount(value: float, unit: str) -> str:
    """Return a figure with three digits and the fitting prefix.

    Examples
    --------
    >>> amount(0.00123, "s"), amount(754e6, "B"), amount(0.5, "%")
    ('1.23 ms', '754 MB', '50 %')
    """
    value = float(f"{value:.3g}")
    scale, name = next((s for s in _STEPS[unit] if abs(value) >= s[0]), _STEPS[unit][-1])
    return f"{value / scale:#.3g}".rstrip(".") + f" {name}" if value else f"0 {name}"


def rows_table(records: Sequence[Record], peers: Sequence[str]) -> str:
    """Return all figures: best of the turns, and how far pynn is ahead of the best peer."""
    parts = []
    for group, rows in groupby(records, key=lambda r: r["group"]):
        members = list(rows)
        present = [p for p in peers if any(p in r["figures"] for r in members)]
        flops = any(r["share of peak"] for r in members)
        head = [group, *present, *(["of peak"] if flops else []), "pynn is"]
        body = []
        for r in members:
            figures = {p: f["best"] for p, f in r["figures"].items()}
            cells = [amount(figures[p], r["unit"]) if p in figures else "–" for p in present]
            share = r["share of peak"]
            cells += [f"{100 * share:.0f} %" if share else "–"] if flops else []
            body.append([r["workload"], *cells, ahead(figures)])
        parts.append(_table([head, *body]))
    return "\n\n".join(parts)


def goals_table(records: Iterable[Record]) -> str:
    """Return what had to be reached and what was."""
    body = [["target", "", "pynn", "of the target", ""]]
    for r in records:
        own = r["figures"].get("pynn")
        for goal in r["goals"]:
            reached = goal["reached"]
            verdict = "–" if reached is None else "met" if goal["met"] else "missed"
            figure = amount(own["best"], r["unit"]) if own else "–"
            times = "–" if reached is None else f"{reached:.2f}×"
            body.append([r["workload"], goal["text"], figure, times, verdict])
    return _table(body) if len(body) > 1 else ""


def absences(records: Sequence[Record]) -> str:
    """Return who could not take part in which row and why, and which rows say little."""
    lines = [
        f"{r['workload']}: {peer}: {why}" for r in records for peer, why in r["absent"].items()
    ]
    disturbed = [r["workload"] for r in records if r["disturbed"]]
    if disturbed:
        lines.append(f"not judged, as the cores were never free: {'; '.join(disturbed)}")
    return "\n".join(lines)


def ahead(figures: dict[str, float]) -> str:
    """Return how pynn's figure stands against the best peer's.

    Examples
    --------
    >>> ahead({"pynn": 1.0, "NumPy": 3.0, "JAX": 2.0})
    '2.00× ahead of JAX'
    """
    peers = {p: f for p, f in figures.items() if p != "pynn"}
    if "pynn" not in figures or not peers:
        return "–"
    label, best = min(peers.items(), key=lambda item: item[1])
    ratio = best / max(figures["pynn"], 1e-12)
    if ratio >= 1:
        return f"{ratio:.2f}× ahead of {label}"
    return f"{1 / max(ratio, 1e-12):.2f}× behind {label}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    rule = "─" * (sum(widths) + 2 * last)
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:])])
