"""Fits that end early: a loss that is not finite, Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time

import numpy as np
import pytest
from small_mlp import X, Y, mlp, same_bits

from pynn import Network, NonFiniteLossError
from pynn.layers import Dense
from pynn.optimizers import SGD, Adam


def test_a_loss_that_is_not_finite_stops_and_restores() -> None:
    net = mlp(dtype="float32")
    net.use("mse", SGD(0.01))
    net.fit(X, Y, verbose=0)
    good = net.get_weights()
    y = Y.copy()
    y[35] = np.nan
    with pytest.raises(NonFiniteLossError, match="epoch 1, batch 4;") as caught:
        net.fit(X, y, batch_size=10, shuffle=False, verbose=0, check_inputs=False)
    assert caught.value.batch == 3 and np.isnan(caught.value.value)
    assert isinstance(caught.value, ArithmeticError)
    assert all(np.array_equal(a, b) for a, b in zip(net.get_weights(), good, strict=True))
    net.use("mse", SGD(1e30))
    with pytest.raises(NonFiniteLossError, match="epoch"):
        net.fit(X, Y, epochs=50, batch_size=10, verbose=0)
    assert all(np.isfinite(w).all() for w in net.get_weights())


def test_the_optimizer_is_restored_with_the_weights() -> None:
    net, other = mlp(), mlp()
    for n in (net, other):
        n.use("mse", Adam(0.01))
        n.fit(X, Y, shuffle=False, verbose=0)
    bad = Y.copy()
    bad[-1] = np.inf
    with pytest.raises(NonFiniteLossError):
        net.fit(X, bad, shuffle=False, verbose=0, check_inputs=False)
    for n in (net, other):
        n.fit(X, Y, shuffle=False, verbose=0)
    assert same_bits(net, other)


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently")
@pytest.mark.parametrize("verbose", [0, 1])
def test_ctrl_c_stops_at_once_and_leaves_a_usable_network(verbose: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4000, 64)).astype("float32"), rng.integers(0, 10, 4000)
    net = Network([Dense(128, "relu", input_shape=(64,)), Dense(10, "softmax")])
    net.use("sparse_categorical_crossentropy", "adam")
    net.fit(x, y, verbose=0)
    sent: list[float] = []

    def interrupt() -> None:
        time.sleep(0.3)
        sent.append(time.perf_counter())
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, y, epochs=1_000_000, verbose=verbose)
    late = time.perf_counter() - sent[0]
    thread.join()
    assert late < 0.1
    assert np.isfinite(net.predict(x)).all()
    net.fit(x, y, verbose=0)
