"""Rows as pictures: all beside their peers, scaling curves, and kernels under the roofline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report import amount
from benchmarks.results import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(records: Sequence[Record], peers: Sequence[str], path: Path) -> list[Path]:
    """Draw what the rows allow, in files beside each other; return their paths.

    Raises
    ------
    ImportError
        matplotlib is missing; the message says how to get it.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("the plot needs matplotlib: pip install 'pynn-native[bench]'") from None
    curves = [r for r in records if r.get("curve")]
    rooted = [r for r in records if r.get("bandwidth") and "pynn" in r["figures"]]
    rows = [r for r in records if "pynn" in r["figures"] and len(r["figures"]) > 1]
    rows = [r for r in rows if r not in curves][::-1]
    drawn = []
    for name, wanted, size, fill in (
        ("", rows, (10, 1.5 + 0.22 * len(rows)), _ratios),
        ("-scaling", curves, (12, 4.5), _curves),
        ("-roofline", rooted, (10, 7), _roofline),
    ):
        if not wanted:
            continue
        figure = Figure(figsize=size, layout="constrained")
        fill(figure, wanted, peers)
        place = path.with_name(f"{path.stem}{name}{path.suffix}")
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": ""}):  # text stays text
            figure.savefig(place, metadata={"Date": None} if path.suffix == ".svg" else None)
        drawn.append(place)
    return drawn


def _ratios(figure: Figure, rows: Sequence[Record], peers: Sequence[str]) -> None:
    """Draw a line a workload and a mark a peer, right of 1 where pynn is ahead."""
    axes = figure.add_subplot()
    for peer in peers:
        if peer == "pynn":
            continue
        points = [
            (r["figures"][peer]["best"] / max(r["figures"]["pynn"]["best"], 1e-12), y)
            for y, r in enumerate(rows)
            if peer in r["figures"]
        ]
        if points:
            axes.plot(*zip(*points, strict=True), "o", markersize=4.5, label=peer)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [r["workload"] for r in rows], fontsize=7)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("figure of the peer / figure of pynn (right of the line: pynn is ahead)")
    axes.grid(axis="both", linewidth=0.3)
    figure.legend(loc="outside upper center", ncols=len(peers), fontsize=8)


def _curves(figure: Figure, rows: Sequence[Record], peers: Sequence[str]) -> None:
    """Draw time per sample over each axis, a line a peer."""
    names = list(dict.fromkeys(r["curve"]["axis"] for r in rows))
    lines: dict[str, Any] = {}
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        points = [r for r in rows if r["curve"]["axis"] == name]
        for i, peer in enumerate(peers):
            known = [
                (r["curve"]["value"], r["figures"][peer]["best"] / r["curve"]["samples"])
                for r in points
                if peer in r["figures"]
            ]
            if known:
                x, y = zip(*known, strict=True)
                lines[peer] = axes.loglog(x, np.multiply(y, 1e6), "o-", color=f"C{i}", ms=3)[0]
        axes.set_xlabel(name)
        axes.set_xscale("log", base=2)
        axes.grid(linewidth=0.3)
    figure.supylabel("µs a sample, training", fontsize=10)
    figure.legend(list(lines.values()), list(lines), loc="outside upper center", ncols=len(lines))


def _roofline(figure: Figure, rows: Sequence[Record], peers: Sequence[str]) -> None:
    """Draw pynn's kernels by operations a byte, under what arithmetic and memory allow."""
    del peers
    axes = figure.add_subplot()
    for i, group in enumerate(dict.fromkeys(r["group"] for r in rows)):
        members = [r for r in rows if r["group"] == group]
        x = [r["flops"] / r["bytes"] for r in members]
        y = [r["flops"] / r["figures"]["pynn"]["best"] * 1e-9 for r in members]
        axes.loglog(x, y, "o", color=f"C{i}", ms=4, label=group)
    low, high = axes.get_xlim()
    intensity = np.geomspace(low, high, 200)
    peaks = {r["dtype"]: r["peak"]["best"] for r in rows if r["peak"]}
    memory = sorted((r["bytes"], r["bandwidth"]) for r in rows)
    for size, rate in {memory[0], memory[len(memory) // 2], memory[-1]}:
        roof = np.minimum(rate * intensity, max(peaks.values(), default=np.inf)) * 1e-9
        axes.plot(intensity, roof, color="gray", linewidth=1)
        said = f"{rate * 1e-9:.0f} GB/s at {amount(size, 'B')}"
        axes.annotate(said, (low, roof[0]), fontsize=7, va="bottom")
    for dtype, rate in peaks.items():
        axes.axhline(rate * 1e-9, color="black", linewidth=0.7)
        axes.annotate(
            f"{dtype} {rate * 1e-9:.0f} GFLOP/s",
            (high, rate * 1e-9),
            fontsize=7,
            ha="right",
            va="bottom",
        )
    axes.set_xlabel("operations a byte (a function's result counts as one operation)")
    axes.set_ylabel("GFLOP/s of pynn")
    axes.grid(which="both", linewidth=0.2)
    axes.legend(fontsize=8)
