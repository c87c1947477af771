"""Fixed programs whose instructions the gate counts.

``python -m benchmarks.programs NAME REPEATS`` runs one. Imports are as few as can be: they count.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pynn import Network

Step = Callable[[], object]


def importing() -> Step:
    """What a program imports that builds a network."""

    def step() -> None:
        from pynn import Network, losses, optimizers  # noqa: F401
        from pynn.layers import Dense  # noqa: F401

    return step


def first_step() -> Step:
    """A new network's first training step: recording, planning and the step itself."""
    x, y = np.zeros((32, 784), np.float32), np.zeros(32, np.int64)
    return lambda: _mlp().fit(x, y, epochs=1, batch_size=32, verbose=0)


def training_step() -> Step:
    """A training step of 784-128-10 at batch 32, one out of 16 of an epoch."""
    x = np.random.default_rng(0).random((512, 784), np.float32)
    y, net = np.arange(512) % 10, _mlp()
    return lambda: net.fit(x, y, epochs=1, batch_size=32, verbose=0)


def xor_steps() -> Step:
    """A hundred steps over XOR, sample by sample."""
    import pynn
    from pynn.layers import Dense

    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    net = pynn.Network([Dense(3, "tanh", input_shape=(2,)), Dense(1, "tanh")])
    net.use(loss="mse", optimizer="sgd")
    return lambda: net.fit(x, y, epochs=25, batch_size=1, verbose=0)


def one_row() -> Step:
    """A hundred times one row through 4-64-64-2, `net(row)`."""
    net, row = _small()
    return lambda: [net(row) for _ in range(100)]


def frozen_row() -> Step:
    """The same, frozen."""
    net, row = _small()
    run = net.freeze()
    return lambda: [run(row) for _ in range(100)]


def eager_calls() -> Step:
    """A hundred times some ops on small arrays."""
    from pynn import ops

    a = np.random.default_rng(0).random((16, 16), np.float32)
    out = np.empty_like(a)

    def step() -> None:
        for _ in range(100):
            ops.matmul(a, a, out)
            ops.tanh(a, out=out)
            ops.add(a, a[0], out)
            ops.sum(a, axis=1)

    return step


def large_ops() -> Step:
    """Kernels by themselves: a product, an activation, a softmax and a sum of 2¹⁸ numbers."""
    from pynn import ops

    a = np.random.default_rng(0).random((256, 256), np.float32)
    long, out = np.tile(a, (4, 1)), np.empty((1024, 256), np.float32)

    def step() -> None:
        ops.matmul(long, a, out)
        ops.gelu(long, out=out)
        ops.softmax(long)
        ops.sum(long, axis=0)

    return step


PROGRAMS = {
    f.__name__.replace("_", " "): f
    for f in (
        importing, first_step, training_step, xor_steps, one_row, frozen_row, eager_calls, large_ops
    )
}  # fmt: skip


def _mlp() -> Network:
    import pynn
    from pynn.layers import Dense

    pynn.seed(1)
    net = pynn.Network([Dense(128, "relu", input_shape=(784,)), Dense(10, "softmax")])
    net.use(loss="sparse_categorical_crossentropy", optimizer="adam")
    return net


def _small() -> tuple[Network, NDArray[np.float32]]:
    import pynn
    from pynn.layers import Dense

    pynn.seed(1)
    net = pynn.Network([Dense(64, "tanh", input_shape=(4,)), Dense(64, "tanh"), Dense(2)])
    return net, np.ones((1, 4), np.float32)


if __name__ == "__main__":
    prepared = PROGRAMS[sys.argv[1]]()
    for _ in range(int(sys.argv[2])):
        prepared()
