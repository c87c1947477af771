"""Load: how much longer a training step takes beside busy processes, or on too many threads."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.cases.training import WIDE
from benchmarks.networks import Mlp
from benchmarks.workload import AtMost, Goal, Workload


def workloads(*, quick: bool) -> list[Workload]:
    """Return the workloads under load. A figure is the time under load over that without."""
    network = Mlp((784, 32, 10)) if quick else WIDE
    steps = {"batch_size": 128, "steps": 1 if quick else 10, "seconds": 0.01 if quick else 0.2}

    def step(load: str, *goals: Goal, **arguments: Any) -> Workload:
        return Workload(
            f"step of 784-512-512-10 {load}, of the time without",
            "load",
            "loaded",
            {"network": network, **steps, **arguments},
            unit="%",
            goals=goals,
            without=("torch.compile", "scikit-learn"),
        )

    every = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        step("beside a busy process", AtMost(2.0, "≤ 200 %"), neighbours=1),
        step("beside a busy process on every processor", neighbours=every),
        step("on four threads a processor", crowd=4),
    ]
