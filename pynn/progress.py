"""A progress bar for downloads and training, on a terminal or in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

_INTERVAL = 0.1  # seconds between redraws
_WIDEST, _NARROWEST = 30, 5  # characters of the bar itself


class ProgressBar:
    """One line that tells how far something is.

    On a terminal the line is redrawn in place, at most ten times a second::

        epoch 3/10 ━━━━━━━━━─── 45000/60000 loss 0.1234 accuracy 0.9765 1.2 M samples/s 0:01 left

    Elsewhere (a file, a pipe, a notebook) it is written once, when the bar is closed. The line is
    made to fit the terminal and is plain ASCII where the stream's encoding has no ``━``. It has
    colour only on a terminal, and not where the environment variable ``NO_COLOR`` is set or
    ``TERM`` is ``dumb``.

    Parameters
    ----------
    total : int or None
        How much there is to do; ``None`` where that is not known.
    label : str, default ""
        What the line begins with.
    unit : str, default "samples"
        What is counted. Bytes, ``"B"``, are written as kB, MB and so on.
    stream : text file or None, default None
        Where to write; ``None`` is the standard output.

    Raises
    ------
    ValueError
        If `total` is negative.

    Examples
    --------
    >>> from pynn.progress import ProgressBar
    >>> with ProgressBar(3, label="epoch 1/1") as bar:  # doctest: +ELLIPSIS
    ...     for sample in range(3):
    ...         bar.update(sample + 1, {"loss": 0.5})
    epoch 1/1 3/3 loss 0.5000 ... samples/s 0.00 s
    """

    def __init__(
        self,
        total: int | None,
        *,
        label: str = "",
        unit: str = "samples",
        stream: TextIO | None = None,
    ) -> None:
        if total is not None and total < 0:
            raise ValueError(f"total must not be negative, got {total}")
        self._total = total
        self._label = label
        self._unit = unit
        # Without a console, as under pythonw, sys.stdout is None: then nothing is written.
        self._stream: TextIO | None = sys.stdout if stream is None else stream
        self._on_terminal = self._stream is not None and self._stream.isatty()
        self._encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._colour = self._on_terminal and _wants_colour()
        self._full, self._empty = ("━", "─") if _encodes("━─", self._encoding) else ("=", "-")
        self._done = 0
        self._values: Mapping[str, float] = {}
        self._started = time.perf_counter()
        self._drawn = -_INTERVAL  # when, since the start
        self._closed = False

    def update(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Say how far it is.

        Cheap enough to be called for every batch: most calls only take note of the figures.

        Parameters
        ----------
        done : int
            How much is done, from the start.
        values : mapping of str to float, or None, default None
            What to show beside it, such as the loss so far; ``None`` leaves what is shown.
        """
        self._done = done
        if values is not None:
            self._values = values
        if not self._on_terminal or self._closed:
            return
        elapsed = time.perf_counter() - self._started
        if elapsed - self._drawn >= _INTERVAL:
            self._drawn = elapsed
            self._draw(elapsed, end="")

    def close(self, values: Mapping[str, float] | None = None) -> None:
        """Write the last state and the time taken, and end the line; later calls do nothing.

        Parameters
        ----------
        values : mapping of str to float, or None, default None
            What to show at the end; ``None`` leaves what was shown.
        """
        if self._closed:
            return
        if values is not None:
            self._values = values
        self._closed = True
        self._draw(time.perf_counter() - self._started, end="\n")

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _draw(self, elapsed: float, end: str) -> None:
        if self._stream is None:
            return
        tail = self._tail(elapsed, final=bool(end))
        if self._on_terminal:
            line = "\r" + self._fitted(tail, _columns(self._stream) - 1)  # the last one would wrap
        else:
            line = " ".join([self._label, *tail] if self._label else tail)
        line = line.encode(self._encoding, "replace").decode(self._encoding)
        self._stream.write(line + end)
        self._stream.flush()

    def _tail(self, elapsed: float, final: bool) -> list[str]:
        """Write what stands right of the bar: count, values, rate, time."""
        count = _amount(self._done, self._unit)
        if self._total is not None:
            count = f"{count}/{_amount(self._total, self._unit)}"
        values = [f"{name} {_figure(value)}" for name, value in self._values.items()]
        rate = self._done / elapsed if elapsed > 0 else 0.0
        if final:
            clock = f"{elapsed:.2f} s" if elapsed < 60 else _clock(elapsed)
        elif self._total is None or rate == 0:
            clock = _clock(elapsed)
        else:
            clock = f"{_clock(max(0, self._total - self._done) / rate)} left"
        return [count, *values, f"{_scaled(rate, self._unit)}/s", clock]

    def _fitted(self, tail: list[str], columns: int) -> str:
        """Lay the line out in just so many columns, without rate, time or bar if need be."""
        head = f"{self._label} " if self._label else ""
        for keep in (len(tail), -1, -2):
            text = " ".join(tail[:keep])
            if len(head) + len(text) <= columns:
                break
        width = min(_WIDEST, columns - len(head) - len(text) - 1)
        if self._total is None or width < _NARROWEST:
            return (head + text)[:columns].ljust(columns)
        return f"{head}{self._bar(width)} {text.ljust(columns - len(head) - width - 1)}"

    def _bar(self, width: int) -> str:
        done = round(width * min(1.0, self._done / self._total)) if self._total else width
        full, empty = self._full * done, self._empty * (width - done)
        return f"\x1b[32m{full}\x1b[0;2m{empty}\x1b[0m" if self._colour else full + empty


def _amount(value: int, unit: str) -> str:
    return _scaled(value, unit) if unit == "B" else str(value)


def _scaled(value: float, unit: str) -> str:
    """Write a quantity with an SI prefix: ``1.2 M samples``, ``3.4 MB``."""
    prefixes = iter("kMGT")
    prefix = ""
    while value >= 999.5 and (larger := next(prefixes, "")):
        value, prefix = value / 1000, larger
    number = f"{value:.1f}" if value < 99.95 and value % 1 else f"{value:.0f}"
    gap = " " if prefix and unit != "B" else ""
    return f"{number} {prefix}{gap}{unit}"


def _figure(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _columns(stream: TextIO) -> int:
    """Columns of the terminal behind the stream: ``COLUMNS``, else what it says, else 80."""
    if (chosen := os.environ.get("COLUMNS", "")).isdecimal() and int(chosen) > 0:
        return int(chosen)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):  # not a terminal of the operating system, or one without a size
        return 80


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _wants_colour() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return os.name != "nt" or "WT_SESSION" in os.environ  # older Windows consoles print the codes
