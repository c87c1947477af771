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
    (1024, 1024, 1024, "bfloat16", False, (ShareOfPeak(0.9),)),
    (128, 512, 784, "float32", False, (ShareOfPeak(0.9),)),
    (128, 512, 512, "float32", False, (ShareOfPeak(0.9),)),
    (784, 512, 128, "float32", True, (ShareOfPeak(0.9),)),
    (32, 128, 784, "float32", False, (ShareOfPeak(0.9),)),
    # 454 of 540 GFLOP/s were possible, less a tenth.
    (64, 64, 64, "float32", False, (ShareOfPeak(0.757),)),
    (8, 8, 8, "float32", False, ()),
    (1, 512, 784, "float32", False, (AtMost(7.8e-6, "≤ 7.8 µs"),)),
]
_TOLERANCES = {"float32": 1e-5, "float64": 1e-13, "bfloat16": 1e-2}
_SIZES = {"float32": 4, "float64": 8, "bfloat16": 2, "bool": 1}
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
                **_product(*size, dtype),
                dtype=dtype,
                goals=goals,
                tolerance=_TOLERANCES[dtype],
            )
        )
    made.append(
        Workload(
            "matmul 8×8×8 float32, each of 1,000 at once",
            "products",
            "small_products",
            {"count": 10 if quick else 1000, "size": 8},
            **_product(8, 8, 8, "float32"),
            goals=(AtMost(20e-9, "≤ 20 ns"),),  # 18 were possible, less a tenth
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
                **_product(size[0], size[2], size[1], "float32"),
            )
        )
    return made


def _product(m: int, n: int, k: int, dtype: str) -> dict[str, Any]:
    """Return operations and bytes of A (m, k) times B (k, n)."""
    return {"flops": 2.0 * m * n * k, "bytes": _SIZES[dtype] * (m * k + k * n + m * n)}


def _results(count: int, bytes_each: float) -> dict[str, Any]:
    """Return the same of a function, whose results count as one operation each."""
    return {"flops": float(count), "bytes": count * bytes_each}


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
            **_results(size, 2 * _SIZES[dtype]),
            dtype=dtype,
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
        moved = 4 + (4 if said == "matrix" else 0) + (1 if name == "less" else 4)
        title = f"{name} 1024×1024 and {said}"
        made.append(Workload(title, "arithmetic", "binary", arguments, **_results(n * n, moved)))
    shape = {"shape": (n, n)}
    made.append(Workload("where 1024×1024", "arithmetic", "where", shape, **_results(n * n, 13)))
    return made


def _rows(quick: bool) -> list[Workload]:
    n = 8 if quick else 1024
    made = [
        Workload(
            f"{name} 1024×1024 {'all' if axis is None else f'axis {axis}'}",
            "reductions",
            "reduce",
            {"name": name, "shape": (n, n), "axis": axis},
            **_results(n * n, 4),
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
        work = _results(cut[0] * cut[1], 8)
        made.append(Workload(said, "softmax", "softmax", {"name": name, "shape": cut}, **work))
    arguments = {"batch": 128, "classes": 10}
    title = "cross-entropy gradient 128×10"
    made.append(Workload(title, "softmax", "loss_gradient", arguments, **_results(1280, 8)))
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
            **_results(128 * 784, 8),
        ),
        Workload(
            "one_hot 4096 of 10",
            "movement",
            "one_hot",
            {"count": 4096, "depth": 10},
            **_results(40960, 4),
        ),
        *(
            Workload(
                f"random {name} 2²⁰",
                "random",
                "random",
                {"name": name, "size": size},
                **_results(size, 4),
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
                **_results(sum(w.size for w in network.weights()), 4 * passes),
            )
            for said, name, passes in (("Adam", "adam", 7), ("SGD", "sgd", 3))
        ),
    ]
