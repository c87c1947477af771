"""Networks that nobody tuned for: an epoch of each, on made rows."""

from __future__ import annotations

from benchmarks.networks import Mlp
from benchmarks.workload import Workload

# What is said of it, the network, rows, batch size.
_NETWORKS = [
    ("odd widths, Adam", Mlp((100, 77, 33, 10), activation="tanh"), 20000, 50),
    (
        "RMSprop",
        Mlp((256, 256, 128, 10), activation="gelu", optimizer="rmsprop"),
        20000,
        64,
    ),
    ("Adam", Mlp((64, 64, 64, 64, 10)), 20000, 32),
    ("10 hidden layers, Adam", Mlp((64, *[64] * 10, 10), activation="tanh"), 10000, 64),
    (
        "MSE, dropout 0.2, Adam",
        Mlp((32, 256, 256, 1), last="linear", loss="mse", dropout=0.2),
        20000,
        128,
    ),
    ("SGD", Mlp((20, 50, 50, 3), optimizer="sgd", learning_rate=0.01), 500, 1),
    ("Adam", Mlp((64, 128, 128, 10)), 65536, 16384),
    (
        "SGD with Nesterov momentum",
        Mlp((784, 256, 10), activation="sigmoid", optimizer="nesterov", learning_rate=0.05),
        10000,
        128,
    ),
    (
        "a user's own optimizer (Adadelta)",
        Mlp((100, 100, 100, 10), activation="silu", optimizer="adadelta", learning_rate=1.0),
        20000,
        100,
    ),
]


def workloads(*, quick: bool) -> list[Workload]:
    """Return the workloads of networks that are not in the table of targets."""
    return [
        Workload(
            f"{_widths(network)} {network.activation}, {said}, batch {batch_size:,}",
            "other networks",
            "train",
            {
                "network": network,
                "source": min(rows, 20) if quick else rows,
                "batch_size": min(batch_size, 8) if quick else batch_size,
            },
            flops=network.training_flops(rows),
            tolerance=1e-3,
        )
        for said, network, rows, batch_size in _NETWORKS
    ]


def _widths(network: Mlp) -> str:
    """Return 64-64-10, or 64×11-10 where a width comes often."""
    first, *_, last = network.widths
    equal = len(network.widths) > 6 and set(network.widths[:-1]) == {first}
    return (
        f"{first}×{len(network.widths) - 1}-{last}" if equal else "-".join(map(str, network.widths))
    )
