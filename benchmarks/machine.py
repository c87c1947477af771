"""The machine in words that name nobody: processor, instruction sets, versions."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np

# OpenBLAS picks by model number and takes an older core's kernels for processors it does not know.
# By what the processor can do, best first.
_CORE_TYPES = (("avx512_bf16", "Cooperlake"), ("avx512f", "SkylakeX"), ("avx2", "Haswell"))


def cpu_model() -> str:
    """Return the processor's name."""
    found = re.search(r"^model name\s*: (.*)$", _cpuinfo(), re.M)
    return found[1].strip() if found else platform.processor() or platform.machine()


def cpu_flags() -> set[str]:
    """Return what the processor says it can do; empty where the system does not tell."""
    found = re.search(r"^flags\s*: (.*)$", _cpuinfo(), re.M)
    return set(found[1].split()) if found else set()


def available_cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def openblas_core_type() -> str | None:
    """Return the core type to tell OpenBLAS, or None where NumPy is built with something else."""
    config: Any = np.show_config(mode="dicts")
    if "openblas" not in config["Build Dependencies"]["blas"]["name"]:
        return None
    flags = cpu_flags()
    return next((core for flag, core in _CORE_TYPES if flag in flags), None)


def describe() -> dict[str, Any]:
    """Return what belongs beside every figure."""
    vectors = ("sse2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd")
    return {
        "cpu": cpu_model(),
        "family": _number("cpu family"),
        "model": _number("model"),
        "vector extensions": [v for v in vectors if v in cpu_flags()],
        "cpus": available_cpus(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _number(field: str) -> int | None:
    found = re.search(rf"^{field}\s*: (\d+)$", _cpuinfo(), re.M)
    return int(found[1]) if found else None


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""
