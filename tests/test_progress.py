"""What users see of progress, on terminals of all kinds and in logs."""

from __future__ import annotations

import doctest
import io
import os
import re
import sys
import time
from collections.abc import Callable

import pytest

from pynn import progress
from pynn.progress import ProgressBar


class Terminal(io.StringIO):
    """A stream that says it is a terminal and keeps what is written."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    @property
    def frames(self) -> list[str]:
        """What was drawn, one text for each time."""
        return [frame.strip() for frame in self.getvalue().split("\r")[1:]]


class Clock:
    """Stands for time.perf_counter and goes on when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("TERM", raising=False)


def test_docstring_example_runs() -> None:
    failed, attempted = doctest.testmod(progress)
    assert attempted > 0
    assert failed == 0


def test_the_line_on_a_terminal(clock: Clock) -> None:
    stream = Terminal()
    bar = ProgressBar(60000, label="epoch 3/10", stream=stream)
    clock.now += 0.0375
    bar.update(45000, {"loss": 0.12341, "accuracy": 0.97648})
    assert stream.frames == [
        "epoch 3/10 ━━━━━━━━━━━━━━━━━━━━━━──────── "
        "45000/60000 loss 0.1234 accuracy 0.9765 1.2 M samples/s 0:00 left"
    ]
    clock.now += 0.0125
    bar.update(60000)
    bar.close({"loss": 0.1, "val_loss": 0.2})
    assert stream.frames[-1] == (
        "epoch 3/10 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ "
        "60000/60000 loss 0.1000 val_loss 0.2000 1.2 M samples/s 0.05 s"
    )
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue().count("\n") == 1


def test_redraws_at_most_ten_times_a_second(clock: Clock) -> None:
    stream = Terminal()
    bar = ProgressBar(10_000, stream=stream)
    for done in range(10_000):
        clock.now += 0.001
        bar.update(done)
    bar.close()
    assert 95 <= len(stream.frames) <= 102


def test_a_shorter_line_wipes_the_longer_one(clock: Clock) -> None:
    stream = Terminal()
    bar = ProgressBar(10, label="epoch", stream=stream)
    for values in {"loss": 123456.0}, {"l": 1.0}:
        clock.now += 1
        bar.update(1, values)
    first, second = stream.getvalue().split("\r")[1:]
    assert len(second) >= len(first.rstrip())


@pytest.mark.parametrize("columns", [*range(1, 130), 500])
@pytest.mark.parametrize("label", ["epoch 3/10", ""])
def test_the_line_fits_the_terminal(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, columns: int, label: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    bar = ProgressBar(60000, label=label, stream=stream)
    clock.now += 1
    bar.update(30000, {"loss": 0.5})
    line = stream.getvalue()[1:]
    assert len(line) == columns - 1
    whole = f"{label} 30000/60000 loss 0.5000 30 k samples/s 0:01 left".strip()
    if columns > len(whole) + 6:
        assert "━" in line
        assert line.replace("━", "").replace("─", "").split() == whole.split()
    elif columns > len(f"{label} 30000/60000 loss 0.5000"):
        assert line.strip().startswith(f"{label} ".lstrip())
        assert "30000/60000 loss 0.5000" in line


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_a_real_terminal_tells_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl
    import struct
    import termios

    monkeypatch.delenv("COLUMNS")
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 60, 0, 0))
    with open(follower, "w", encoding="utf-8") as stream:
        with ProgressBar(10, label="epoch 1/1", stream=stream) as bar:
            bar.update(10)
        text = os.read(leader, 1000).decode()
    os.close(leader)
    assert "10/10" in text
    assert {len(frame.rstrip("\r\n")) for frame in text.split("\r") if frame.strip()} == {59}


def test_in_a_log_there_is_one_line_an_epoch(clock: Clock) -> None:
    log = io.StringIO()
    for epoch in 1, 2:
        with ProgressBar(60000, label=f"epoch {epoch}/2", stream=log) as bar:
            for done in range(0, 60001, 10000):
                clock.now += 0.25
                bar.update(done, {"loss": 1 / epoch})
    assert log.getvalue() == (
        "epoch 1/2 60000/60000 loss 1.0000 34.3 k samples/s 1.75 s\n"
        "epoch 2/2 60000/60000 loss 0.5000 34.3 k samples/s 1.75 s\n"
    )


