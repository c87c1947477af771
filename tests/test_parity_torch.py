"""The same numbers as PyTorch: losses, their gradients, and every optimizer's way down."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from numpy_reference import draw

from pynn import Network, losses, optimizers
from pynn.datasets import load_mnist
from pynn.layers import Dense

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
F = torch.nn.functional

STEPS, BATCH = 100, 64
torch.set_num_threads(1)  # networks are too small for more to pay


LOSSES = [
    ("mean_squared_error", losses.MeanSquaredError(), lambda y, p: F.mse_loss(p, y)),
    ("mean_absolute_error", losses.MeanAbsoluteError(), lambda y, p: F.l1_loss(p, y)),
    ("huber", losses.Huber(0.7), lambda y, p: F.huber_loss(p, y, delta=0.7)),
    (
        "poisson",
        losses.Poisson(),
        lambda y, p: F.poisson_nll_loss(p, y, log_input=False, eps=1e-7),
    ),
    (
        "binary_crossentropy",
        losses.BinaryCrossentropy(),
        lambda y, p: F.binary_cross_entropy(p, y),
    ),
    (
        "binary_crossentropy",
        losses.BinaryCrossentropy(from_logits=True),
        lambda y, p: F.binary_cross_entropy_with_logits(p, y),
    ),
    (
        "categorical_crossentropy",
        losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        lambda y, p: F.cross_entropy(p, y, label_smoothing=0.1),
    ),
    (
        "categorical_crossentropy",
        losses.CategoricalCrossentropy(),
        lambda y, p: F.nll_loss(torch.log(p / p.sum(1, keepdim=True)), y.argmax(1)),
    ),
    (
        "kl_divergence",
        losses.KLDivergence(),
        lambda y, p: F.kl_div(torch.log(p), y, reduction="batchmean"),
    ),
    (
        "cosine_similarity",
        losses.CosineSimilarity(),
        lambda y, p: -F.cosine_similarity(p, y).mean(),
    ),
]


@pytest.mark.parametrize(("name", "ours", "theirs"), LOSSES)
def test_loss_and_gradient(name, ours, theirs):
    y, p = (x.astype(np.float32) for x in draw(name, np.random.default_rng(0), n=33, d=6))
    predictions = torch.tensor(p, requires_grad=True)
    value = theirs(torch.tensor(y), predictions)
    value.backward()
    assert ours(y, p) == pytest.approx(value.item(), rel=1e-5, abs=1e-7)
    np.testing.assert_allclose(
        ours.gradient(y, p), predictions.grad.numpy(), rtol=1e-5, atol=1e-5 / y.size
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_sparse_loss_and_gradient(smoothing):
    rng = np.random.default_rng(0)
    y, x = rng.integers(0, 6, 33), rng.normal(size=(33, 6)).astype(np.float32)
    logits = torch.tensor(x, requires_grad=True)
    value = F.cross_entropy(logits, torch.tensor(y), label_smoothing=smoothing)
    value.backward()
    ours = losses.SparseCategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    assert ours(y, x) == pytest.approx(value.item(), rel=1e-5)
    np.testing.assert_allclose(ours.gradient(y, x), logits.grad.numpy(), rtol=1e-5, atol=1e-7)


OPTIMIZERS = {
    "sgd": (optimizers.SGD(0.1), lambda w: torch.optim.SGD(w, lr=0.1)),
    "momentum": (
        optimizers.SGD(0.02, momentum=0.9),
        lambda w: torch.optim.SGD(w, lr=0.02, momentum=0.9),
    ),
    "nesterov": (
        optimizers.SGD(0.02, momentum=0.9, nesterov=True),
        lambda w: torch.optim.SGD(w, lr=0.02, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (
        optimizers.RMSprop(0.0005),
        lambda w: torch.optim.RMSprop(w, lr=0.0005, alpha=0.9, eps=1e-7),
    ),
    "rmsprop_centered": (
        optimizers.RMSprop(0.0005, momentum=0.5, epsilon=1e-4, centered=True),
        lambda w: torch.optim.RMSprop(
            w, lr=0.0005, alpha=0.9, momentum=0.5, eps=1e-4, centered=True
        ),
    ),
    "adagrad": (
        optimizers.Adagrad(0.01),
        lambda w: torch.optim.Adagrad(w, lr=0.01, initial_accumulator_value=0.1, eps=1e-7),
    ),
    "adam": (optimizers.Adam(), lambda w: torch.optim.Adam(w, lr=0.001, eps=1e-7)),
    "amsgrad": (
        optimizers.Adam(amsgrad=True),
        lambda w: torch.optim.Adam(w, lr=0.001, eps=1e-7, amsgrad=True),
    ),
    "adamw": (
        optimizers.AdamW(weight_decay=0.1),
        lambda w: torch.optim.AdamW(w, lr=0.001, eps=1e-7, weight_decay=0.1),
    ),
    "nadam": (optimizers.Nadam(), lambda w: torch.optim.NAdam(w, lr=0.001, eps=1e-7)),
}


@pytest.fixture(scope="module")
def images():
    """Return MNIST where it is, else made-up digits: ten strokes of light pixels, with noise."""
    folder = Path(os.environ.get("PYNN_DATA_DIR", "")) / "mnist"
    if folder.is_dir():
        (x, y), _ = load_mnist(folder, flatten=True, normalize=True)
        return x[: STEPS * BATCH], y[: STEPS * BATCH].astype(np.int64)
    rng = np.random.default_rng(0)
    strokes = rng.uniform(size=(10, 784)) * (rng.uniform(size=(10, 784)) < 0.2)
    y = rng.integers(0, 10, STEPS * BATCH)
    seen = rng.uniform(size=(len(y), 784)) < 0.3
    x = np.clip((strokes[y] + rng.normal(0, 0.1, seen.shape)) * seen, 0, 1)
    return x.astype(np.float32), y


def descend_both(case, images, activation, dtype, sizes=(784, 512, 512, 10), seed=1):
    """Return the loss before each step, ours and PyTorch's: same weights, same batches."""
    x, y = images[0].astype(dtype), images[1]
    optimizer, make = OPTIMIZERS[case]
    net = Network(dtype=dtype)
    theirs = torch.nn.Sequential()
    weights, rng = [], np.random.default_rng(seed)
    for inputs, outputs in itertools.pairwise(sizes):
        last = outputs == sizes[-1]
        net.add(Dense(outputs, "softmax" if last else activation, input_shape=(inputs,)))
        layer = torch.nn.Linear(inputs, outputs, dtype=getattr(torch, dtype))
        kernel = rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)).astype(dtype)
        weights += [kernel, np.zeros(outputs, dtype)]
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(kernel.T))
            layer.bias.zero_()
        theirs.append(layer)
        if not last:
            theirs.append({"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]())
    fresh = type(optimizer).from_config(optimizer.get_config())
    net.use(loss="sparse_categorical_crossentropy", optimizer=fresh)
    net.set_weights(weights)
    peer = make(theirs.parameters())

    ours, expected = [], []
    for start in range(0, STEPS * BATCH, BATCH):
        rows = slice(start, start + BATCH)
        history = net.fit(x[rows], y[rows], batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
        ours.append(history.history["loss"][0])
        peer.zero_grad()
        loss = F.cross_entropy(theirs(torch.tensor(x[rows])), torch.tensor(y[rows]))
        loss.backward()
        peer.step()
        expected.append(loss.item())
    assert expected[-1] < expected[0] * 0.6
    return np.array(ours), np.array(expected)


# The network of the benchmarks in float32. Where the slope of an activation jumps, a rounding error
# decides now and then on which side a unit of a sample falls, and from there on any two
# implementations differ, PyTorch and PyTorch with the rows of a batch in another order among them:
# some 13 million times 100 steps put that question. A smooth activation does not put it, float64
# hardly ever answers it otherwise, and with ReLU in float32 one of a few starts goes by without.


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_float32_follows_pytorch_for_100_steps(case, images):
    ours, expected = descend_both(case, images, "tanh", "float32")
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


@pytest.mark.skipif("PYNN_DATA_DIR" not in os.environ, reason="needs MNIST: set PYNN_DATA_DIR")
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_float32_relu_follows_pytorch_on_mnist(case, images):
    drifts = []
    while not drifts or drifts[-1] > 1e-4:
        assert len(drifts) < 8, f"every start drifts from PyTorch: {drifts}"
        ours, expected = descend_both(case, images, "relu", "float32", seed=len(drifts))
        drifts.append(np.max(np.abs(ours / expected - 1)))


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_float64_relu_follows_pytorch(case, images):
    ours, expected = descend_both(case, images, "relu", "float64", sizes=(784, 256, 128, 10))
    np.testing.assert_allclose(ours, expected, rtol=1e-7)
