"""Training, measuring and predicting with several inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import Input, Network, Tensor
from pynn.layers import Concatenate, Dense

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 2))
PRICE, KIND = A.sum(axis=1, keepdims=True), RNG.integers(0, 4, 40)
WEIGHT = RNG.uniform(0.5, 2, 40)
LOSSES = {"price": "mse", "kind": "sparse_categorical_crossentropy"}


def network(named: bool = False) -> Network:
    """A shared layer, two inputs and two outputs."""
    pynn.seed(1)
    a, b = Input(3, name="a"), Input(2, name="b")
    shared = Dense(3, "tanh", dtype="float64")
    hidden = Concatenate(dtype="float64")([shared(shared(a)), b])
    price = Dense(1, name="price", dtype="float64")(hidden)
    kind = Dense(4, "softmax", name="kind", dtype="float64")(hidden)
    ends = {"price": price, "kind": kind} if named else [price, kind]
    return Network(inputs=[a, b], outputs=ends)


def test_steps_of_weighted_losses_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    net = network()
    net.use(LOSSES, pynn.optimizers.SGD(0.1), loss_weights={"price": 0.5, "kind": 2.0})
    weights = [torch.tensor(w, requires_grad=True) for w in net.get_weights()]
    w, bias, v, c, u, d = weights
    a, b, price, kind, factor = (torch.tensor(x) for x in (A, B, PRICE, KIND, WEIGHT))
    optimizer = torch.optim.SGD(weights, lr=0.1)
    expected: list[list[float]] = []
    for _ in range(2):
        for rows in range(0, 40, 8):
            part = slice(rows, rows + 8)
            hidden = torch.tanh(torch.tanh(a[part] @ w + bias) @ w + bias)
            hidden = torch.cat([hidden, b[part]], dim=1)
            first = ((hidden @ v + c - price[part]) ** 2).mean()
            second = torch.nn.functional.cross_entropy(hidden @ u + d, kind[part], reduction="none")
            second = (second * factor[part]).mean()
            total = 0.5 * first + 2 * second
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            expected.append([x.item() for x in (total, first, second)])
    steps: list[list[float]] = []
    for _ in range(2):
        for rows in range(0, 40, 8):
            part = slice(rows, rows + 8)
            history = net.fit(
                [A[part], B[part]],
                [PRICE[part], KIND[part]],
                sample_weight=[None, WEIGHT[part]],
                verbose=0,
            ).history
            steps.append([history[name][0] for name in ("loss", "price_loss", "kind_loss")])
    np.testing.assert_allclose(steps, expected, rtol=1e-10)
    for ours, theirs in zip(net.get_weights(), weights, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("named", [False, True])
def test_lists_and_dicts_by_name_say_the_same(named: bool) -> None:
    listed, by_name = network(named), network(named)
    y: Any = {"price": PRICE, "kind": KIND} if named else [PRICE, KIND]
    listed.use(list(LOSSES.values()), loss_weights=[1, 0.5], metrics=["mae", ["accuracy"]])
    by_name.use(LOSSES, loss_weights={"kind": 0.5}, metrics={"kind": "accuracy", "price": "mae"})
    options: dict[str, Any] = {"epochs": 2, "batch_size": 16, "verbose": 0}
    first = listed.fit([A, B], y, validation_split=0.25, **options).history
    second = by_name.fit(
        {"b": B[:30], "a": A[:30]},
        {"kind": KIND[:30], "price": PRICE[:30]},
        validation_data=([A[30:], B[30:]], {"kind": KIND[30:], "price": PRICE[30:]}),
        **options,
    ).history
    figures = ["loss", "price_loss", "kind_loss", "price_mae", "kind_accuracy"]
    assert list(first) == [*figures, *(f"val_{name}" for name in figures)]
    assert first.keys() == second.keys()
    again = network(named)
    again.use(LOSSES)
    assert list(again.evaluate([A, B], y)) == figures[:3]


def test_measures_and_predictions_are_those_of_calls() -> None:
    net = network()
    net.use(LOSSES, loss_weights=[3, 1], metrics=[["mae"], None])
    price, kind = net([A, B])
    for found, expected in zip(net.predict([A, B], batch_size=16), (price, kind), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert all(isinstance(y, Tensor) for y in net.predict((Tensor(A), Tensor(B))))
    logs = net.evaluate([A, B], [PRICE, KIND], batch_size=16, sample_weight=WEIGHT)
    mse = (WEIGHT * ((price - PRICE) ** 2)[:, 0]).mean()
    entropy = (WEIGHT * -np.log(kind[np.arange(40), KIND])).mean()
    expected_logs = {
        "loss": 3 * mse + entropy,
        "price_loss": mse,
        "kind_loss": entropy,
        "price_mae": abs(price - PRICE).mean(),
    }
    assert logs == pytest.approx(expected_logs)
    assert set(network(named=True).predict([A, B])) == {"price", "kind"}


WRONG: list[tuple[Callable[[Network], Any], str]] = [
    (lambda net: net.fit([A], [PRICE, KIND]), "x expects .* 'a', 'b', got a list of 1"),
    (lambda net: net.predict(A), "x expects .* 'a', 'b', got ndarray"),
    (lambda net: net.predict({"a": A}), "got a dict of 'a'"),
    (lambda net: net.predict([A, A]), r"x 'b' of shape \(batch, 2\), got \(40, 3\)"),
    (lambda net: net.predict([A, B[:3]]), "x 'a' and x 'b' must have the same number"),
    (lambda net: net.fit([A, B], PRICE), "y expects .* 'price', 'kind', got ndarray"),
    (lambda net: net.fit([A, B], [PRICE, KIND[:3]]), "y 'kind' must have the same number"),
    (lambda net: net.fit([A, B], [A, KIND]), r"y 'price': .*got \(40, 3\)"),
    (lambda net: net.fit([A, B], [PRICE, KIND * 9]), "y 'kind': "),
    (
        lambda net: net.fit([A, B], [PRICE, KIND], sample_weight={"x": WEIGHT}),
        "sample_weight has an entry 'x'; the outputs are 'price', 'kind'",
    ),
    (
        lambda net: net.fit([A, B], [PRICE, KIND], sample_weight=[WEIGHT, -WEIGHT]),
        "sample_weight 'kind' expects numbers of at least 0",
    ),
    (lambda net: net.fit([A, B], [PRICE, KIND], class_weight={0: 1.0}), "one output"),
    (lambda net: net.use({"price": "mse"}), "loss has no entry for output 'kind'"),
    (lambda net: net.use(["mse"]), "loss expects one entry for each .* got 1"),
    (lambda net: net.use("mse", loss_weights=[1, -1]), "loss_weights of output 'kind'"),
    (lambda net: net.use("mse", metrics=[["mae", "mae"], None]), "metrics of output 'price'"),
    (lambda net: Network([Dense(1)]).use(["mse"]), "before Network 'network' knew its outputs"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_data_and_goals_name_the_input_or_output(
    call: Callable[[Network], Any], message: str
) -> None:
    net = network()
    net.use(LOSSES)
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        call(net)
    for now, then in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
