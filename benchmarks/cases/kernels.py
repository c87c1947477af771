"""Kernels by themselves, through ``pynn.ops`` on NumPy arrays."""

from __future__ import annotations

from typing import Any

from benchmarks.cases.training import WIDE
from benchmarks.networks import Mlp
from benchmarks.workload import AtMost, Faster, Goal, ShareOfPeak, Workload

_NUMPY: tuple[Goal, ...] = (Faster(1.0, ("NumPy", "NumPy told")),)
# m, n, k, dtype, whether A is stored as its transpose, goals
_PRODUCTS: list[tuple[int, int, int, str, bool, tuple[Goal, ...]]] = [
    (1024, 1024, 1024, "float32", False, (ShareOfPeak(0.88), *_NUMPY)),
    (1024, 1024, 1024, "float64", False, _NUMPY),
    (128, 512, 784, "float32", False, (ShareOfPeak(0.9),)),
    (128, 512, 512, "float32", False, (ShareOfPeak(0.9),)),
    (784, 512, 128, "float32", True, (ShareOfPeak(0.9),)),
    (32, 128, 784, "float32", False, (ShareOfPeak(0.9),)),
    # 454 of 540 GFLOP/s were possible, less a tenth.
    (64, 64, 64, "float32", False, (ShareOfPeak(0.757),)),
    (8, 8, 8, "float32", False, (AtMost(20e-9, "≤ 20 ns"),)),
    (1, 512, 784, "float32", False, (AtMost(7.8e-6, "≤ 7.8 µs"),)),
]
_REDUCTIONS: list[tuple[str, int | None]] = [
    ("sum", None),
    ("sum", 0),
    ("sum", 1),
    ("mean", 1),
    ("max", None),
    ("max", 0),
    ("max", 1),
    ("prod", 1),
    ("argmax", 1),
]


def workloads(*, quick: bool) -> list[Workload]:
    """Return the workloads of every kernel family."""
    return [*_products(quick), *_pointwise(quick), *_rows(quick), *_others(quick)]


def _products(quick: bool) -> list[Workload]:
    made = []
    for m, n, k, dtype, transposed, goals in _PRODUCTS:
        size = (min(m, 16), min(n, 16), min(k, 16)) if quick else (m, n, k)
        names = ("m", "n", "k", "dtype", "transposed")
        made.append(
            Workload(
                f"matmul {m}×{n}×{k} {dtype}{', Aᵀ' if transposed else ''}",
                "products",
                "matmul",
                dict(zip(names, (*size, dtype, transposed), strict=True)),
                flops=2.0 * size[0] * size[1] * size[2],
                dtype=dtype,
                goals=goals,
                tolerance=1e-5 if dtype == "float32" else 1e-13,
            )
        )
    for batch, features, units in ((128, 784, 512), (32, 784, 128)):
        size = (4, 8, 8) if quick else (batch, features, units)
        labels = ("batch", "features", "units")
        made.append(
            Workload(
                f"dense {batch}×{features}→{units} relu",
                "products",
                "dense",
                {**dict(zip(labels, size, strict=True)), "activation": "relu"},
                flops=2.0 * size[0] * size[1] * size[2],
            )
        )
    return made


def _pointwise(quick: bool) -> list[Workload]:
    """Every differentiable function of one variable that the op table lists, and arithmetic."""
    from pynn import _native

    size = 1000 if quick else 1 << 20
    made = [
        Workload(
            f"{row['name']} {dtype}",
            "activations" if "activation" in row["traits"] else "functions",
            "unary",
            {"name": row["name"], "size": size, "dtype": dtype, "domain": tuple(row["domain"])},
        )
        for row in _native.op_table()
        if row["arity"] == 1 and row["differentiable"] and row["domain"] is not None
        for dtype in ("float32", "float64")[: 2 if row["name"] in ("tanh", "exp") else 1]
    ]
    n = 8 if quick else 1024
    for name, right, said in (
        ("add", (n,), "row"),
        ("multiply", (n, 1), "column"),
        ("divide", (n, n), "matrix"),
        ("maximum", (), "number"),
        ("less", (n, n), "matrix"),
    ):
        arguments: dict[str, Any] = {"name": name, "left": (n, n), "right": right}
        made.append(Workload(f"{name} 1024×1024 and {said}", "arithmetic", "binary", arguments))
    made.append(Workload("where 1024×1024", "arithmetic", "where", {"shape": (n, n)}))
    return made


def _rows(quick: bool) -> list[Workload]:
    n = 8 if quick else 1024
    made = [
        Workload(
            f"{name} 1024×1024 {'all' if axis is None else f'axis {axis}'}",
            "reductions",
            "reduce",
            {"name": name, "shape": (n, n), "axis": axis},
            tolerance=1e-4,  # NumPy sums the leading axis one after the other
        )
        for name, axis in _REDUCTIONS
    ]
    for name, shape in (
        ("softmax", (128, 10)),
        ("softmax", (1024, 1024)),
        ("log_softmax", (128, 10)),
    ):
        cut = (min(shape[0], n), min(shape[1], n))
        said = f"{name} {shape[0]}×{shape[1]}"
        made.append(Workload(said, "softmax", "softmax", {"name": name, "shape": cut}))
    arguments = {"batch": 128, "classes": 10}
    made.append(Workload("cross-entropy gradient 128×10", "softmax", "loss_gradient", arguments))
    return made


def _others(quick: bool) -> list[Workload]:
    rows, size = (100, 10000) if quick else (60000, 1 << 20)
    network = Mlp((8, 8, 2)) if quick else WIDE
    return [
        Workload(
            "take 128 of 60,000 rows of 784",
            "movement",
            "take",
            {"rows": rows, "width": 784, "count": 128},
        ),
        Workload("one_hot 4096 of 10", "movement", "one_hot", {"count": 4096, "depth": 10}),
        *(
            Workload(
                f"random {name} 2²⁰",
                "random",
                "random",
                {"name": name, "size": size},
                tolerance=0.2 if quick else 0.02,  # moments of different numbers
            )
            for name in ("uniform", "normal")
        ),
        *(
            Workload(
                f"{said} over 669,706 parameters",
                "updates",
                "update",
                {"network": Mlp(network.widths, optimizer=name)},
            )
            for said, name in (("Adam", "adam"), ("SGD", "sgd"))
        ),
    ]
