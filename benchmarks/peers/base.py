"""What peers share: training as a workload, the first call, what a package costs to have."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import ROOT
from benchmarks.blocks import Block
from benchmarks.data import load
from benchmarks.load import neighbours as busy_neighbours
from benchmarks.networks import Data, Mlp
from benchmarks.task import Measured, Task, Timed, Unsupported

CHECKED_STEPS = 10


class Trainer(Protocol):
    """A network with its rows in place, as its framework wants them."""

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        ...

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of the network."""
        ...


class BlockTrainer(Protocol):
    """A block with its batches in place, as its framework wants them."""

    def fit(self) -> None:
        """Go through the batches once."""
        ...

    def predict(self) -> NDArray[Any]:
        """Return the outputs for the first batch, as training computes them."""
        ...


class Peer:
    """A library under test, alone in its process.

    Each public method but `trainer`, `block_trainer` and `call` prepares the workload kind of its
    name. A subclass says by defining one of these that it can do the kinds built on it.
    """

    imports: ClassVar[str]
    """What a program imports that builds a network."""
    distribution: ClassVar[str]
    same_start: ClassVar[bool] = True
    """Whether training starts from the given weights, so that results can be compared."""
    lacks: Mapping[str, str] = {}
    """What networks may need and this library does not have, and why if that is worth saying."""

    kinds: ClassVar[frozenset[str] | None] = None
    """The kinds of workloads that are of interest; None where all are that it has a method for."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @property
    def version(self) -> str:
        """Return the version of the library."""
        return importlib.metadata.version(self.distribution)

    def prepare(self, kind: str, arguments: Mapping[str, Any]) -> Task:
        """Return the task of a workload."""
        method = getattr(self, kind, None)
        if method is None or (self.kinds is not None and kind not in self.kinds):
            raise Unsupported
        task: Task = method(**arguments)
        return task

    # What a subclass brings.

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        """Return the network with the given rows in place."""
        raise Unsupported

    def block_trainer(self, block: Block, steps: int) -> BlockTrainer:
        """Return the block with the batches of some steps in place."""
        raise Unsupported

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> Task:
        """Return the task that runs one row through the network, as ``entry`` says."""
        raise Unsupported

    def forget(self) -> None:
        """Drop what was compiled, so that the next call is a first one."""

    def use_threads(self, count: int) -> None:
        """From here on work on that many threads, if that can be changed once they run."""
        raise Unsupported

    # Kinds of workloads.

    def train(
        self,
        network: Mlp,
        source: str | int,
        batch_size: int,
        epochs: int = 1,
        shuffle: bool = True,
        per: int = 1,
    ) -> Task:
        """Train for some epochs. Before, a few steps in a fixed order for the comparison.

        The figure is that of one out of ``per`` equal parts, such as steps.
        """
        self._require(network)
        data = load(source, network)
        trainer = self.trainer(network, data, batch_size)

        def outputs() -> Sequence[NDArray[Any]]:
            if not self.same_start:
                return []
            rows = min(CHECKED_STEPS * batch_size, len(data.x))
            part = Data(data.x[:rows], data.y[:rows], data.x_test, data.y_test)
            short = self.trainer(replace(network, dropout=0.0), part, batch_size)
            short.fit(1, shuffle=False)
            return [np.array(short.predict(data.x_test[:64]))]

        def facts() -> dict[str, float]:
            if network.loss != "cross_entropy":
                return {}
            trainer.fit(epochs, shuffle)
            classes = trainer.predict(data.x_test).argmax(axis=-1)
            return {"test accuracy": float((classes == data.y_test).mean())}

        return Timed(trainer.fit, epochs, shuffle, per=per, outputs=outputs, facts=facts)

    def train_block(self, block: Block, steps: int) -> Task:
        """Train a block for some steps; the figure is that of one."""
        trainer = self.block_trainer(block, steps)

        def outputs() -> Sequence[NDArray[Any]]:
            short = self.block_trainer(block, 2)
            short.fit()
            return [short.predict()]

        return Timed(trainer.fit, per=steps, outputs=outputs)

    def first_call(self, network: Mlp, batch_size: int) -> Task:
        """Measure the first training step of a new network: all that comes before it, and it."""
        self._require(network)
        data = load(batch_size, network)

        def measure() -> float:
            self.forget()
            trainer = self.trainer(network, data, batch_size)
            start = time.perf_counter()
            trainer.fit(1, shuffle=False)
            return time.perf_counter() - start

        self.trainer(network, data, batch_size).fit(1, shuffle=False)  # threads, lazy imports
        return Measured(measure)

    def one_row(self, network: Mlp, entry: str) -> Task:
        """Run one row through the network, as a Python program does that calls it in a loop."""
        row = np.random.default_rng(4).standard_normal((1, network.features), np.float32)
        return self.call(network, row, entry)

    def loaded(
        self,
        network: Mlp,
        batch_size: int,
        steps: int,
        seconds: float,
        neighbours: int = 0,
        crowd: int = 1,
    ) -> Task:
        """Measure how many times as long training takes under load.

        Load is a number of busy processes, or ``crowd`` times as many threads as there are
        processors. Times are means over some ``seconds``, as the system shares out the processors
        in slices of milliseconds.
        """
        self._require(network)
        trainer = self.trainer(network, load(steps * batch_size, network), batch_size)
        if crowd > 1:
            self.use_threads(self.threads)  # says whether it can
        best = float("inf")  # without load, in all turns

        def mean() -> float:
            trainer.fit(1, True)
            start, count, taken = time.perf_counter(), 0, 0.0
            while taken < seconds:
                trainer.fit(1, True)
                count, taken = count + 1, time.perf_counter() - start
            return taken / count

        def measure() -> float:
            nonlocal best
            best = min(best, mean())
            if crowd == 1:
                with busy_neighbours(neighbours):
                    return mean() / best
            self.use_threads(crowd * self.threads)
            try:
                return mean() / best
            finally:
                self.use_threads(self.threads)

        return Measured(measure)

    def idle_cpu(self, network: Mlp) -> Task:
        """Measure the share of a core in use from 1 ms after work on."""
        work = self.busy(network)

        def measure() -> float:
            stop = time.perf_counter() + 0.1
            while time.perf_counter() < stop:
                work()
            time.sleep(0.001)
            before = time.process_time()
            time.sleep(0.2)
            return (time.process_time() - before) / 0.2

        return Measured(measure)

    def busy(self, network: Mlp) -> Callable[[], Any]:
        """Return work for all threads."""
        trainer = self.trainer(network, load(128, network), 128)
        return lambda: trainer.fit(1, False)

    def import_seconds(self) -> Task:
        """Measure the time of the import, in a fresh process that has NumPy already."""
        code = f"import time; t = time.perf_counter(); {self.imports}"
        return Measured(lambda: self._fresh(f"{code}; print(time.perf_counter() - t)"))

    def resident_bytes(self) -> Task:
        """Measure the memory that the import adds to a fresh process that has NumPy already."""
        code = f"before = resident(); {self.imports}; print(resident() - before)"
        return Measured(lambda: self._fresh(_RESIDENT + code))

    def installed_bytes(self) -> Task:
        """Measure the files of the distribution and of all it requires but NumPy."""
        return Measured(lambda: float(_installed(self.distribution, {"numpy"})))

    def _require(self, network: Mlp) -> None:
        """Leave out a network that needs what this library lacks."""
        for need in sorted(network.needs & self.lacks.keys()):
            raise Unsupported(self.lacks[need])

    def _fresh(self, code: str) -> float:
        """Run code after ``import numpy`` in a fresh interpreter; return the number it prints."""
        path = f"import numpy, sys; sys.path.append({str(ROOT)!r})"  # as in this process
        command = [sys.executable, "-c", f"{path}\n{code}"]
        environment = dict(os.environ)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode is there once pip installed it
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            cwd=tempfile.gettempdir(),
            env=environment,
        )
        return float(run.stdout)


_RESIDENT = """
def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * __import__("resource").getpagesize()
"""


def _installed(distribution: str, seen: set[str]) -> int:
    """Sum the sizes of a distribution's files and those of what it requires without extras."""
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    if name in seen:
        return 0
    seen.add(name)
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return 0  # required on other platforms or Python versions only
    paths = (f.locate() for f in found.files or ())
    size = sum(p.stat().st_size for p in map(Path, paths) if p.exists())
    for requirement in found.requires or ():
        needed = re.match(r"[A-Za-z0-9._-]+", requirement)
        if needed is not None and "extra ==" not in requirement:
            size += _installed(needed[0], seen)
    return size
