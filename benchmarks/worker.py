"""The process of one peer: prepares workloads and takes its turns when it is told to.

Started by `runner.Worker` as ``python -m benchmarks.worker MODULE:CLASS THREADS FD``.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.task import Task, Unsupported

_PR_SET_PDEATHSIG = 1


def serve(connection: Connection, peer: Any) -> None:
    """Answer until None comes: (kind, arguments) prepares, a number of seconds is a turn."""
    task: Task | None = None
    for request in iter(connection.recv, None):
        reply: tuple[str, Any]
        try:
            if isinstance(request, float):
                assert task is not None, "a turn before a workload"
                reply = ("figure", task.turn(request))
            else:
                task = None  # frees the last one's memory first
                task = peer.prepare(*request)
                reply = ("ready", (list(task.outputs()), task.facts()))
        except Unsupported as reason:
            reply = ("unsupported", str(reason))
        except (
            Exception
        ) as error:  # one peer's failure is a row in the table, not the end of the run
            reply = ("failed", f"{type(error).__name__}: {error}".splitlines()[0])
        connection.send(reply)


def main(where: str, threads: int, connection: Connection) -> None:
    """Load the peer, say so or what is missing, and serve."""
    if sys.platform == "linux":
        # A stopped process would otherwise outlive a parent that is killed.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cpus[:threads])  # JAX has no other setting; the same for all
    module, name = where.split(":")
    start = time.perf_counter()
    try:
        peer = getattr(importlib.import_module(f"benchmarks.peers.{module}"), name)(threads)
        version = peer.version
    except ImportError as error:
        connection.send(("missing", f"no module {error.name}" if error.name else str(error)))
        return
    connection.send(("loaded", (version, time.perf_counter() - start)))
    serve(connection, peer)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Connection(int(sys.argv[3])))
