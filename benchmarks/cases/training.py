"""Training: epochs over MNIST, XOR sample by sample, and the first call of a network."""

from __future__ import annotations

from benchmarks.networks import Mlp
from benchmarks.workload import AtMost, Faster, ShareOfPeak, Workload

WIDE = Mlp((784, 512, 512, 10))
NARROW = Mlp((784, 128, 10), optimizer="sgd", learning_rate=0.1)
XOR = Mlp((2, 3, 1), activation="tanh", last="tanh", loss="mse", optimizer="sgd", learning_rate=0.1)
_TORCH = ("PyTorch", "torch.compile")


def workloads(source: str, *, quick: bool) -> list[Workload]:
    """Return the workloads of training."""

    def mnist(network: Mlp, batch_size: int) -> dict[str, object]:
        return {
            "network": network,
            "source": source,
            "batch_size": batch_size,
            "epochs": 1,
            "shuffle": True,
            "wants_accuracy": True,
        }

    rows = 640 if quick else 60000
    return [
        Workload(
            "MNIST 784-512-512-10, Adam, batch 128, one epoch",
            "training",
            "train",
            mnist(WIDE, 128),
            flops=WIDE.training_flops(rows),
            goals=(Faster(1.5, ("JAX",)), Faster(3.0, _TORCH), ShareOfPeak(0.78)),
            tolerance=1e-3,
        ),
        Workload(
            "MNIST 784-128-10, SGD, batch 32, one epoch",
            "training",
            "train",
            mnist(NARROW, 32),
            flops=NARROW.training_flops(rows),
            goals=(Faster(1.8, ("JAX",)), Faster(10.0, _TORCH)),
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
                "wants_accuracy": False,
            },
            goals=(AtMost(1e-3, "≤ 1 ms"),),
            tolerance=1e-4,
        ),
        Workload(
            "first training step of a new 784-512-512-10",
            "training",
            "first_call",
            {"network": WIDE, "batch_size": 128},
            goals=(AtMost(5e-3, "≤ 5 ms"),),
            without=("NumPy",),
        ),
    ]
