"""One row through a small network, as a program does that calls it a million times."""

from __future__ import annotations

from benchmarks.networks import Mlp
from benchmarks.workload import AtMost, Workload

SMALL = Mlp((4, 64, 64, 2), activation="tanh", last="linear", loss="mse")
# How pynn is called. The peers have one way each, and take it in all rows.
_ENTRIES = {
    "net(row)": (AtMost(0.6e-6, "≤ 0.6 µs"),),
    "predict(row)": (),
    "frozen(row)": (AtMost(0.2e-6, "≤ 0.2 µs"),),
    "frozen(row, out=out)": (AtMost(0.2e-6, "≤ 0.2 µs"),),
}


def workloads() -> list[Workload]:
    """Return the workloads of inference."""
    return [
        Workload(
            f"one row through 4-64-64-2 tanh, {entry}",
            "inference",
            "one_row",
            {"network": SMALL, "entry": entry},
            goals=goals,
        )
        for entry, goals in _ENTRIES.items()
    ]
