"""All workloads, by group."""

from __future__ import annotations

from benchmarks.cases import (
    blocks,
    footprint,
    inference,
    kernels,
    load,
    networks,
    scaling,
    training,
)
from benchmarks.workload import Workload


def workloads(source: str, *, quick: bool) -> list[Workload]:
    """Return every workload, in the order of the table.

    Parameters
    ----------
    source : str
        The folder where `data.store_mnist` left the rows.
    quick : bool
        Whether sizes are tiny: to see that everything runs, not how fast.
    """
    return [
        *kernels.workloads(quick=quick),
        *training.workloads(source, quick=quick),
        *networks.workloads(quick=quick),
        *blocks.workloads(quick=quick),
        *inference.workloads(),
        *footprint.workloads(quick=quick),
        *load.workloads(quick=quick),
        *scaling.workloads(quick=quick),
    ]
