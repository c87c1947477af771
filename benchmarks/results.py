"""Measured rows as JSON, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.machine import cpu_model
from benchmarks.runner import Row

FOLDER = Path(__file__).with_name("results")

Record = dict[str, Any]
"""One row, as it stands in a file."""


def record(row: Row, setting: Record) -> Record:
    """Return a row as plain data.

    Parameters
    ----------
    row : Row
    setting : dict
        What else belongs beside the figures: threads, versions, where the data came from.
    """
    workload = row.workload
    peak = {"best": max(row.peaks), "all": row.peaks} if row.peaks else None
    roof = {"limited by": row.roof[1], "share": row.share_of_roof} if row.roof else None
    goals = []
    for goal in workload.goals:
        reached = None if row.disturbed else goal.reached(row)
        goals.append({"text": goal.text, "reached": reached, "met": reached and reached >= 1})
    return {
        "workload": workload.name,
        "group": workload.group,
        "unit": workload.unit,
        "dtype": workload.dtype,
        "flops": workload.flops,
        "bytes": workload.bytes,
        "peak": peak,
        "bandwidth": max(row.bandwidths, default=None),
        "roof": roof,
        "curve": workload.curve and asdict(workload.curve),
        "figures": {
            label: {
                "best": row.best[label],
                "median": row.median[label],
                "all": turns,
                **row.facts.get(label, {}),
            }
            for label, turns in row.turns.items()
        },
        "absent": row.absent,
        "disturbed": row.disturbed,
        "goals": goals,
        **setting,
    }


def default_path(threads: int) -> Path:
    """Return where a full run of today is kept: by date, processor and threads."""
    processor = re.sub(r"[^a-z0-9]+", "-", cpu_model().lower()).strip("-")
    return FOLDER / f"{date.today().isoformat()}-{processor}-{threads}-threads.json"


def save(path: Path, machine: Record, records: Iterable[Record]) -> None:
    """Write rows to a file. Rows of the same workloads that it holds already are replaced."""
    rows = {r["workload"]: r for r in load(path)} if path.exists() else {}
    rows.update({r["workload"]: r for r in records})
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "rows": list(rows.values())}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> list[Record]:
    """Return the rows of a file."""
    rows: list[Record] = json.loads(path.read_text())["rows"]
    return rows


def machine(path: Path) -> Record:
    """Return what a file says of the machine."""
    said: Record = json.loads(path.read_text())["machine"]
    return said
