"""The benchmarks' command line."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import ROOT, pages, report, results
from benchmarks.cases import workloads
from benchmarks.data import store_mnist
from benchmarks.machine import available_cpus, describe
from benchmarks.peak import Peak
from benchmarks.plot import draw
from benchmarks.runner import PEERS, Setting, measure, workers
from benchmarks.workload import Workload


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(
        "Time pynn and its peers in turns, beside the rate of multiply-adds that the cores reach."
    ))  # fmt: skip
    add = parser.add_argument
    add("--only", metavar="REGEX", help="workloads whose group or name matches")
    add("--peers", metavar="NAMES", help=f"separated by commas, of: {', '.join(PEERS)}")
    add("--threads", type=int, default=available_cpus(), help="of everybody (default: %(default)s)")
    add("--repeat", type=int, default=5, help="turns of each (default: %(default)s)")
    add("--quick", action="store_true", help="tiny sizes, one turn, no file: does everything run?")
    add("--list", action="store_true", help="name the workloads and stop")
    add("--output", type=Path, metavar="JSON", help="where results go (default: by date and CPU)")
    add("--show", type=Path, metavar="JSON", help="print and plot earlier results; measure nothing")
    add("--readme", type=Path, metavar="JSON", help="put the table of earlier results in README.md")
    return parser


def _chosen(all_workloads: Sequence[Workload], only: str | None) -> list[Workload]:
    pattern = re.compile(only or "", re.IGNORECASE)
    return [w for w in all_workloads if pattern.search(f"{w.group}: {w.name}")]


def show(records: Sequence[results.Record]) -> None:
    """Print the tables."""
    tables = [*report.rows_tables(records, list(PEERS)), report.goals_table(records)]
    print(*(f"\n{report.plain(table)}" for table in tables if table), sep="\n")
    absent = report.absences(records)
    print(f"\n{absent}" if absent else "")


def publish(path: Path) -> None:
    """Make the page and the pictures of a result file anew, from all rows that it holds."""
    path.with_suffix(".md").write_text(pages.page(path))
    try:
        draw(results.load(path), list(PEERS), path.with_suffix(".svg"))
    except ImportError as missing:
        print(f"\nNo plot: {missing}", file=sys.stderr)


def run(args: argparse.Namespace) -> int:
    """Measure what was asked for, print and write it; return the exit status."""
    repeat = 1 if args.quick else args.repeat
    setting = Setting(args.threads, repeat, 1e-3 if args.quick else 0.02)
    labels = args.peers.split(",") if args.peers else list(PEERS)
    unknown = [label for label in labels if label not in PEERS]
    if unknown:
        print(f"unknown peer {unknown[0]!r}; known: {', '.join(PEERS)}", file=sys.stderr)
        return 2
    path = args.output or (None if args.quick else results.default_path(setting.threads))
    with tempfile.TemporaryDirectory() as folder:
        chosen = _chosen(workloads(folder, quick=args.quick), args.only)
        if not chosen:
            print(f"no workload matches {args.only!r}; see --list", file=sys.stderr)
            return 2
        said = ""
        if any(w.arguments.get("source") == folder for w in chosen):
            said = store_mnist(Path(folder), quick=args.quick)
            print(said)
        peak = Peak(setting.threads)
        if peak.missing:
            print(f"peak not measured: {peak.missing}")
        records = []
        with workers(labels, setting.threads) as crew:
            for label, worker in crew.items():
                print(f"{label:<14} {worker.version or 'left out: ' + worker.missing}")
            versions = {label: w.version for label, w in crew.items() if w.version}
            common = {"threads": setting.threads, "versions": versions}
            for number, workload in enumerate(chosen, 1):
                print(f"[{number}/{len(chosen)}] {workload.name}", file=sys.stderr)
                data = {"data": said} if workload.arguments.get("source") == folder else {}
                row = measure(workload, crew, peak, setting)
                records.append(results.record(row, {**common, **data}))
                if path is not None:  # at once: a run that is cut off keeps its rows
                    results.save(path, describe(), records[-1:])

    show(records)
    if path is not None:
        publish(path)
    wrong = [r for r in records if any(why.startswith("wrong") for why in r["absent"].values())]
    return 1 if wrong else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 where a result was wrong, 2 for mistakes."""
    args = _parser().parse_args(argv)
    if args.threads < 1 or args.repeat < 1:
        print("--threads and --repeat must be at least 1", file=sys.stderr)
        return 2
    if args.show:
        show(results.load(args.show))
        publish(args.show)
        return 0
    if args.readme:
        readme = ROOT / "README.md"
        readme.write_text(pages.rewritten(readme.read_text(), args.readme))
        return 0
    if args.list:
        for workload in _chosen(workloads("", quick=args.quick), args.only):
            print(f"{workload.group}: {workload.name}")
        return 0
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
