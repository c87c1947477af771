"""Callbacks: code that runs at certain moments of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynn.network import Network

Logs = Mapping[str, float]


class Callback:
    """Base of callbacks: a subclass overrides the moments it wants.

    A fit without callbacks, validation and progress bar runs all its epochs in one native call.
    With callbacks it comes up between epochs, and between batches only if one overrides a batch's
    moment.

    Attributes
    ----------
    network : Network
        What is being trained. ``network.stop_training = True`` ends the fit after the running batch
        or epoch.
    params : dict
        ``"epochs"``, ``"steps"`` (batches an epoch) and ``"batch_size"``.

    Examples
    --------
    >>> from pynn import Network
    >>> from pynn.callbacks import Callback
    >>> from pynn.layers import Dense
    >>> class Stop(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         if logs["loss"] < 1.0:
    ...             self.network.stop_training = True
    >>> net = Network([Dense(1, kernel_initializer="zeros", input_shape=(1,))])
    >>> net.use("mse", "sgd")
    >>> len(net.fit([[1.0]], [[0.5]], epochs=9, verbose=0, callbacks=[Stop()]).epoch)
    1
    """

    network: Network
    params: dict[str, Any]

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch; `logs` is empty."""

    def on_train_end(self, logs: Logs) -> None:
        """After the last epoch, with its figures."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Before an epoch, counted from 0; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation, with its figures."""

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """Before a batch, counted from 0 in its epoch; `logs` is empty."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After a batch, with the figures of the epoch so far."""


class CallbackList:
    """Calls several callbacks one after the other.

    Raises
    ------
    TypeError
        If one is not a `Callback`.
    """

    def __init__(
        self, callbacks: Sequence[Callback], network: Network, params: dict[str, Any]
    ) -> None:
        for callback in callbacks:
            if isinstance(callback, type) or not isinstance(callback, Callback):
                raise TypeError(f"callbacks expects Callback objects, got {callback!r}")
        self._callbacks = list(callbacks)
        for callback in callbacks:
            callback.network = network
            callback.params = params

    def __len__(self) -> int:
        return len(self._callbacks)

    @property
    def every_batch(self) -> bool:
        """Whether one of them has something to do between batches."""
        moments = ("on_train_batch_begin", "on_train_batch_end")
        return any(
            getattr(type(callback), moment) is not getattr(Callback, moment)
            for callback in self._callbacks
            for moment in moments
        )

    def call(self, moment: str, *arguments: Any) -> None:
        """Call one moment's method of all of them."""
        for callback in self._callbacks:
            getattr(callback, moment)(*arguments)