def test_writes_to_the_standard_output_of_the_moment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ProgressBar(2, label="this").close()
    assert capsys.readouterr().out.startswith("this 0/2 ")
    monkeypatch.setattr(sys, "stdout", None)  # as under pythonw
    bar = ProgressBar(2)
    bar.update(1)
    bar.close()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_ascii_where_the_encoding_has_no_more(clock: Clock, encoding: str) -> None:
    stream = Terminal(encoding)
    bar = ProgressBar(4, label="Übung ∇", stream=stream)
    clock.now += 1
    bar.update(2)
    line = stream.frames[0]
    assert f"{'=' * 15}{'-' * 15} 2/4" in line
    assert "∇" not in line
    assert ("Ü" in line) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("set_up", "coloured"),
    [
        (lambda env: None, True),
        (lambda env: env.setenv("NO_COLOR", "1"), False),
        (lambda env: env.setenv("NO_COLOR", ""), True),  # as no-color.org has it
        (lambda env: env.setenv("TERM", "dumb"), False),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="colour depends on the console there")
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch,
    set_up: Callable[[pytest.MonkeyPatch], None],
    coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR")
    set_up(monkeypatch)
    for stream, expected in (Terminal(), coloured), (io.StringIO(), False):
        with ProgressBar(2, stream=stream) as bar:
            bar.update(1)
        assert ("\x1b[" in stream.getvalue()) == expected
        assert stream.getvalue().count("\x1b[0m") == stream.getvalue().count("\x1b[32m")


@pytest.mark.parametrize(
    ("total", "done", "seconds", "unit", "line"),
    [
        (9_912_422, 4_956_211, 2, "B", "5.0 MB/9.9 MB 2.5 MB/s 0:02 left"),
        (None, 4_956_211, 2, "B", "5.0 MB 2.5 MB/s 0:02"),
        (10, 1, 1000, "steps", "1/10 0.0 steps/s 2:30:00 left"),
        (1000, 10, 3, "samples", "10/1000 3.3 samples/s 4:57 left"),
        (10**9, 999_600, 1, "samples", "999600/1000000000 1.0 M samples/s 16:39 left"),
        (10, 0, 5, "samples", "0/10 0 samples/s 0:05"),
        (10, 12, 6, "samples", "12/10 2 samples/s 0:00 left"),
        (0, 0, 1, "samples", "0/0 0 samples/s 0:01"),
    ],
)
def test_figures_are_written_for_people(
    clock: Clock, total: int | None, done: int, seconds: float, unit: str, line: str
) -> None:
    stream = Terminal()
    bar = ProgressBar(total, unit=unit, stream=stream)
    clock.now += seconds
    bar.update(done)
    assert re.sub("^[━─]+ ", "", stream.frames[0]) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0.0000"), (2.5, "2.5000"), (-0.25, "-0.2500"), (3e-5, "3e-05")),
        *((1.23456e7, "1.235e+07"), (float("nan"), "nan"), (float("inf"), "inf")),
    ],
)
def test_values_keep_their_meaning(value: float, text: str) -> None:
    log = io.StringIO()
    ProgressBar(1, stream=log).close({"loss": value})
    assert f" loss {text} " in log.getvalue()


def test_leaving_by_an_exception_ends_the_line_where_it_was(clock: Clock) -> None:
    stream = Terminal()

    def train() -> None:
        with ProgressBar(10, stream=stream) as bar:
            clock.now += 1
            bar.update(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert "3/10" in stream.frames[-1]
    assert stream.getvalue().endswith("\n")


def test_after_close_nothing_more_is_written(clock: Clock) -> None:
    stream = Terminal()
    bar = ProgressBar(10, stream=stream)
    bar.close()
    written = stream.getvalue()
    clock.now += 1
    bar.update(5)
    bar.close({"loss": 1.0})
    assert stream.getvalue() == written


def test_a_negative_total_is_refused() -> None:
    with pytest.raises(ValueError, match="total must not be negative, got -1"):
        ProgressBar(-1)
