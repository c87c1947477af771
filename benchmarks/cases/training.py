"""Training: epochs over MNIST, a step of a CNN, XOR sample by sample, and first calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.networks import Cnn, Mlp
from benchmarks.workload import AtMost, Faster, Goal, ShareOfPeak, Workload

WIDE = Mlp((784, 512, 512, 10))
NARROW = Mlp((784, 128, 10), optimizer="sgd", learning_rate=0.1)
CNN = Cnn((1600, 128, 10))
XOR = Mlp((2, 3, 1), activation="tanh", last="tanh", loss="mse", optimizer="sgd", learning_rate=0.1)
_TORCH = ("PyTorch", "torch.compile")
_CNN_STEPS = 10


def workloads(source: str, *, quick: bool) -> list[Workload]:
    """Return the workloads of training."""
    rows = 640 if quick else 60000

    def mnist(
        name: str,
        network: Mlp,
        batch_size: int,
        *goals: Goal,
        tolerance: float = 1e-3,
    ) -> Workload:
        return Workload(
            f"MNIST {name}, batch {batch_size}, one epoch",
            "training",
            "train",
            {"network": network, "source": source, "batch_size": batch_size},
            flops=network.training_flops(rows),
            dtype="float32" if network.precision == "float32" else "bfloat16",
            goals=goals,
            tolerance=tolerance,
        )

    steps: dict[str, Any] = {"source": 128 * _CNN_STEPS, "batch_size": 128, "per": _CNN_STEPS}
    if quick:
        steps = {"source": 8, "batch_size": 4, "per": 2}
    return [
        mnist(
            "784-512-512-10, Adam",
            WIDE,
            128,
            Faster(1.5, ("JAX",)),
            Faster(3.0, _TORCH),
            ShareOfPeak(0.78),
        ),
        mnist(
            "784-512-512-10, Adam, mixed bfloat16",
            replace(WIDE, precision="mixed_bfloat16"),
            128,
            Faster(2.7, _TORCH),
            tolerance=0.05,
        ),
        mnist("784-128-10, SGD", NARROW, 32, Faster(1.8, ("JAX",)), Faster(10.0, _TORCH)),
        Workload(
            "CNN 32-64 filters, dense 128-10, Adam, batch 128, one step",
            "training",
            "train",
            {"network": CNN, **steps},
            goals=(AtMost(3.3e-3, "≤ 3.3 ms"), Faster(4.0, (*_TORCH, "PyTorch NHWC"))),
            tolerance=1e-3,
        ),
        Workload(
            "XOR 2-3-1 tanh, MSE, SGD, batch 1, 1,000 epochs",
            "training",
            "train",
            {
                "network": XOR,
                "source": "xor",
                "batch_size": 1,
                "epochs": 10 if quick else 1000,
                "shuffle": False,
            },
            goals=(AtMost(1e-3, "≤ 1 ms"),),
            tolerance=1e-4,
        ),
        *(
            Workload(
                f"first training step of a new {name}",
                "training",
                "first_call",
                {"network": network, "batch_size": 4 if quick else 128},
                goals=(AtMost(1e-3 * limit, f"≤ {limit} ms"),),
                without=("NumPy",),
            )
            for name, network, limit in (("784-512-512-10", WIDE, 5), ("CNN", CNN, 20))
        ),
    ]
