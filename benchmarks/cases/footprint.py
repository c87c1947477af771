"""What it costs to have the package: import, disk, memory, idle threads."""

from __future__ import annotations

from benchmarks.cases.training import WIDE
from benchmarks.networks import Mlp
from benchmarks.workload import AtMost, Workload


def workloads(*, quick: bool) -> list[Workload]:
    """Return the workloads of the footprint."""
    busy = Mlp((784, 32, 10)) if quick else WIDE
    return [
        Workload(
            "import, above NumPy's own",
            "footprint",
            "import_seconds",
            without=("NumPy",),
            goals=(AtMost(0.030, "≤ 30 ms"),),
        ),
        Workload(
            "installed size, without NumPy",
            "footprint",
            "installed_bytes",
            without=("NumPy",),
            unit="B",
            goals=(AtMost(5e6, "≤ 5 MB"),),
        ),
        Workload(
            "resident memory after import, above NumPy's",
            "footprint",
            "resident_bytes",
            without=("NumPy",),
            unit="B",
            goals=(AtMost(8e6, "≤ 8 MB"),),
        ),
        Workload(
            "idle CPU from 1 ms after work on, of one core",
            "footprint",
            "idle_cpu",
            {"network": busy},
            unit="%",
            # Waking up to look at the clock is itself some hundredths of a per cent.
            goals=(AtMost(0.001, "≤ 0.1 %"),),
        ),
    ]
