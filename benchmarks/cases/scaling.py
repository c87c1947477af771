"""How the time of a sample changes with batch size, width and depth."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.networks import Mlp
from benchmarks.workload import Curve, Workload

# The axis, its values, the network and the batch size at a value.
_CURVES: list[tuple[str, list[int], Callable[[int], Mlp], Callable[[int], int]]] = [
    ("batch size", [4**i for i in range(8)], lambda _: Mlp((64, 256, 256, 10)), lambda n: n),
    ("width", [2**i for i in range(3, 13)], lambda n: Mlp((64, n, n, 10)), lambda _: 128),
    ("depth", [2**i for i in range(6)], lambda n: Mlp((64, *[64] * n, 10)), lambda _: 128),
]


def workloads(*, quick: bool) -> list[Workload]:
    """Return the points of the curves: an epoch over some rows at each."""
    made = []
    for axis, values, network_at, batch_at in _CURVES:
        for value in values:
            network, batch_size = network_at(8 if quick else value), batch_at(value)
            rows = 16 if quick else _rows(network, batch_size)
            made.append(
                Workload(
                    f"{axis} {value:,}",
                    "scaling",
                    "train",
                    {"network": network, "source": rows, "batch_size": min(batch_size, rows)},
                    flops=network.training_flops(rows),
                    without=("NumPy told", "torch.compile"),
                    # One gradient of 10⁻⁷ that rounds to the other side, times Adam's first steps.
                    tolerance=1e-2,
                    curve=Curve(axis, value, rows),
                )
            )
    return made


def _rows(network: Mlp, batch_size: int) -> int:
    """Return at least two batches; else 4,096 rows, or fewer for networks that take seconds."""
    affordable = int(1e11 / network.training_flops(1))
    return max(2 * batch_size, min(4096, affordable))
