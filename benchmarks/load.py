"""Processes that only count, to see what becomes of others beside them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BUSY = """
import time
print(end=".", flush=True)
stop = time.monotonic() + 10  # should nobody end it
while time.monotonic() < stop:
    sum(range(1000))
"""


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep that many processes busy, on the processors that this one may use."""
    command = [sys.executable, "-c", _BUSY]
    busy = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in busy:
            assert process.stdout is not None
            process.stdout.read(1)  # it is at work
        yield
    finally:
        for process in busy:
            process.kill()
            process.communicate()
