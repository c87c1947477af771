"""Chains of pointwise steps: what runs as one pass has the bits of its steps run one by one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pynn import GradientTape, Tensor, Variable, num_threads, ops, set_num_threads
from pynn._native import Recorder

# Around the sizes of a vector, of a block of vectors, of a tile, and of what threads share.
SIZES = [1, 2, 15, 63, 64, 65, 129, 200, 1000, 1025, 4099, 70_001]


def adam(w: Variable, m: Variable, v: Variable, g: Tensor, step: Tensor) -> None:
    m.assign(m * 0.9 + g * 0.1)
    v.assign(v * 0.999 + ops.square(g) * 0.001)
    w.assign_sub(step * m / (ops.sqrt(v) + 1e-7))


def swap(w: Variable, m: Variable, v: Variable, g: Tensor, step: Tensor) -> None:
    old = ops.tanh(w)
    w.assign(m * step)
    m.assign(v - w)
    v.assign(old / (m + 3.0) + v * v)


def forks(w: Variable, m: Variable, v: Variable, g: Tensor, step: Tensor) -> None:
    a = ops.exp(g) - w
    b = ops.maximum(a * a, step - a)
    w.assign(ops.sigmoid(a) * b + 2.0 / (b + 4.0))
    m.assign(ops.gelu(b) - a / (1.5 + v))
    v.assign(w + m)


def from_one_value(w: Variable, m: Variable, v: Variable, g: Tensor, step: Tensor) -> None:
    w.assign(ops.tanh(step) * g - step)
    m.assign(step - ops.square(step) * w)
    v.assign(step + 0.0 * v)


def sums_of_products(w: Variable, m: Variable, v: Variable, g: Tensor, step: Tensor) -> None:
    old = m * 0.7
    m.assign(ops.square(g) - 0.3 * w)
    w.assign(step * v - ops.square(w) + old)
    v.assign((g * w) * step + 1.5 - (w * 0.3 - (m + w) * step))


def derivatives(w: Variable, m: Variable, v: Variable, g: Tensor, step: Tensor) -> None:
    with GradientTape() as tape:
        y = ops.square(ops.tanh(w) - ops.sigmoid(m)) * v + ops.relu(g - w)
    w.assign_sub(step * tape.gradient(y, w))


UPDATES = [adam, swap, forks, from_one_value, sums_of_products, derivatives]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("update", UPDATES)
def test_a_chain_has_the_bits_of_its_steps(update: Callable[..., None], n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    start = [rng.uniform(0.1, 0.9, n).astype(dtype) for _ in range(4)]
    step = np.asarray(0.3, dtype)
    stepwise = [Variable(x) for x in start[:3]]
    recorded = [Variable(x) for x in start[:3]]
    with Recorder() as recorder:
        update(*recorded, Tensor(start[3]), Tensor(step))
    run = recorder.compile([])
    for _ in range(2):
        update(*stepwise, Tensor(start[3]), Tensor(step))
        run()
        for ours, expected in zip(recorded, stepwise, strict=True):
            np.testing.assert_array_equal(ours.numpy(), expected.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "n"), [(784, 128), (300, 256), (257, 130), (700, 520), (90, 70), (7, 5), (1, 3)]
)
@pytest.mark.parametrize("update", [adam, forks, sums_of_products, derivatives])
def test_a_chain_over_the_blocks_of_a_product_has_the_bits_of_its_steps(
    update: Callable[..., None], m: int, n: int, dtype: str
) -> None:
    rng = np.random.default_rng(m)
    start = [rng.uniform(0.1, 0.9, (m, n)).astype(dtype) for _ in range(3)]
    x, dy = (Tensor(rng.normal(size=(32, extent)).astype(dtype)) for extent in (m, n))
    step = Tensor(np.asarray(0.3, dtype))
    stepwise = [Variable(a) for a in start]
    update(*stepwise, ops.matmul(ops.transpose(x), dy), step)
    before = num_threads()
    try:
        for threads in (1, 2, 3, 8):
            set_num_threads(threads)
            recorded = [Variable(a) for a in start]
            with Recorder() as recorder:
                update(*recorded, ops.matmul(ops.transpose(x), dy), step)
            recorder.compile([])()
            for ours, expected in zip(recorded, stepwise, strict=True):
                np.testing.assert_array_equal(ours.numpy(), expected.numpy())
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("shape", [(3, 130), (129, 10), (7, 5, 33), (2, 1, 200)])
def test_a_chain_over_stretched_and_strided_operands(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=shape))
    row = Tensor(rng.normal(size=shape[-1:]))
    column = Tensor(rng.normal(size=(*shape[:-1], 1)))
    mirrored = ops.transpose(Tensor(rng.normal(size=shape[::-1])))

    def formula() -> Tensor:
        y = ops.tanh(x * row + column)
        return (y - mirrored) * (row + 1.0) / (ops.square(column) + 1.0)

    with Recorder() as recorder:
        y = formula()
    np.testing.assert_array_equal(np.asarray(recorder.compile([y])()[0]), formula().numpy())


@pytest.mark.parametrize("n", [100, 131_072, 300_001])  # one thread copies the first, all the last
def test_arrays_go_in_and_come_out_whole(n: int) -> None:
    x = np.random.default_rng(0).normal(size=n).astype(np.float32)
    with Recorder() as recorder:
        y = recorder.input((n,), "float32") + 0.0
    np.testing.assert_array_equal(np.asarray(recorder.compile([y])(x)[0]), x)
    variable = Variable(np.zeros(n, np.float32))
    variable.assign(x)
    np.testing.assert_array_equal(variable.numpy(), x)


# Linux: from here on no memory becomes executable (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN).
NO_NEW_CODE = """
import ctypes, sys, pytest
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
sys.exit(pytest.main(["-q", "-k", "bits_of_its_steps and 1025", *sys.argv[1:]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to refuse")
def test_chains_run_where_the_system_refuses_new_code(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NO_NEW_CODE, __file__]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout
