"""Callbacks: when a fit calls them, and what they may do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_mlp import X, Y, mlp, same_bits

from pynn.callbacks import Callback
from pynn.optimizers import SGD


class Log(Callback):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def on_train_begin(self, logs: Any) -> None:
        self.calls.append("begin")

    def on_train_end(self, logs: Any) -> None:
        self.calls.append(("end", sorted(logs)))

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.calls.append(("epoch", epoch))

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.calls.append(("epoch end", epoch, sorted(logs)))


class BatchLog(Log):
    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        self.calls.append(("batch", batch))

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.calls.append(("batch end", batch, sorted(logs)))


def test_callbacks_are_called_at_their_moments() -> None:
    net = mlp()
    net.use("mse", "sgd")
    log, batches = Log(), BatchLog()
    net.fit(X, Y, epochs=2, batch_size=25, verbose=0, callbacks=[log])
    end = ("end", ["loss"])
    assert log.calls == [
        "begin", ("epoch", 0), ("epoch end", 0, ["loss"]),
        ("epoch", 1), ("epoch end", 1, ["loss"]), end,
    ]  # fmt: skip
    assert log.network is net and log.params["steps"] == 2
    net.fit(X, Y, epochs=1, batch_size=25, verbose=0, callbacks=[batches], validation_split=0.5)
    net.fit(X, Y, epochs=1, batch_size=20, verbose=0, callbacks=[batches])
    assert batches.calls[:6] == [
        "begin", ("epoch", 0), ("batch", 0), ("batch end", 0, ["loss"]),
        ("epoch end", 0, ["loss", "val_loss"]), ("end", ["loss", "val_loss"]),
    ]  # fmt: skip
    assert [c for c in batches.calls[6:] if c[0].startswith("batch")] == [
        ("batch", 0), ("batch end", 0, ["loss"]), ("batch", 1), ("batch end", 1, ["loss"]),
        ("batch", 2), ("batch end", 2, ["loss"]),
    ]  # fmt: skip


def test_a_callback_may_stop_the_fit_after_a_batch_or_an_epoch() -> None:
    class StopAt(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            if batch == 2:
                self.network.stop_training = True

    net, two = mlp(), mlp()
    net.use("mse", SGD(0.1))
    two.use("mse", SGD(0.1))
    history = net.fit(X, Y, epochs=5, batch_size=10, verbose=0, shuffle=False, callbacks=[StopAt()])
    two.fit(X[:30], Y[:30], epochs=1, batch_size=10, verbose=0, shuffle=False)
    assert history.epoch == [0] and same_bits(net, two)
    assert len(net.fit(X, Y, epochs=2, verbose=0).epoch) == 2


def test_a_callback_may_predict_and_change_the_learning_rate() -> None:
    seen: list[np.ndarray] = []

    class Change(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            self.network.optimizer.learning_rate = 0.0 if epoch else 0.1

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            seen.append(self.network.predict(X))

    net = mlp()
    net.use("mse", SGD(0.5))
    net.fit(X, Y, epochs=3, verbose=0, callbacks=[Change()])
    assert not np.array_equal(seen[0], mlp().predict(X))
    np.testing.assert_array_equal(seen[1], seen[0])
    np.testing.assert_array_equal(seen[2], seen[0])


def test_an_error_in_a_callback_comes_out_of_fit() -> None:
    class Breaks(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            raise KeyError("mine")

    net = mlp()
    net.use("mse", "sgd")
    with pytest.raises(KeyError, match="mine"):
        net.fit(X, Y, verbose=0, callbacks=[Breaks()])
    net.fit(X, Y, verbose=0)


def test_a_network_is_trained_by_one_fit_at_a_time() -> None:
    class Nested(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            self.network.fit(X, Y, verbose=0)

    net = mlp()
    net.use("mse", "sgd")
    with pytest.raises(RuntimeError, match="is being trained already"):
        net.fit(X, Y, verbose=0, callbacks=[Nested()])
    net.fit(X, Y, verbose=0)
