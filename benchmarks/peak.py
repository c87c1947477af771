"""The machine's own limit: fused multiply-adds per second, measured beside the workloads."""

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
    """Measures floating-point operations per second of register-only loops on all threads.

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
        """Return operations per second for "float32" or "float64"; None where not measured."""
        if self._library is None:
            return None
        function = self._library[f"peak_{dtype}"]
        function.argtypes = [ctypes.c_int, ctypes.c_double]
        function.restype = ctypes.c_double
        rate = cast(Callable[[int, float], float], function)(self._threads, seconds)
        self.best[dtype] = max(rate, self.best.get(dtype, 0.0))
        return rate
