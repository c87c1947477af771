"""Blocks of larger networks: one training step of each."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.blocks import Block
from benchmarks.workload import Workload

_STEPS = 4
_BLOCKS = [
    ("residual block 32×32×64, batch 16", Block("residual", 16, (32, 32, 64))),
    ("two depthwise 3×3 at 32×32×64, batch 16", Block("depthwise", 16, (32, 32, 64))),
    ("LSTM of 128 units, 100 steps, batch 32", Block("lstm", 32, (100, 128))),
    ("attention, 4 heads, 128 tokens of 128, batch 16", Block("attention", 16, (128, 128), size=4)),
    ("embedding bag, 256 bags of 20 out of 10,000 × 64", Block("bag", 256, (20,), size=10000)),
]
_SMALL = {
    "residual": (4, 4, 8),
    "depthwise": (4, 4, 8),
    "lstm": (3, 8),
    "attention": (4, 8),
    "bag": (5,),
}


def workloads(*, quick: bool) -> list[Workload]:
    """Return the workloads of blocks."""
    return [
        Workload(
            f"{said}, one step",
            "blocks",
            "train_block",
            {
                "block": replace(block, batch=2, shape=_SMALL[block.kind]) if quick else block,
                "steps": 2 if quick else _STEPS,
            },
            flops=block.training_flops() or None,
            tolerance=1e-3,
        )
        for said, block in _BLOCKS
    ]
