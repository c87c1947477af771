"""An optimizer's step on an embedding writes the rows that the batch names, and only where that
is the same as a step on all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Network, Variable, ops, optimizers
from pynn._native import Recorder
from pynn.layers import Dense, Embedding, EmbeddingBag, Flatten

RNG = np.random.default_rng(5)
ROWS, WIDTH = 500, 37
INDICES = RNG.integers(0, 30, size=(4, 6))  # with many equal ones
PICKED: list[Any] = [INDICES, INDICES[0, 0], INDICES - 31]


def updated(update: Any, indices: Any, dtype: str, dense: bool) -> tuple[Any, str]:
    """Take a step by the gradient of some function of the rows; `dense`: in a way that hides it."""
    w = Variable(np.random.default_rng(1).normal(size=(ROWS, WIDTH)), dtype=dtype)
    rate = Variable(0.1, dtype=dtype)
    with Recorder() as recorder:
        i = recorder.input(np.shape(indices), "int64")
        rows = ops.take(w, i, axis=0)
        loss = ops.sum(ops.sin(rows) * rows)
        (gradient,) = recorder.gradient(loss, [w])
        w.assign(update(w, gradient, rate))
        program = recorder.compile([loss, gradient] if dense else [loss])
    for _ in range(3):
        program(indices)
    return w.numpy(), program.listing()


UPDATES = [
    lambda w, g, rate: w - rate * g,
    lambda w, g, rate: w - g * rate,
    lambda w, g, rate: g * rate + w,
    lambda w, g, rate: w + rate * (rate * g),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("indices", PICKED, ids=["matrix", "one", "negative"])
@pytest.mark.parametrize("update", UPDATES)
def test_the_bits_are_those_of_a_step_on_all_rows(update: Any, indices: Any, dtype: str) -> None:
    narrow, listing = updated(update, indices, dtype, dense=False)
    expected, full = updated(update, indices, dtype, dense=True)
    assert "scatter_add" in full and "scatter_add" not in listing
    np.testing.assert_array_equal(narrow, expected)


@pytest.mark.parametrize(
    "update",
    [
        lambda w, g, rate: w * 0.9 - rate * g,
        lambda w, g, rate: rate * g - w,
        lambda w, g, rate: w - rate * (g + 1.0),
        lambda w, g, rate: w - g * w,
    ],
)
def test_other_updates_go_over_all_rows(update: Any) -> None:
    found, listing = updated(update, INDICES, "float64", dense=False)
    expected, _ = updated(update, INDICES, "float64", dense=True)
    assert "scatter_add" in listing
    np.testing.assert_array_equal(found, expected)


def test_an_index_out_of_range_changes_nothing() -> None:
    w = Variable(np.ones((ROWS, 2), "float32"))
    with Recorder() as recorder:
        i = recorder.input((3,), "int64")
        (gradient,) = recorder.gradient(ops.sum(ops.take(w, i, axis=0)), [w])
        w.assign_sub(gradient)
        program = recorder.compile([])
    for _ in range(2):
        with pytest.raises(IndexError, match="out of range"):
            program([1, 2, ROWS])
        np.testing.assert_array_equal(w, np.ones((ROWS, 2)))
    program([1, 2, 1])
    assert w[1].tolist() == [-1, -1] and w[2].tolist() == [0, 0] and w[0].tolist() == [1, 1]


def test_a_tape_keeps_rows_that_a_replay_overwrites() -> None:
    w = Variable(np.ones((ROWS, 2)))

    @pynn.function
    def step(i: Any) -> Any:
        w.assign_sub(0.5 * pynn.grad(lambda w: ops.sum(ops.take(w, i, axis=0)))(w))
        return i

    with pynn.GradientTape() as tape:
        y = ops.sum(w * w)
    step(np.array([0, 0, 3]))
    np.testing.assert_array_equal(tape.gradient(y, w), np.full((ROWS, 2), 2.0))
    assert w[0].tolist() == [0, 0] and w[3].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("bag", [False, True])
def test_fit_takes_the_steps_that_numpy_takes(bag: bool) -> None:
    layer = EmbeddingBag(ROWS, 4, combiner="sum") if bag else Embedding(ROWS, 4, input_shape=(6,))
    body = [layer] if bag else [layer, Flatten()]
    net = Network([*body, Dense(1, use_bias=False)])
    net.use(loss="mse", optimizer=optimizers.SGD(0.05))
    y = RNG.normal(size=(8, 1)).astype("float32")
    x = np.concatenate([INDICES, INDICES + 200])
    net(x)
    table, kernel = (p.numpy().astype("float64") for p in net.parameters)
    net.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0)
    for _ in range(3):
        for rows in (slice(0, 4), slice(4, 8)):
            picked = table[x[rows]]
            flat = picked.sum(axis=1) if bag else picked.reshape(4, -1)
            d = 2 * (flat @ kernel - y[rows]) / 4
            dflat = d @ kernel.T
            dpicked = np.repeat(dflat[:, None], 6, 1) if bag else dflat.reshape(picked.shape)
            kernel = kernel - 0.05 * flat.T @ d
            np.add.at(table, x[rows], -0.05 * dpicked)
    np.testing.assert_allclose(net.parameters[0], table, atol=1e-5)
    np.testing.assert_allclose(net.parameters[1], kernel, atol=1e-5)
