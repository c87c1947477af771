"""Shuffling and seeds: what a fit draws at random, and that it draws the same again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_mlp import X, Y, mlp, same_bits

import pynn
from pynn import Network
from pynn.callbacks import Callback
from pynn.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    LayerNormalization,
    MaxPool2D,
)
from pynn.optimizers import SGD, Adam


def test_every_epoch_sees_every_sample_once_in_a_new_order() -> None:
    orders: list[list[int]] = []

    class Watch(Layer):
        def forward(self, x: np.ndarray) -> np.ndarray:
            if self.training and x.any():
                orders.append(x[:, 0].astype(int).tolist())
            return x

        def backward(self, grad: np.ndarray) -> np.ndarray:
            return grad

    x = np.arange(1, 11, dtype="float32")[:, None]
    net = Network([Watch(input_shape=(1,)), Dense(1)])
    net.use("mse", SGD(0.0))
    pynn.seed(3)
    net.fit(x, x, epochs=3, batch_size=4, verbose=0)
    assert [len(order) for order in orders] == [4, 4, 2] * 3
    epochs = [[*orders[i], *orders[i + 1], *orders[i + 2]] for i in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(1, 11)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    orders.clear()
    net.fit(x, x, epochs=1, batch_size=10, shuffle=False, verbose=0)
    assert orders == [list(range(1, 11))]


def make_and_fit(verbose: int = 0, **options: Any) -> Network:
    pynn.seed(9)
    net = Network([Dense(16, "relu", input_shape=(3,)), Dropout(0.2), Dense(2)])
    net.use("mse", Adam(0.01), metrics=["mae"])
    net.fit(X, Y, epochs=4, batch_size=8, verbose=verbose, **options)
    return net


def test_watching_a_fit_does_not_change_it(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = make_and_fit()

    class Batches(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            pass

    for options in (
        {"verbose": 1},
        {"verbose": 2},
        {"callbacks": [Callback()]},
        {"callbacks": [Batches()]},
        {"validation_data": (X, Y)},
    ):
        assert same_bits(make_and_fit(**options), quiet), options
    assert "epoch 4/4" in capsys.readouterr().out


def test_a_fit_in_two_parts_is_one_fit() -> None:
    whole, parts = mlp(), mlp()
    for net in (whole, parts):
        net.use("mse", Adam(0.01))
    whole.fit(X, Y, epochs=4, shuffle=False, verbose=0)
    parts.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    history = parts.fit(X, Y, initial_epoch=2, epochs=4, shuffle=False, verbose=0)
    assert same_bits(whole, parts) and history.epoch == [2, 3]


def test_seeds_decide_everything() -> None:
    assert same_bits(make_and_fit(), make_and_fit())
    pynn.seed(1)
    a = Network([Dense(4, input_shape=(3,))])
    b = Network([Dense(4, input_shape=(3,))])
    assert not same_bits(a, b)


SCRIPT = """
import hashlib, sys
import numpy as np, pynn
from pynn.layers import Dense, Dropout
pynn.set_num_threads(int(sys.argv[1]))
pynn.seed(5)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(1000, 70)), rng.integers(0, 10, 1000)
wide = [Dense(400, "gelu", input_shape=(70,)), Dropout(0.1)]
net = pynn.Network([*wide, Dense(50, "tanh"), Dense(10, "softmax")])
net.use("sparse_categorical_crossentropy", "adam", metrics=["accuracy"])
history = net.fit(x, y, epochs=2, batch_size=96, verbose=0)
bits = b"".join(w.tobytes() for w in net.get_weights()) + net.predict(x).tobytes()
print(hashlib.sha256(bits).hexdigest(), history.history)
"""


def test_the_bits_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(threads)],
            cwd=tmp_path,  # not the source tree, which would hide the installed package
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in (1, 2, 3, 8)
    }
    assert len(outputs) == 1


def images() -> Network:
    first = Conv2D(20, 3, activation="relu", input_shape=(15, 13, 6))
    spread = [DepthwiseConv2D(3, depth_multiplier=2), BatchNormalization()]
    last = [Conv2D(12, 3, activation="relu"), Flatten(), LayerNormalization(), Dense(2)]
    return Network([first, MaxPool2D(2), *spread, *last])


def sequences() -> Network:
    return Network([LSTM(33, return_sequences=True, input_shape=(20, 5)), GRU(17), Dense(2)])


def words() -> Network:
    table = Embedding(50, 16, mask_zero=True, input_shape=(9,))
    return Network([table, Bidirectional(LSTM(8)), Dense(2)])


@pytest.mark.parametrize("make", [images, sequences, words])
def test_the_bits_of_other_layers_do_not_depend_on_it_either(make: Callable[[], Network]) -> None:
    before, seen = pynn.num_threads(), []
    rng = np.random.default_rng(0)
    shape = (70, *make().input_shape)
    x = rng.integers(0, 50, shape) if make is words else rng.random(shape, np.float32)
    y = rng.random((70, 2))
    try:
        for threads in (1, 2, 3, 8):
            pynn.set_num_threads(threads)
            pynn.seed(1)
            net = make()
            net.use("mse", SGD(0.1) if make is words else Adam(0.01))
            net.fit(x, y, epochs=2, batch_size=32, verbose=0)
            seen.append(net)
    finally:
        pynn.set_num_threads(before)
    assert all(same_bits(net, seen[0]) for net in seen)
    assert not same_bits(make(), seen[0])
