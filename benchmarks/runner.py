"""Every peer takes its turn, in a process of its own, while the others stand still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import ROOT
from benchmarks.machine import openblas_core_type
from benchmarks.peak import Peak
from benchmarks.workload import Workload

UNDISTURBED = 0.93
"""Share of the run's best peak that a row's own best peak must reach. The clock drifts by less."""

PERSISTENCE = 3
"""How many times as many rounds a disturbed row gets before it is given up."""

PEERS = {
    "pynn": "pynn:Pynn",
    "NumPy": "numpy:Numpy",
    "NumPy told": "numpy:NumpyTold",
    "PyTorch": "torch:Torch",
    "torch.compile": "torch:TorchCompiled",
    "PyTorch NHWC": "torch:TorchChannelsLast",
    "JAX": "jax:Jax",
    "scikit-learn": "sklearn:Sklearn",
    "ONNX Runtime": "onnxruntime:OnnxRuntime",
}


@dataclass(frozen=True)
class Setting:
    """How a run is made.

    Parameters
    ----------
    threads : int
        Of every peer.
    repeat : int
        Turns of each peer.
    seconds : float
        Of one turn, where one call takes less.
    """

    threads: int
    repeat: int = 5
    seconds: float = 0.02


class Worker:
    """The process of one peer, stopped but for its turns: a pool that spins disturbs nobody."""

    def __init__(self, label: str, threads: int) -> None:
        self.label = label
        self.version = ""
        self.missing = ""
        environment = _environment(threads)
        if label == "NumPy told":
            core_type = openblas_core_type()
            if core_type is None:
                self.missing = "no OpenBLAS, or no better core type to tell"
                return
            environment["OPENBLAS_CORETYPE"] = core_type
        self._connection, end = Pipe()
        command = [sys.executable, "-m", "benchmarks.worker", PEERS[label], str(threads)]
        self._process = subprocess.Popen(
            [*command, str(end.fileno())],
            cwd=ROOT,
            env=environment,
            pass_fds=[end.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end.close()
        word, content = self._receive()
        if word == "loaded":
            self.version = f"{content[0]}, told {core_type}" if "told" in label else content[0]
        else:
            self.missing = content

    def prepare(self, workload: Workload) -> tuple[str, Any]:
        """Return ("ready", (outputs, facts)), or "unsupported" or "failed" with the reason."""
        return self._ask((workload.kind, dict(workload.arguments)))

    def turn(self, seconds: float) -> tuple[str, Any]:
        """Return ("figure", number) or ("failed", reason)."""
        return self._ask(float(seconds))

    def close(self) -> None:
        """End the process."""
        if hasattr(self, "_process"):
            self._process.kill()
            self._process.wait()
            self._connection.close()

    def _ask(self, request: object) -> tuple[str, Any]:
        self._process.send_signal(signal.SIGCONT)
        with suppress(BrokenPipeError):  # it ended: receiving tells
            self._connection.send(request)
        return self._receive()

    def _receive(self) -> tuple[str, Any]:
        try:
            reply: tuple[str, Any] = self._connection.recv()
        except (EOFError, ConnectionResetError):
            return "failed", f"its process ended with status {self._process.wait()}"
        self._process.send_signal(signal.SIGSTOP)
        return reply


def _environment(threads: int) -> dict[str, str]:
    """Return the environment in which every library uses that many threads."""
    names = ("OMP", "OPENBLAS", "MKL", "PYNN", "VECLIB_MAXIMUM")
    environment = dict(os.environ, **{f"{n}_NUM_THREADS": str(threads) for n in names})
    environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    environment["JAX_PLATFORMS"] = "cpu"
    environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # a first call is one that compiles
    return environment


@contextmanager
def workers(labels: Iterable[str], threads: int) -> Iterator[dict[str, Worker]]:
    """Start the processes of some peers; missing ones are among them and say what is missing."""
    started: dict[str, Worker] = {}
    try:
        for label in labels:
            started[label] = Worker(label, threads)
        yield started
    finally:
        for worker in started.values():
            worker.close()


@dataclass
class Row:
    """What was measured for one workload."""

    workload: Workload
    turns: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, dict[str, float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)
    bandwidths: list[float] = field(default_factory=list)
    ceiling: float | None = None  # the best peak of the run so far

    @property
    def best(self) -> dict[str, float]:
        """The least figure of each peer."""
        return {label: min(figures) for label, figures in self.turns.items()}

    @property
    def median(self) -> dict[str, float]:
        """The middle figure of each peer."""
        return {label: median(figures) for label, figures in self.turns.items()}

    @property
    def disturbed(self) -> bool:
        """Whether the cores were not free even once in these rounds: such figures say little."""
        if not self.peaks:
            return False
        peak = max(self.peaks)
        return peak < UNDISTURBED * (self.ceiling or 0.0) or peak < self._rate()

    @property
    def share_of_peak(self) -> float | None:
        """pynn's best rate over the best peak of the same minutes."""
        if not self._rate() or not self.peaks or self.disturbed:
            return None
        return self._rate() / max(self.peaks)

    @property
    def roof(self) -> tuple[float, str] | None:
        """The operations per second that arithmetic or memory allow, and which of them."""
        flops, moved = self.workload.flops, self.workload.bytes
        if not self.peaks or not flops:
            return None
        limits = [(max(self.peaks), "arithmetic")]
        if self.bandwidths and moved:
            limits.append((max(self.bandwidths) * flops / moved, "memory"))
        return min(limits)

    @property
    def share_of_roof(self) -> float | None:
        """pynn's best rate over the roof of the same minutes."""
        if self.roof is None or not self._rate() or self.disturbed:
            return None
        return self._rate() / self.roof[0]

    def _rate(self) -> float:
        """pynn's best floating-point operations per second, 0 where they can't be counted."""
        own, flops = self.best.get("pynn"), self.workload.flops
        return flops / own if own and flops else 0.0


