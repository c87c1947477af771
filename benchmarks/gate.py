"""Instructions instead of seconds: ``python -m benchmarks.gate``.

Each program of `programs.py` runs under valgrind with two numbers of repeats; what lies between is
its count, from which interpreter, imports and warm-up have cancelled. With one thread and one
instruction set the count is the same on a busy machine as on an idle one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import ROOT
from benchmarks.machine import available_cpus
from benchmarks.programs import PROGRAMS

STORED = Path(__file__).with_suffix(".json")
TOLERANCE = 0.03
ISA = "avx2"
"""The best instruction set that valgrind knows."""

Counts = dict[str, int]


def setting() -> str:
    """Return what counts depend on: Python's and the compiler's version."""
    from pynn import _native

    binary = Path(str(_native.__file__)).read_bytes()
    compiled = re.search(rb"(GCC|clang)[^\0\n]*? (\d+\.\d+)\.\d+", binary)
    compiler = b" ".join(compiled.groups()).decode() if compiled else "unknown compiler"
    return f"Python {'.'.join(platform.python_version_tuple()[:2])}, {compiler}"


def missing() -> str:
    """Return why nothing can be counted here; nothing if it can."""
    from pynn import _native

    if shutil.which("valgrind") is None:
        return "there is no valgrind"
    if ISA not in _native.available_isas():
        return f"this processor or build has no {ISA}"
    return ""


def instructions(name: str, repeats: int) -> int:
    """Return the instructions of a program, from the start of the interpreter to its end."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    run = _run(command, name, repeats)
    found = re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)
    if run.returncode != 0 or found is None:
        raise RuntimeError(f"{name}: valgrind said\n{run.stderr}")
    return int(found[1].replace(",", ""))


def _run(command: Sequence[str], name: str, repeats: int) -> subprocess.CompletedProcess[str]:
    """Run a program under a command, with all that its count depends on set."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("PYNN", "OPENBLAS", "OMP", "MKL")}
    environment = dict(os.environ, **threads, PYNN_ISA=ISA, PYTHONHASHSEED="0")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # imports must not compile in each run
    program = [sys.executable, "-m", "benchmarks.programs", name, str(repeats)]
    return subprocess.run(
        [*command, *program], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def count(names: Sequence[str]) -> Counts:
    """Return the instructions of one repeat of each program."""
    for name in names:  # natively first: compiles what is imported, and shows errors sooner
        _run([], name, 1).check_returncode()
    # Importing can't be repeated; of the others the first repeat warms up.
    repeats = {name: (0, 1) if name == "importing" else (2, 4) for name in names}
    runs = [(name, n) for name in names for n in repeats[name]]
    with ThreadPoolExecutor(available_cpus()) as pool:
        totals = dict(zip(runs, pool.map(lambda r: instructions(*r), runs), strict=True))
    return {
        name: (totals[name, many] - totals[name, few]) // (many - few)
        for name, (few, many) in repeats.items()
    }


def compare(now: Mapping[str, int], stored: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Return a line a program, and the names of those that grew by more than the tolerance."""
    lines, grown = [], []
    for name, counted in now.items():
        if name not in stored:
            lines.append(f"{name:<15} {counted:>14,}  not stored yet")
            continue
        change = counted / stored[name] - 1
        verdict = "grew" if change > TOLERANCE else "fell" if change < -TOLERANCE else "as stored"
        lines.append(f"{name:<15} {counted:>14,}  {100 * change:+7.2f} %  {verdict}")
        if verdict == "grew":
            grown.append(name)
    return lines, grown


def main(argv: Sequence[str] | None = None) -> int:
    """Count and compare; return 1 where something grew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=(
        "Compare the instructions of fixed programs with the stored counts."
    ))  # fmt: skip
    parser.add_argument("--update", action="store_true", help="store the counts of this build")
    parser.add_argument("--only", default="", metavar="REGEX", help="programs whose name matches")
    args = parser.parse_args(argv)
    stored: dict[str, Counts] = json.loads(STORED.read_text()) if STORED.exists() else {}
    here, why = setting(), missing()
    if not why and not args.update and here not in stored:
        why = f"no counts are stored for {here}; --update stores them"
    if why:
        print(f"instruction counts skipped: {why}")
        return 0
    now = count([name for name in PROGRAMS if re.search(args.only, name)])
    lines, grown = compare(now, stored.get(here, {}))
    print(f"instructions, {here}, {ISA}, 1 thread", *lines, sep="\n")
    if args.update:
        stored[here] = {**stored.get(here, {}), **now}
        STORED.write_text(json.dumps(stored, indent=1) + "\n")
        return 0
    if grown:
        print(
            f"more than {100 * TOLERANCE:.0f} % grew: {', '.join(grown)}. If that is the price of "
            "something better, store the new counts: python -m benchmarks.gate --update"
        )
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
