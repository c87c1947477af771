"""MNIST for the peers, through files that their processes read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks.networks import XOR, Data, Mlp

TEST_ROWS = 512
_PARTS = ("x", "y", "x_test", "y_test")


def store_mnist(folder: Path, *, quick: bool) -> str:
    """Write the rows that `load` reads; return a sentence on where they come from.

    The real digits where the environment variable ``PYNN_DATA_DIR`` names a folder that has them in
    ``mnist``. Else, and for a quick run, made ones: blurred class prototypes of the same
    size and about as many zeros.
    """
    if os.environ.get("PYNN_DATA_DIR") and not quick:
        from pynn.datasets import load_mnist

        (x, y), (x_test, y_test) = load_mnist(flatten=True, normalize=True, download=False)
        said = "MNIST: the 60,000 real digits"
    else:
        rows, test = (640, 128) if quick else (60000, 10000)
        x, y = _made(rows, seed=1)
        x_test, y_test = _made(test, seed=2)
        said = f"MNIST: {rows:,} made rows of its size, as PYNN_DATA_DIR names no folder"
        if quick:
            said = f"MNIST: {rows:,} made rows, as this is a quick run"
    for name, part in zip(
        _PARTS, (x, y.astype(np.int64), x_test, y_test.astype(np.int64)), strict=True
    ):
        np.save(folder / f"{name}.npy", part)
    return said


def load(source: str | int, network: Mlp) -> Data:
    """Return rows for a network.

    Parameters
    ----------
    source : str or int
        The folder into which `store_mnist` wrote, the data called "xor", or how many rows to make.
    network : Mlp
        Says what made rows look like.
    """
    if source == "xor":
        return XOR
    if isinstance(source, int):
        return _learnable(network, source)
    return Data(*(np.load(Path(source) / f"{name}.npy") for name in _PARTS))


def _learnable(network: Mlp, rows: int) -> Data:
    """Return normal rows whose targets follow from them by a linear map."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows + TEST_ROWS, network.features), np.float32)
    teacher = rng.standard_normal((network.features, network.widths[-1]))
    z = x @ teacher / network.features**0.5
    y = z.argmax(axis=-1) if network.loss == "cross_entropy" else np.tanh(z).astype(np.float32)
    return Data(x[:rows], y[:rows], x[rows:], y[rows:])


def _made(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    prototypes = np.random.default_rng(0).random((10, 784), np.float32)
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, rows)
    x = prototypes[y] + 0.3 * rng.standard_normal((rows, 784), np.float32) - 0.7
    return np.clip(x, 0, 1), y
