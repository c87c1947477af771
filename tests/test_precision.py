"""Mixed precision: products of bfloat16 operands, everything else in float32."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import pynn
from pynn import Network, _native, ops
from pynn._native import Recorder, Tensor
from pynn.datasets import load_digits
from pynn.layers import Dense, Dropout, Layer
from pynn.optimizers import SGD
from pynn.preprocessing import train_test_split

MIXED = "mixed_bfloat16"


def rounded(x):
    return Tensor(np.asarray(x, np.float32)).astype("bfloat16").astype("float32").numpy()


def mlp(precision, seed=3, activation="relu", optimizer="adam"):
    pynn.seed(seed)
    net = Network(
        [
            Dense(50, activation=activation, input_shape=(64,)),
            Dense(30, activation=activation),
            Dense(10, activation="softmax"),
        ]
    )
    net.use("sparse_categorical_crossentropy", optimizer, ["accuracy"], precision=precision)
    return net


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(normalize=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, stratify=y, seed=1)
    return x, y, x_test, y_test


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (3, 7, 5), (33, 20, 70), (130, 65, 129)])
def test_a_layer_rounds_the_operands_of_its_product_and_nothing_else(m, k, n, rng):
    layer = Dense(n, input_shape=(k,), bias_initializer="normal")
    net = Network([layer])
    net.use("mse", precision=MIXED)
    x = rng.normal(size=(m, k)).astype(np.float32)
    weight, bias = net.get_weights()
    y = net(x)
    exact = rounded(x).astype(np.float64) @ rounded(weight).astype(np.float64) + bias
    np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5)
    assert y.dtype == weight.dtype == np.float32

    dy = rng.normal(size=(m, n)).astype(np.float32)
    dx = net.backward(dy)
    dweight, dbias = net.gradients
    dz = rounded(dy).astype(np.float64)
    np.testing.assert_allclose(dx, dz @ rounded(weight).T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dweight, rounded(x).T @ dz, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(dbias, dy.sum(axis=0), rtol=1e-4, atol=1e-5)
    assert {g.dtype for g in (dx, dweight, dbias)} == {np.dtype("float32")}


@pytest.mark.parametrize("activation", ["tanh", "gelu", "relu", "elu"])
def test_activations_are_computed_on_float32_sums(activation, rng):
    x = rng.normal(size=(5, 64)).astype(np.float32)
    net, plain = mlp(MIXED, activation=activation), mlp("float32", activation=activation)
    for layer, reference in zip(net.layers, plain.layers, strict=True):
        reference.set_weights([rounded(w) if w.ndim == 2 else w for w in layer.get_weights()])
    first = Network(plain.layers[:1])
    np.testing.assert_allclose(
        Network(net.layers[:1])(rounded(x)), first(rounded(x)), rtol=0.02, atol=0.02
    )
    np.testing.assert_allclose(net(x), plain(x), rtol=0.1, atol=0.02)


def test_any_layer_made_of_products_gains(rng):
    class Bilinear(Layer):
        def build(self, input_shape):
            self.weight = self.add_weight("weight", (input_shape[-1], input_shape[-1]))

        def forward(self, x):
            return (x @ self.weight) * x

    net = Network([Bilinear(input_shape=(9,))])
    x = rng.normal(size=(4, 9)).astype(np.float32)
    net.use("mse", precision=MIXED)
    [weight] = net.get_weights()
    expected = (rounded(x) @ rounded(weight)) * x
    np.testing.assert_allclose(net(x), expected, rtol=1e-5, atol=1e-6)


def test_losses_optimizers_and_other_networks_keep_float32(rng):
    a, b = (rng.normal(size=(6, 6)).astype(np.float32) for _ in range(2))
    with Recorder() as recorder:
        x, y = recorder.input((6, 6)), recorder.input((6, 6))
        before = x @ y
        recorder.rounds_products = True
        inside = x @ y
        recorder.rounds_products = False
        program = recorder.compile([before, inside, x @ y])
    exact = a.astype(np.float64) @ b
    first, second, third = program(a, b)
    np.testing.assert_allclose(first, exact, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(first, third)
    assert np.abs(second - exact).max() > 1e-4

    inner = Network([Dense(6, input_shape=(6,), use_bias=False)], name="inner")
    outer = Network([inner, Dense(6, use_bias=False)])
    outer.use("mse")
    plain = outer(a)
    inner.use("mse", precision=MIXED)
    w, v = outer.get_weights()
    np.testing.assert_allclose(plain, a @ w @ v, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outer(a), (rounded(a) @ rounded(w)) @ v, rtol=1e-4, atol=1e-5)


def test_prediction_has_the_precision_and_loses_it_again(digits):
    x = digits[2]
    net, plain = mlp(MIXED), mlp("float32")
    full = plain.predict(x)
    mixed = net.predict(x)
    assert 0 < np.abs(mixed - full).max() < 0.02
    assert net.evaluate(x, digits[3])["loss"] == pytest.approx(
        plain.evaluate(x, digits[3])["loss"], rel=0.02
    )
    np.testing.assert_array_equal(net(x[:7]), net.predict(x[:7]))
    net.use("sparse_categorical_crossentropy", precision="float32")
    np.testing.assert_array_equal(net.predict(x), full)


def test_the_loss_follows_float32(digits):
    x, y, *_ = digits
    curves = []
    for precision in ("float32", MIXED):
        net = mlp(precision)
        history = net.fit(x, y, batch_size=32, epochs=5, verbose=0)
        curves.append(history.history["loss"])
        assert all(w.dtype == np.float32 for w in net.get_weights())
    np.testing.assert_allclose(curves[1], curves[0], rtol=0.03)


def test_accuracy_over_six_seeds_is_within_noise(digits):
    x, y, x_test, y_test = digits
    accuracy = {}
    for precision in ("float32", MIXED):
        accuracy[precision] = []
        for seed in range(6):
            net = mlp(precision, seed)
            net.fit(x, y, batch_size=64, epochs=15, verbose=0)
            accuracy[precision].append(float((net.predict(x_test).argmax(1) == y_test).mean()))
    full, mixed = (np.array(a) for a in accuracy.values())
    assert full.mean() > 0.94
    noise = full.std(ddof=1) / np.sqrt(6)
    assert abs(mixed.mean() - full.mean()) < max(3 * noise, 0.006), accuracy


def test_the_bits_do_not_depend_on_threads(rng):
    x = rng.normal(size=(300, 200)).astype(np.float32)
    y = rng.normal(size=(300, 130)).astype(np.float32)
    before = _native.num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 8):
            pynn.set_num_threads(threads)
            pynn.seed(5)
            net = Network(
                [Dense(257, activation="tanh", input_shape=(200,)), Dropout(0.2), Dense(130)]
            )
            net.use("mse", SGD(0.01, momentum=0.9), precision=MIXED)
            net.fit(x, y, batch_size=128, epochs=2, verbose=0)
            results.append([*net.get_weights(), net.predict(x)])
    finally:
        pynn.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("isa", _native.available_isas())
def test_every_instruction_set_trains(isa, tmp_path):
    code = (
        "import numpy as np, pynn\n"
        "from pynn.layers import Dense\n"
        "pynn.seed(0)\n"
        "net = pynn.Network([Dense(16, activation='tanh', input_shape=(3,)), Dense(2)])\n"
        f"net.use('mse', pynn.optimizers.SGD(0.1), precision='{MIXED}')\n"
        "x = np.linspace(-1, 1, 180, dtype=np.float32).reshape(60, 3)\n"
        "y = np.stack([x.sum(1), x[:, 0] - x[:, 2]], 1)\n"
        "losses = net.fit(x, y, batch_size=20, epochs=20, verbose=0).history['loss']\n"
        "assert losses[-1] < 0.1 * losses[0], losses\n"
    )
    environment = {**os.environ, "PYNN_ISA": isa}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("a", "b"), [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((4,), (4, 2))]
)
def test_products_of_bfloat16_tensors_are_float32_sums_rounded_once(a, b, rng):
    x, y = (rng.integers(-99, 99, shape).astype(np.float32) for shape in (a, b))
    z = ops.matmul(Tensor(x, "bfloat16"), Tensor(y, "bfloat16"))
    assert z.dtype == "bfloat16"
    np.testing.assert_array_equal(z.astype("float32").numpy(), rounded(x @ y))


def test_a_bfloat16_product_goes_where_it_is_told_to(rng):
    x, y = (rng.integers(-99, 99, (70, 70)).astype(np.float32) for _ in range(2))
    a, b = Tensor(x, "bfloat16"), Tensor(y, "bfloat16")
    out = ops.zeros((70, 70), "bfloat16")
    ops.matmul(a, b, out)
    np.testing.assert_array_equal(out.astype("float32").numpy(), rounded(x @ y))
    ops.matmul(a, b, b)  # the result lies over an operand
    np.testing.assert_array_equal(b.astype("float32").numpy(), rounded(x @ y))
    assert ops.matmul(ops.zeros((0, 3), "bfloat16"), ops.zeros((3, 2), "bfloat16")).shape == (0, 2)


def test_batches_of_products_round_alike(rng):
    a = rng.normal(size=(40, 9, 33)).astype(np.float32)
    b = rng.normal(size=(40, 33, 21)).astype(np.float32)
    with Recorder() as recorder:
        x, y = recorder.input(a.shape), recorder.input(b.shape)
        recorder.rounds_products = True
        z = ops.tanh(x @ y)
        program = recorder.compile([z, *recorder.gradient(z, [x, y])])
    z, dx, dy = program(a, b)
    exact = np.tanh(rounded(a) @ rounded(b))
    slope = rounded(1 - exact**2)
    np.testing.assert_allclose(z, exact, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dx, slope @ rounded(b).swapaxes(1, 2), rtol=0.02, atol=0.02)
    np.testing.assert_allclose(dy, rounded(a).swapaxes(1, 2) @ slope, rtol=0.02, atol=0.02)


def test_a_name_that_is_unknown_changes_nothing():
    net = Network([Dense(1, input_shape=(2,))])
    net.use("mse")
    with pytest.raises(ValueError, match="unknown precision 'mixed_bfloat'; did you mean 'mixed_b"):
        net.use("mae", precision="mixed_bfloat")
    assert (net.loss.name, net.precision) == ("mean_squared_error", "float32")


def test_float64_layers_are_refused():
    net = Network([Dense(1, input_shape=(2,), dtype="float64")])
    with pytest.raises(ValueError, match=r"mixed_bfloat16 .* Dense 'dense' has float64"):
        net.use("mse", precision=MIXED)
    net = Network()
    net.use("mse", precision=MIXED)
    net.add(Dense(1))
    net.add(Dense(1, dtype="float64"))
    with pytest.raises(ValueError, match=r"Dense 'dense_1' has float64"):
        net.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


def test_the_loss_follows_autocast_of_pytorch(digits):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    torch.set_num_threads(1)  # networks are too small for more to pay
    x, y = digits[0][:1024], digits[1][:1024]
    net = mlp(MIXED, optimizer=SGD(0.1))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(64, 50),
        torch.nn.ReLU(),
        torch.nn.Linear(50, 30),
        torch.nn.ReLU(),
        torch.nn.Linear(30, 10),
    )
    with torch.no_grad():
        for parameter, weight in zip(theirs.parameters(), net.get_weights(), strict=True):
            parameter.copy_(torch.tensor(weight.T))
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1)
    expected = []
    for _ in range(10):
        total = 0.0
        for i in range(0, len(x), 64):
            with torch.autocast("cpu", torch.bfloat16):
                logits = theirs(torch.tensor(x[i : i + 64]))
            loss = torch.nn.functional.cross_entropy(
                logits.float(), torch.tensor(y[i : i + 64].astype(np.int64))
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        expected.append(total * 64 / len(x))
    history = net.fit(x, y, batch_size=64, epochs=10, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], expected, rtol=0.02)
