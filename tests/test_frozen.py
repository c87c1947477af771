"""Network.freeze: the native callable, its arguments, its independence and its copies."""

from __future__ import annotations

import copy
import os
import pickle
import threading

import numpy as np
import pytest

import pynn
from pynn import ops
from pynn.layers import Dense, Dropout, Flatten, Layer


def network(*, dtype: str | None = None, features: int = 4) -> pynn.Network:
    pynn.seed(3)
    return pynn.Network(
        [
            Dense(64, activation="tanh", input_shape=(features,)),
            Dropout(0.5),
            Dense(33, activation="relu"),
            Dense(2, activation="sigmoid"),
        ],
        dtype=dtype,
    )


def rows(n: int, features: int = 4, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, features)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_computes_what_the_network_computes(dtype: str) -> None:
    net = network(dtype=dtype)
    run = net.freeze()
    x = rows(5, dtype=run.dtype)
    close = {"float32": 1e-6, "float64": 1e-14, "bfloat16": 1e-2}[dtype]
    for given in (x, x[:1], x[0]):
        y = run(given)
        assert y.dtype == run.dtype and y.shape == (*given.shape[:-1], 2)
        np.testing.assert_allclose(y, net(given), rtol=close, atol=close)


def test_keeps_the_precision() -> None:
    net = network()
    net.use("mse", precision="mixed_bfloat16")
    x = rows(5)
    run = net.freeze()
    for given in (x, x[0]):
        np.testing.assert_allclose(run(given), net(given), rtol=1e-5, atol=1e-6)
    net.use("mse")
    assert not np.allclose(run(x), net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("features", [1, 2, 3, 7, 16, 17, 40, 64, 65, 130])
@pytest.mark.parametrize("units", [1, 2, 3, 5, 8, 9, 16, 31, 48, 63, 64, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_of_any_width(features: int, units: int, dtype: str) -> None:
    pynn.seed(features * 1000 + units)
    net = pynn.Network(
        [Dense(units, activation="gelu", input_shape=(features,), bias_initializer="normal")],
        dtype=dtype,
    )
    x = rows(1, features, dtype)
    expected = net(x.astype("float64"))
    close = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(net.freeze()(x), expected, rtol=close, atol=close)


def test_every_activation_of_a_row() -> None:
    x = np.array([0.3, -1.7, np.nan, 40.0], "float32")
    for activation in ("linear", "relu", "tanh", "sigmoid", "elu", "softplus", "selu", "gelu"):
        net = pynn.Network([Dense(3, activation=activation, input_shape=(4,))])
        for given in (x, np.nan_to_num(x)):
            np.testing.assert_allclose(net.freeze()(given), net(given), rtol=1e-5, atol=1e-6)


def test_any_number_of_rows_in_any_order() -> None:
    net = network()
    run = net.freeze()
    for n in (1, 7, 2, 1, 1024, 1025, 3, 2500, *range(1, 40), 7):
        np.testing.assert_allclose(run(rows(n)), net.predict(rows(n)), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="no rows"):
        run(rows(0))


def test_fills_out_in_place() -> None:
    run = network().freeze()
    x = rows(3)
    for given in (x, x[0]):
        out = np.full((*given.shape[:-1], 2), np.nan, "float32")
        assert run(given, out) is out
        np.testing.assert_array_equal(out, run(given))
        assert run(given, out=out) is out
    spread = np.zeros((3, 4), "float32")[:, ::2]
    assert run(x, out=spread) is spread
    np.testing.assert_array_equal(spread, run(x))
    assert run(x, None).shape == run(x, out=None).shape == (3, 2)


@pytest.mark.parametrize("n", [6, 3000])
def test_out_may_lie_in_the_input(n: int) -> None:
    pynn.seed(1)
    run = pynn.Network([Dense(4, activation="tanh", input_shape=(4,))]).freeze()
    memory = rows(n + 1)
    expected = run(memory[:-1])
    run(memory[:-1], out=memory[1:])
    np.testing.assert_array_equal(memory[1:], expected)


def test_converts_what_is_not_its_dtype() -> None:
    run = network().freeze()
    whole = [[1, 0, 2, 3], [4, 5, 6, 7]]
    expected = run(np.array(whole, "float32"))
    for given in (
        whole,
        np.array(whole),
        np.array(whole, "uint8"),
        np.array(whole, "float64"),
        np.array(whole, "float16"),
        np.array(whole, ">f4"),
        np.asfortranarray(np.array(whole, "float32")),
        np.repeat(np.array(whole, "float32"), 2, axis=1)[:, ::2],
        pynn.Tensor(np.array(whole, "float32")),
    ):
        np.testing.assert_array_equal(run(given), expected)


def test_refuses_what_does_not_fit() -> None:
    run = network().freeze()
    x = rows(3)
    for wrong in (x[:, :3], x[0, :3], x[np.newaxis], np.float32(1)):
        with pytest.raises(ValueError, match=r"Network 'network' expects one sample of shape \(4,"):
            run(wrong)
    for text in (["a", "b", "c", "d"], np.array([1j, 2, 3, 4])):
        with pytest.raises(TypeError, match="dtype"):
            run(text)
    for arguments in ((), (x, None, None)):
        with pytest.raises(TypeError, match=r"takes one array and out="):
            run(*arguments)
    with pytest.raises(TypeError, match=r"takes one array and out="):
        run(x, axis=0)

    with pytest.raises(ValueError, match=r"shape \(3, 2\) and dtype float32, got shape \(3, 1\)"):
        run(x, out=np.empty((3, 1), "float32"))
    with pytest.raises(ValueError, match=r"dtype float32, got shape \(3, 2\) and dtype float64"):
        run(x, out=np.empty((3, 2)))
    with pytest.raises(TypeError, match="NumPy array or a Tensor, got list"):
        run(x, out=[[0, 0]] * 3)
    read_only = np.empty((3, 2), "float32")
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        run(x, out=read_only)

    with pytest.raises(RuntimeError, match="doesn't know its input shape"):
        pynn.Network([Dense(2)]).freeze()


def test_describes_itself() -> None:
    run = network(dtype="float64").freeze()
    assert repr(run) == "<frozen Network 'network': (4,) -> (2,), float64>"
    assert (run.input_shape, run.output_shape, run.dtype) == ((4,), (2,), "float64")
    image = pynn.Network([Flatten(input_shape=(3, 2)), Dense(5)]).freeze()
    assert (image.input_shape, image.output_shape) == ((3, 2), (5,))
    assert image(np.ones((3, 2))).shape == (5,) and image(np.ones((4, 3, 2))).shape == (4, 5)


def test_keeps_the_weights_it_was_made_with() -> None:
    net = network()
    net.use("mse", "adam")
    x, y = rows(64), rows(64, 2)
    net.fit(x, y, verbose=0)
    run = net.freeze()
    before = run(x), run(x[0])
    net.fit(x, y, epochs=3, verbose=0)
    assert not np.allclose(net.predict(x), before[0], atol=1e-4)
    net.layers[0].trainable = False
    net.set_weights([np.zeros_like(w) for w in net.get_weights()])
    np.testing.assert_array_equal(run(x), before[0])
    np.testing.assert_array_equal(run(x[0]), before[1])
    np.testing.assert_array_equal(run(x[:9]), before[0][:9])  # recorded only now
    assert isinstance(net.optimizer, pynn.optimizers.Adam)


class Scaled(Layer):
    """Counts its calls in a variable, which nobody but itself reads."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.scale = self.add_weight("scale", input_shape, initializer="normal")
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)

    def forward(self, x: pynn.Tensor) -> pynn.Tensor:
        self.count.assign(self.count + 1)
        return x / ops.sqrt(self.scale * self.scale + 0.1) + self.count


def test_what_weights_alone_decide_is_computed_once() -> None:
    net = pynn.Network([Scaled(input_shape=(3,))])
    x = rows(2, 3)
    expected = net(x)  # the count is 1 within the call, and afterwards
    net.layers[0].count.assign(0)
    run = net.freeze()
    for _ in range(3):
        np.testing.assert_allclose(run(x), expected, rtol=1e-6)
    assert float(net.layers[0].count) == 0


class Squared(Layer):
    """NumPy code: runs under the GIL as a step of the program."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x * x

    def backward(self, grad: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def test_runs_layers_of_numpy_code_and_random_ones() -> None:
    net = pynn.Network([Squared(input_shape=(4,)), Dense(2)])
    np.testing.assert_allclose(net.freeze()(rows(3)), net(rows(3)), rtol=1e-6)

    class Noise(Layer):
        def forward(self, x: pynn.Tensor) -> pynn.Tensor:
            return x + ops.random_normal(x.shape)

    run = pynn.Network([Noise(input_shape=(4,))]).freeze()
    x = rows(1)
    assert not np.array_equal(run(x), run(x))
    pynn.seed(5)
    first = run(x)
    pynn.seed(5)
    np.testing.assert_array_equal(run(x), first)


@pytest.mark.parametrize("copied", [lambda f: pickle.loads(pickle.dumps(f)), copy.deepcopy])
def test_can_be_copied(copied: object) -> None:
    run = network().freeze()
    other = copied(run)  # type: ignore[operator]
    assert repr(other) == repr(run)
    np.testing.assert_array_equal(other(rows(5)), run(rows(5)))
    np.testing.assert_array_equal(other(rows(5)[0]), run(rows(5)[0]))


@pytest.mark.parametrize("width", [16, 1500])
def test_threads_call_it_at_the_same_time(width: int) -> None:
    pynn.seed(2)
    layers = [Dense(width, activation="tanh", input_shape=(6,)), Dense(width), Dense(2)]
    run = pynn.Network(layers).freeze()
    inputs = [rows(n % 3 + 1, 6) + n for n in range(8)]
    expected = [run(x) for x in inputs]
    wrong: list[int] = []
    start = threading.Barrier(len(inputs))

    def work(i: int) -> None:
        start.wait()
        out = np.empty_like(expected[i])
        for _ in range(30):
            if not np.array_equal(run(inputs[i], out=out), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_survives_fork() -> None:
    run = pynn.Network([Dense(1500, input_shape=(6,)), Dense(2)]).freeze()
    x = rows(300, 6)
    expected = run(x)
    child = os.fork()
    if child == 0:
        fine = np.array_equal(run(x), expected) and run(x[:2]).shape == (2, 2)
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
