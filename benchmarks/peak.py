"""The machine's own limits, measured beside the workloads: multiply-adds and bytes a second."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast


class Peak:
    """Measures register-only loops and passes over memory on all threads.

    ``peak.cpp`` is compiled with the system's compiler (``CXX``, else ``c++``) for the processor at
    hand. Where that fails, `missing` says why and nothing is measured.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._library: ctypes.CDLL | None = None
        self.missing = ""
        self.best: dict[str, float] = {}  # of the run so far, by dtype
        source = Path(__file__).with_name("peak.cpp")
        compiler = os.environ.get("CXX", "c++")
        if shutil.which(compiler) is None:
            self.missing = f"no C++ compiler {compiler!r}"
            return
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "peak.so"
            flags = ["-std=c++20", "-O3", "-march=native", "-shared", "-fPIC", "-pthread"]
            built = subprocess.run(
                [compiler, *flags, str(source), "-o", str(library)], capture_output=True, text=True
            )
            if built.returncode != 0:
                self.missing = f"{compiler} could not compile {source.name}"
                return
            self._library = ctypes.CDLL(str(library))  # stays mapped when the file goes

    def measure(self, dtype: str, seconds: float = 0.02) -> float | None:
        """Return operations per second for a dtype; None where they can't be measured."""
        function = self._function(f"peak_{dtype}")
        if function is None:
            return None
        rate = function(self._threads, seconds)
        self.best[dtype] = max(rate, self.best.get(dtype, 0.0))
        return rate

    def bandwidth(self, size: float, seconds: float = 0.02) -> float | None:
        """Return the bytes per second that are read or copied in a working set of that size."""
        function = self._function("bandwidth")
        return None if function is None else function(self._threads, size, seconds)

    def _function(self, name: str) -> Callable[..., float] | None:
        found = getattr(self._library, name, None)  # bfloat16's is not on every processor
        if found is None:
            return None
        numbers = 2 if name == "bandwidth" else 1
        found.argtypes = [ctypes.c_int, *[ctypes.c_double] * numbers]
        found.restype = ctypes.c_double
        return cast(Callable[..., float], found)
