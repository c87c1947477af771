"""Rows as tables, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypeAlias

from benchmarks.results import Record

Table: TypeAlias = list[list[str]]
"""Lines of cells; the first is the head."""

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


def rows_tables(records: Sequence[Record], peers: Sequence[str]) -> list[Table]:
    """Return a table a group: best of the turns, and what part of pynn's speed each peer has.

    ``2.0×`` beside a peer's figure says that it is twice pynn's.
    """
    tables = []
    for group, rows in groupby(records, key=lambda r: r["group"]):
        members = list(rows)
        present = [p for p in peers if any(p in r["figures"] for r in members)]
        optional = {
            "of the roof": [_roof(r) for r in members],
            "target": [_verdict(r) for r in members],
        }
        shown = {head: cells for head, cells in optional.items() if any(cells)}
        body = []
        for i, r in enumerate(members):
            figures = {p: f["best"] for p, f in r["figures"].items()}
            cells = [_beside(p, figures, r["unit"]) for p in present]
            more = [column[i] or "–" for column in shown.values()]
            body.append([r["workload"], *cells, *more, ahead(figures)])
        tables.append([[group, *present, *shown, "pynn is"], *body])
    return tables


def goals_table(records: Iterable[Record]) -> Table:
    """Return what had to be reached and what was; nothing where there are no goals."""
    body = [["target", "", "pynn", "of the target", ""]]
    for r in records:
        own = r["figures"].get("pynn")
        for goal in r["goals"]:
            reached = goal["reached"]
            verdict = "–" if reached is None else "met" if goal["met"] else "missed"
            figure = amount(own["best"], r["unit"]) if own else "–"
            times = "–" if reached is None else f"{reached:.2f}×"
            body.append([r["workload"], goal["text"], figure, times, verdict])
    return body if len(body) > 1 else []


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
        return f"{times(ratio)} ahead of {label}"
    return f"{times(1 / max(ratio, 1e-12))} behind {label}"


def _beside(peer: str, figures: dict[str, float], unit: str) -> str:
    """Return a peer's figure, and how many times pynn's it is."""
    if peer not in figures:
        return "–"
    said = amount(figures[peer], unit)
    if peer == "pynn" or "pynn" not in figures:
        return said
    return f"{said} {times(figures[peer] / max(figures['pynn'], 1e-12))}"


def times(ratio: float) -> str:
    """Return a ratio with three digits, or all of a larger whole number.

    Examples
    --------
    >>> times(1.2345), times(1234.5)
    ('1.23×', '1,234×')
    """
    return f"{ratio:#.3g}×" if ratio < 100 else f"{ratio:,.0f}×"


def _roof(record: Record) -> str:
    """Return pynn's share of what arithmetic or memory allow, where that was measured."""
    roof = record.get("roof")
    if not roof or roof["share"] is None:
        return ""
    return f"{100 * roof['share']:.0f} % of {roof['limited by']}"


def _verdict(record: Record) -> str:
    """Return how many of a row's goals are met; nothing where there are none to judge."""
    judged = [goal["met"] for goal in record["goals"] if goal["reached"] is not None]
    if not judged:
        return "not judged" if record["goals"] else ""
    if len(set(judged)) == 1:
        return "met" if judged[0] else "missed"
    return f"{sum(judged)} of {len(judged)} met"


def plain(table: Table) -> str:
    """Return a table for the terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    last = len(widths) - 1

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    rule = "─" * (sum(widths) + 2 * last)
    return "\n".join([line(table[0]), rule, *map(line, table[1:])])


def markdown(table: Table) -> str:
    """Return a table for a page."""
    rule = ["---", *["--:"] * (len(table[0]) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [table[0], rule, *table[1:]])
