"""The epochs of a fit: replayed natively, with the moments at which Python has a say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pynn._native import Checkpoint, NonFiniteLossError, run_epochs
from pynn.batches import Data
from pynn.callbacks import CallbackList
from pynn.progress import ProgressBar
from pynn.random import fresh_key
from pynn.steps import Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pynn.network import Network


def replay(step: Step, arrays: Sequence[NDArray[Any]], **options: Any) -> NDArray[np.float64]:
    """Replay a step over the rows of arrays; returns the totals of each epoch."""
    tail = None if step.tail is None else step.tail.executable
    return run_epochs(
        step.full.executable, tail, list(arrays), batch_size=step.batch_size, **options
    )


class FitLoop:
    """The epochs of one fit. They compute the same whether they run at once or one by one."""

    def __init__(
        self, network: Network, step: Step, data: Data, shuffle: bool, hooks: CallbackList
    ) -> None:
        self._network = network
        self._step = step
        self._data = data
        self._hooks = hooks
        self._options = {
            "shuffle": shuffle,
            "key": fresh_key(),
            "check_loss": True,
            "checkpoint": Checkpoint([*network.weights, *network.optimizer.variables]),
        }

    @property
    def rows(self) -> int:
        """How many samples an epoch has."""
        return self._data.rows

    def run(self, first: int, last: int) -> dict[str, list[float]]:
        """Run epochs without coming up; returns the figures of all of them by name."""
        totals = self._replay(first_epoch=first, epochs=last - first)
        return self._step.columns(totals, self._data.rows)

    def epoch(self, epoch: int, display: Display) -> dict[str, float]:
        """Run one epoch with progress and callbacks; returns its figures."""
        network, step, hooks = self._network, self._step, self._hooks
        every_batch = hooks.every_batch
        seen = 0

        def poll(_: int, rows: int, totals: NDArray[np.float64], epoch_end: bool) -> bool:
            nonlocal seen
            seen = rows
            if not epoch_end:
                logs = step.logs(totals, rows)
                display.update(rows, logs)
                if every_batch:
                    batch = -(-rows // step.batch_size)
                    hooks.call("on_train_batch_end", batch - 1, logs)
                    if rows < self._data.rows and not network.stop_training:
                        hooks.call("on_train_batch_begin", batch, {})
            return not network.stop_training

        if every_batch:
            hooks.call("on_train_batch_begin", 0, {})
        [totals] = self._replay(
            first_epoch=epoch, poll=poll, poll_seconds=0.0 if every_batch else 0.05
        )
        logs = step.logs(totals, seen)
        display.update(seen, logs)
        return logs

    def _replay(self, **options: Any) -> NDArray[np.float64]:
        try:
            return replay(self._step, self._data.arrays, **self._options, **options)
        except NonFiniteLossError as error:
            error.args = (
                f"the loss of {self._network} became {error.value} in epoch {error.epoch + 1}, "
                f"batch {error.batch + 1}; the weights are back to the last good ones, from the "
                f"start of {'that' if error.batch else 'an earlier'} epoch. "
                "A smaller learning rate or clipnorm may help",
            )
            raise


class Display:
    """What a fit prints of one epoch: nothing, a progress bar, or a line at its end."""

    def __init__(self, verbosity: int, epoch: int, epochs: int, rows: int) -> None:
        self._label = f"epoch {epoch + 1}/{epochs}"
        self._line = verbosity == 2
        self._bar = ProgressBar(rows, label=self._label) if verbosity == 1 else None

    def update(self, rows: int, logs: Mapping[str, float]) -> None:
        if self._bar is not None:
            self._bar.update(rows, logs)

    def close(self, logs: Mapping[str, float]) -> None:
        if self._bar is not None:
            self._bar.close(logs)
        elif self._line:
            print(self._label, *(f"{name} {value:.4g}" for name, value in logs.items()))

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
