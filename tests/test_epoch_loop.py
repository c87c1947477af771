"""The epoch loop: batches, keys, polls, failures."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Unusual, doubler

from pynn import Variable
from pynn._native import Checkpoint, Executable, NonFiniteLossError, Recorder, run_epochs


def step(w: Variable, rows: int) -> Executable:
    """Return a step of gradient descent for ``mean((x w - y)²)``; its output is the sum."""
    with Recorder() as recorder:
        x, y = recorder.input((rows, 2)), recorder.input((rows,))
        loss = ((x @ w - y) ** 2).sum()
        (dw,) = recorder.gradient(loss, [w])
        assert dw is not None
        w.assign_sub(dw * (0.2 / rows))
        return recorder.compile([loss])


def data(rows: int) -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(rows, 2))
    return x, x @ [2.0, -1.0]


def test_epochs_with_a_shorter_last_batch() -> None:
    w = Variable([0.0, 0.0])
    x, y = data(50)
    totals = run_epochs(
        step(w, 16), step(w, 2), [x, y], batch_size=16, epochs=30, shuffle=True, key=5
    )
    assert totals.shape == (30, 1)
    assert totals.dtype == np.float64
    assert totals[-1, 0] < 1e-6 < totals[0, 0]
    np.testing.assert_allclose(w.numpy(), [2, -1], atol=1e-3)


def test_the_same_key_gives_the_same_bits() -> None:
    x, y = data(50)
    results = []
    for key in (5, 5, 6):
        w = Variable([0.0, 0.0])
        run_epochs(step(w, 10), None, [x, y], batch_size=10, epochs=3, shuffle=True, key=key)
        results.append(w.tolist())
    assert results[0] == results[1] != results[2]


def test_a_run_in_two_parts_is_the_run() -> None:
    x, y = data(40)
    whole, parts = Variable([0.0, 0.0]), Variable([0.0, 0.0])
    run_epochs(step(whole, 8), None, [x, y], batch_size=8, epochs=4, shuffle=True, key=1)
    again = step(parts, 8)
    for first in (0, 2):
        run_epochs(
            again, None, [x, y], batch_size=8, epochs=2, shuffle=True, key=1, first_epoch=first
        )
    assert whole.tolist() == parts.tolist()


def test_outputs_by_row() -> None:
    x = np.arange(10.0).reshape(5, 2)
    out = np.empty((5, 2), "float32")
    run_epochs(doubler(2, 2), doubler(1, 2), [x], batch_size=2, gathered=[out])
    np.testing.assert_array_equal(out, x * 2)
    frozen = out.copy()
    frozen.flags.writeable = False
    for bad, error in (
        (np.empty((4, 2), "float32"), "must have shape"),
        (np.empty((5, 2)), "dtype float32"),
        (frozen, "writable contiguous"),
        (np.empty((5, 4), "float32")[:, ::2], "writable contiguous"),
    ):
        with pytest.raises(ValueError, match=error):
            run_epochs(doubler(2, 2), doubler(1, 2), [x], batch_size=2, gathered=[bad])


def test_bad_arguments_of_the_loop() -> None:
    full, tail = doubler(2, 2), doubler(1, 2)
    x = np.ones((5, 2))
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: run_epochs(full, None, [x], batch_size=2), ValueError, "last batch of 1 rows"),
        (lambda: run_epochs(None, tail, [x], batch_size=2), ValueError, "full batch of 2 rows"),
        (lambda: run_epochs(tail, full, [x], batch_size=2), ValueError, "must take 2 rows"),
        (lambda: run_epochs(full, tail, [x, x], batch_size=2), ValueError, "1 inputs, got 2"),
        (lambda: run_epochs(full, tail, [x[:, :1]], batch_size=2), ValueError, r"\(1,\)"),
        (lambda: run_epochs(full, tail, [1.0], batch_size=2), ValueError, "no rows"),
        (lambda: run_epochs(full, tail, [x], batch_size=0), ValueError, "batch_size"),
        (lambda: run_epochs(full, tail, [x], batch_size=2, epochs=-1), ValueError, "epochs"),
        (lambda: run_epochs(None, None, [x], batch_size=2), TypeError, "needs a program"),
        (lambda: run_epochs(3, tail, [x], batch_size=2), TypeError, "Executable"),  # type: ignore[arg-type]
    ]
    for call, error, message in cases:
        with pytest.raises(error, match=message):
            call()


def test_poll_sees_every_epoch_and_stops() -> None:
    w = Variable([0.0, 0.0])
    x, y = data(20)
    seen: list[tuple[int, int, float]] = []

    def poll(epoch: int, rows: int, totals: Any, epoch_end: bool) -> bool | None:
        if epoch_end:
            seen.append((epoch, rows, float(totals[0])))
        return False if epoch_end and epoch == 6 else None

    totals = run_epochs(
        step(w, 10), None, [x, y], batch_size=10, epochs=100, first_epoch=4, poll=poll
    )
    assert [s[:2] for s in seen] == [(4, 20), (5, 20), (6, 20)]
    np.testing.assert_array_equal(totals[:, 0], [s[2] for s in seen])


def test_an_exception_in_poll_is_the_callers() -> None:
    raised = Unusual()

    def poll(*args: Any) -> None:
        raise raised

    w = Variable([0.0, 0.0])
    x, y = data(20)
    program = step(w, 10)
    with pytest.raises(Unusual) as caught:
        run_epochs(program, None, [x, y], batch_size=10, epochs=2, poll=poll)
    assert caught.value is raised
    run_epochs(program, None, [x, y], batch_size=10)

    def inside(*args: Any) -> None:
        program(x[:10], y[:10])

    with pytest.raises(RuntimeError, match="within its own replay"):
        run_epochs(program, None, [x, y], batch_size=10, poll=inside)


def test_a_loss_that_is_not_finite() -> None:
    w = Variable([0.0, 0.0])
    x, y = data(40)
    y[17] = np.inf
    program = step(w, 10)
    run_epochs(program, None, [x[:10], y[:10]], batch_size=10)
    before = w.tolist()
    with pytest.raises(NonFiniteLossError, match=r"inf at epoch 2, batch 1") as caught:
        run_epochs(
            program,
            None,
            [x, y],
            batch_size=10,
            first_epoch=2,
            check_loss=True,
            checkpoint=Checkpoint([w]),
        )
    assert isinstance(caught.value, ArithmeticError)
    assert (caught.value.epoch, caught.value.batch) == (2, 1)
    assert caught.value.value == np.inf
    assert w.tolist() == before


ENDLESS = """
import signal
import numpy as np
from pynn import Variable
from pynn._native import Recorder, run_epochs
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
w = Variable(np.zeros((256, 256), "float32"))
with Recorder() as recorder:
    x = recorder.input((64, 256))
    w.assign_add((x.T @ (x @ w)) * 1e-6)
    step = recorder.compile([(x @ w).sum()])
print("ready", flush=True)
try:
    run_epochs(step, None, [np.ones((640, 256), "float32")], batch_size=64, epochs=10**9)
except KeyboardInterrupt:
    step(np.ones((64, 256)))
    print("stopped", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_stops_the_loop_and_leaves_it_usable(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDLESS]
    # Not in the source tree, which would hide the installed package.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopped\n"
        assert time.monotonic() - sent < 0.5
    assert process.returncode == 0
