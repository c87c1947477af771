"""Rows as a picture: how many times pynn's figure each peer's is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Record


def draw(records: Sequence[Record], peers: Sequence[str], path: Path) -> None:
    """Draw a line a workload and a mark a peer, right of 1 where pynn is ahead, into a file.

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
    rows = [r for r in records if "pynn" in r["figures"] and len(r["figures"]) > 1][::-1]
    figure = Figure(figsize=(10, 1.5 + 0.22 * len(rows)), layout="constrained")
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
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": ""}):  # text stays text
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