def measure(workload: Workload, crew: dict[str, Worker], peak: Peak, setting: Setting) -> Row:
    """Prepare a workload on every peer, compare their results, and time them in turns."""
    row = Row(workload)
    ready = _prepare(workload, crew, row)
    spent = dict.fromkeys(ready, 0.0)
    for number in range(PERSISTENCE * setting.repeat):
        if number >= setting.repeat and not row.disturbed:
            break
        rate = peak.measure(workload.dtype)
        row.peaks += [] if rate is None else [rate]
        if workload.bytes:
            bandwidth = peak.bandwidth(workload.bytes)
            row.bandwidths += [] if bandwidth is None else [bandwidth]
        row.ceiling = peak.best.get(workload.dtype)
        for label in ready[number % len(ready) :] + ready[: number % len(ready)] if ready else []:
            if label in row.absent or spent[label] > workload.patience:
                continue
            start = time.perf_counter()
            word, figure = crew[label].turn(setting.seconds)
            spent[label] += time.perf_counter() - start
            if word == "figure":
                row.turns.setdefault(label, []).append(figure)
            else:
                row.absent[label] = figure
    return row


def _prepare(workload: Workload, crew: dict[str, Worker], row: Row) -> list[str]:
    """Return the peers whose results agree with the reference; the others are noted as absent."""
    results: dict[str, Sequence[NDArray[Any]]] = {}
    for label, worker in crew.items():
        if worker.missing or label in workload.without:
            continue
        word, content = worker.prepare(workload)
        if word == "ready":
            results[label], row.facts[label] = content
        elif word == "failed" or content:
            row.absent[label] = content
    comparable = [label for label, outputs in results.items() if outputs]
    reference = min(comparable, key=_trust, default="")
    for label in comparable:
        wrong = difference(results[label], results[reference])
        if wrong > workload.tolerance:
            row.absent[label] = f"wrong: differs from {reference} by {wrong:.1e}"
    return [label for label in results if label not in row.absent]


def _trust(label: str) -> tuple[bool, bool]:
    """Order peers by how much their results say: NumPy's are the reference, pynn's the last."""
    return label != "NumPy", label == "pynn"


def difference(outputs: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> float:
    """Return the largest difference, relative to the largest magnitude."""
    if not outputs or not expected:
        return 0.0
    errors = []
    for a, b in zip(outputs, expected, strict=True):
        if a.shape != b.shape:
            return float("inf")
        scale = float(np.max(np.abs(b), initial=0.0)) or 1.0
        error = np.abs(a.astype(np.float64) - b.astype(np.float64))
        errors.append(float(np.max(error, initial=0.0)) / scale)
    return max(errors) if np.isfinite(errors).all() else float("inf")
