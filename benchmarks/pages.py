"""Pages that are made from result files, so that nobody types a figure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks import ROOT, report, results
from benchmarks.results import Record

_COLUMNS = ("pynn", "NumPy", "PyTorch", "JAX", "scikit-learn", "ONNX Runtime")
# Workloads that the README shows, and what it calls them.
_MLP = "MNIST 784-512-512-10, Adam, batch 128, one epoch"
_ROW = "one row through 4-64-64-2 tanh, "
_SHOWN = {
    _MLP: "",
    _MLP.replace("Adam", "Adam, mixed bfloat16"): "the same in mixed bfloat16",
    "MNIST 784-128-10, SGD, batch 32, one epoch": "",
    "CNN 32-64 filters, dense 128-10, Adam, batch 128, one step": "one step of an MNIST CNN",
    "first training step of a new 784-512-512-10": "first training step of a new network",
    "XOR 2-3-1 tanh, MSE, SGD, batch 1, 1,000 epochs": "XOR, one sample per update, 1,000 epochs",
    f"{_ROW}net(row)": "one row through 4-64-64-2, `net(row)`",
    f"{_ROW}frozen(row)": "the same, frozen by `net.freeze()`",
    f"{_ROW}predict(row)": "the same, `net.predict(row)`, which checks its data",
    "matmul 1024×1024×1024 float32": "float32 matrix product, 1024³",
    "gelu float32": "GELU of a million float32",
    "import, above NumPy's own": "import, above NumPy's",
    "installed size, without NumPy": "",
    "resident memory after import, above NumPy's": "memory after import, above NumPy's",
}
_BLOCK = re.compile(r"<!-- figures: (\S+) -->\n.*?<!-- end of figures -->", re.DOTALL)


def page(path: Path) -> str:
    """Return all that a result file holds, as a page: rows, targets, and who was left out."""
    records = results.load(path)
    peers = list(dict.fromkeys(peer for r in records for peer in r["figures"]))
    parts = [f"# {path.stem}", _setting(path, records)]
    parts += map(report.markdown, report.rows_tables(records, peers))
    goals = report.goals_table(records)
    if goals:
        parts += ["## Targets", report.markdown(goals)]
    absent = report.absences(records)
    if absent:
        parts += ["## Left out", "\n".join(f"- {line}" for line in absent.splitlines())]
    return "\n\n".join(parts) + "\n"


def readme_block(path: Path) -> str:
    """Return the README's table, between the marks that name the file it was made from."""
    records = {r["workload"]: r for r in results.load(path)}
    shown = [
        (records[name], said or name)
        for name, said in _SHOWN.items()
        if name in records and "pynn" in records[name]["figures"]
    ]
    versions = {label: v for r, _ in shown for label, v in r["versions"].items()}
    columns = [label for label in _COLUMNS if label in versions]
    head = ["", *(f"{label} {_short(versions[label])}" for label in columns)]
    table = [head, *([said, *_cells(record, columns)] for record, said in shown)]
    lines = [_setting(path, [r for r, _ in shown]), "", report.markdown(table)]
    name = path.resolve().relative_to(ROOT)
    return "\n".join([f"<!-- figures: {name} -->", *lines, "<!-- end of figures -->"])


def rewritten(readme: str, path: Path) -> str:
    """Return the text of a README with the table of that result file in the place of its own."""
    if not _BLOCK.search(readme):
        raise ValueError("README.md has no block <!-- figures: ... --> to put the table into")
    block = readme_block(path)
    return _BLOCK.sub(lambda _: block, readme)


def source(readme: str) -> Path:
    """Return the result file that a README's table was made from."""
    found = _BLOCK.search(readme)
    if found is None:
        raise ValueError("README.md has no block <!-- figures: ... -->")
    return ROOT / found[1]


def _cells(record: Record, columns: Sequence[str]) -> list[str]:
    """Return a row's figures, the best one in bold."""
    figures = {c: record["figures"][c]["best"] for c in columns if c in record["figures"]}
    best = min(figures.values(), default=None)
    cells = []
    for column in columns:
        figure = figures.get(column)
        said = "–" if figure is None else report.amount(figure, record["unit"])
        cells.append(f"**{said}**" if figure is not None and figure == best else said)
    return cells


def _setting(path: Path, records: Sequence[Record]) -> str:
    """Return where and how the figures came about."""
    machine = results.machine(path)
    threads = sorted({r["threads"] for r in records})
    turns = max(len(f["all"]) for r in records for f in r["figures"].values())
    return (
        f"{machine['cpu']} ({machine['vector extensions'][-1]}), {machine['cpus']} cores; "
        f"Python {machine['python']}. Everybody has {' or '.join(map(str, threads))} threads and "
        f"they take turns in one run; the figures are the best of up to {turns} turns."
    )


def _short(version: str) -> str:
    """Return 2.13 for 2.13.0+cpu."""
    return ".".join(version.split("+")[0].split(".")[:2])
