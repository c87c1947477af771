"""Recordings, executables and Python steps, as Python sees them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from helpers import Unusual, check_gradient, doubler

from pynn import Tensor, Variable, _native, ops
from pynn._native import Executable, Recorder, host_call

# --- recordings


def test_recorders_nest_and_know_who_is_active() -> None:
    assert Recorder.current() is None
    with Recorder(training=True) as outer:
        assert Recorder.current() is outer
        assert outer.training
        with Recorder() as inner:
            assert Recorder.current() is inner
            assert not inner.training
            with Recorder.paused():
                assert Recorder.current() is None
                assert ops.relu([-1.0, 1.0]).tolist() == [0.0, 1.0]
        assert Recorder.current() is outer
    assert Recorder.current() is None


def test_a_recording_belongs_to_its_thread() -> None:
    seen = []
    with Recorder():
        thread = threading.Thread(target=lambda: seen.append(Recorder.current()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_an_exception_ends_the_recording() -> None:
    with pytest.raises(ZeroDivisionError), Recorder():
        raise ZeroDivisionError
    assert Recorder.current() is None


def test_tensors_of_two_recordings_do_not_mix() -> None:
    with Recorder() as first:
        x = first.input((2,))
    with Recorder() as second:
        y = second.input((2,))
        with pytest.raises(RuntimeError, match="another recording"):
            x + y


def test_the_producer_of_a_value() -> None:
    with Recorder() as recorder:
        x = recorder.input((2, 3))
        y = ops.softmax(x)
        produced = recorder.producer(y)
        assert produced is not None
        assert produced[0] == "softmax"
        assert [t.shape for t in produced[1]] == [(2, 3)]
        assert recorder.producer(x) is None
        assert recorder.producer(Tensor([1.0])) is None


def test_gradients_of_variables_and_of_nothing() -> None:
    w, unused = Variable([2.0, 3.0]), Variable([1.0])
    with Recorder() as recorder:
        x = recorder.input((2,))
        loss = (w * x * x).sum()
        dw, dx, none = recorder.gradient(loss, [w, x, unused])
        assert none is None
        assert dw is not None
        assert dx is not None
        step = recorder.compile([dw, dx])
    np.testing.assert_array_equal(step([1.0, 2.0])[0], [1.0, 4.0])
    w.assign([1.0, 1.0])
    np.testing.assert_array_equal(step([1.0, 2.0])[1], [2.0, 4.0])


# --- executables


def test_what_an_executable_says_of_itself() -> None:
    executable = doubler(2, 3)
    assert executable.input_types == [((2, 3), "float32")]
    assert executable.output_types == [((2, 3), "float32")]
    assert executable.arena_bytes >= 24
    assert executable.step_count == 1
    assert len(executable.listing().splitlines()) == executable.step_count
    with pytest.raises(TypeError):
        Executable()


def test_arguments_of_an_executable() -> None:
    executable = doubler(2, 3)
    a = np.arange(6.0).reshape(2, 3)
    for given in (a, a.astype("float32"), a.tolist(), Tensor(a), a.T.copy().T, a.astype("float16")):
        (out,) = executable(given)
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out, a * 2)
    first, second = executable(a)[0], executable(a + 1)[0]
    np.testing.assert_array_equal(first, a * 2)
    np.testing.assert_array_equal(second, a * 2 + 2)
    with pytest.raises(ValueError, match="has 1 inputs, got 2"):
        executable(a, a)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), got \(3, 2\)"):
        executable(a.T)
    with pytest.raises(TypeError, match="str"):
        executable(np.array(["a"]))
    with pytest.raises(TypeError, match="key="):
        executable(a, seed=1)
    np.testing.assert_array_equal(executable(a)[0], a * 2)


@pytest.mark.parametrize("kind", ["array", "strides", "float64", "tensor", "list", "read-only"])
def test_large_arguments_of_a_chain(kind: str) -> None:
    executable = doubler(100, 120)
    for seed in (0, 1):
        a = np.random.default_rng(seed).normal(size=(100, 120)).astype("float32")
        given = {
            "array": a,
            "strides": a.T.copy().T,
            "float64": a.astype("float64"),
            "tensor": Tensor(a),
            "list": a.tolist(),
            "read-only": np.broadcast_to(a, a.shape),
        }[kind]
        np.testing.assert_array_equal(executable(given)[0], a * 2)
    with pytest.raises(ValueError, match=r"shape \(100, 120\), got \(120, 100\)"):
        executable(a.T)
    np.testing.assert_array_equal(executable.answer(-a), -a * 2)


def test_an_argument_is_read_before_it_is_written_to() -> None:
    start = np.arange(10_000, dtype="float32")
    variable, other = Variable(start), Variable(np.zeros((2, 5000)))
    with Recorder() as recorder:
        x = recorder.input((10_000,))
        variable.assign(variable + x)
        other.assign(x.reshape((2, 5000)) * 3)
        executable = recorder.compile([])
    executable(variable.numpy())
    np.testing.assert_array_equal(variable.numpy(), start * 2)
    np.testing.assert_array_equal(other.numpy().ravel(), start * 3)


def test_the_key_draws_the_same_random_numbers() -> None:
    with Recorder() as recorder:
        executable = recorder.compile([ops.random_normal((100,)), ops.random_normal((100,))])
    a, b = executable(key=3)
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(executable(key=3)[0], a)
    assert not np.array_equal(executable(key=4)[0], a)
    assert not np.array_equal(executable()[0], executable()[0])
    _native.seed(1)
    c = executable()[0]
    _native.seed(1)
    np.testing.assert_array_equal(executable()[0], c)


def test_a_program_without_random_numbers_draws_none() -> None:
    before = _native.random_state()
    doubler(2)([1.0, 2.0])
    assert _native.random_state() == before
    seed, streams = before
    _native.next_stream()
    assert _native.random_state() == (seed, streams + 1)
    _native.set_random_state(*before)
    assert _native.random_state() == before


def test_threads_take_turns() -> None:
    with Recorder() as recorder:
        x = recorder.input((64, 64))
        y = x
        for _ in range(20):
            y = ops.tanh(y @ x)
        executable = recorder.compile([y])
    arrays = [np.random.default_rng(i).normal(size=(64, 64)).astype("float32") for i in range(4)]
    expected = [executable(a)[0] for a in arrays]
    wrong: list[int] = []

    def work(i: int) -> None:
        wrong.extend(
            i for _ in range(50) if not np.array_equal(executable(arrays[i])[0], expected[i])
        )

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- Python steps


def cube(x: Any) -> Any:
    return x**3


def cube_backward(x: Any, y: Any, dy: Any) -> Any:
    return [3 * x**2 * dy]


def test_a_python_function_at_once_and_recorded() -> None:
    (y,) = host_call(cube, [[1.0, 2.0]], [((2,), "float32")])
    assert y.tolist() == [1.0, 8.0]

    def function(x: Tensor) -> Tensor:
        return host_call(cube, [x * 2], [(x.shape, x.dtype)], cube_backward)[0] + x

    check_gradient(function, np.array([[0.5, -1.0], [2.0, 0.1]]))


def test_what_a_python_function_returns_is_checked() -> None:
    def call(result: Any, types: Any) -> Any:
        return host_call(lambda x: result, [np.ones(2)], types, name="mine")

    with pytest.raises(
        ValueError, match=r"'mine' must return shape \(2,\) as output 0, got \(3,\)"
    ):
        call(np.ones(3), [((2,), "float32")])
    with pytest.raises(ValueError, match="'mine' must return 2 arrays, got 1"):
        call(np.ones(2), [((2,), "float32"), ((2,), "float32")])
    with pytest.raises(TypeError, match="str"):
        call(np.array(["a", "b"]), [((2,), "float32")])
    with pytest.raises(TypeError, match="'mine' must be callable, got int"):
        host_call(3, [], [], name="mine")  # type: ignore[arg-type]
    a, b = call([np.ones(2), [3]], [(2, "int64"), ((1,), "float64")])
    assert (a.dtype, b.tolist()) == ("int64", [3.0])


def test_python_exceptions_pass_through_unchanged() -> None:
    raised = Unusual("mine")

    def fail(x: Any) -> Any:
        raise raised

    with pytest.raises(Unusual) as eager:
        host_call(fail, [np.ones(2)], [((2,), "float32")])
    assert eager.value is raised
    with Recorder() as recorder:
        x = recorder.input((2,))
        executable = recorder.compile(host_call(fail, [x], [((2,), "float32")]))
    for _ in range(2):
        with pytest.raises(Unusual) as replayed:
            executable([1.0, 2.0])
        assert replayed.value is raised


def test_arguments_may_be_kept() -> None:
    kept: list[Any] = []

    def keep(x: Any) -> Any:
        kept.append(x)
        return x

    with Recorder() as recorder:
        x = recorder.input((2,))
        executable = recorder.compile(host_call(keep, [x + 0], [((2,), "float32")]))
    executable([1.0, 2.0])
    executable([3.0, 4.0])
    del executable, recorder, x
    assert [k.tolist() for k in kept] == [[1.0, 2.0], [3.0, 4.0]]


def test_an_executable_cannot_be_called_from_within_itself() -> None:
    executable: Any = None

    def again(x: Any) -> Any:
        return executable(x)[0]

    with Recorder() as recorder:
        x = recorder.input((2,))
        executable = recorder.compile(host_call(again, [x], [((2,), "float32")]))
    with pytest.raises(RuntimeError, match="within its own replay"):
        executable([1.0, 2.0])


# --- the process


def test_settings_of_the_process() -> None:
    assert _native.isa() in _native.available_isas()
    assert _native.available_isas()[0] == "reference"
    assert _native.available_cpus() >= 1
    assert _native.cpu_name()
    assert set(_native.cpu_features()) == {"avx2", "avx512", "avx512_bf16", "neon"}
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="thread"):
            _native.set_num_threads(wrong)
    p = _native.permutation(100, 1, 2)
    assert sorted(p) == list(range(100))
    np.testing.assert_array_equal(p, _native.permutation(100, 1, 2))
    assert not np.array_equal(p, _native.permutation(100, 1, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_finite(dtype: str) -> None:
    x = np.ones((100, 37), dtype)
    assert _native.all_finite(x)
    for bad in (np.nan, np.inf, -np.inf):
        x[99, 36] = bad
        assert not _native.all_finite(x)
        assert not _native.all_finite(x.T)
        assert _native.all_finite(x[:, ::2][:-1])
    assert _native.all_finite(np.array([1, 2]))
    assert _native.all_finite(np.empty((0, 3), dtype))


def test_memory_is_reused_and_released() -> None:
    x = np.ones(1 << 20, "float32")
    ops.relu(x)
    before = _native.allocator_stats()
    for _ in range(20):
        ops.relu(x)
    after = _native.allocator_stats()
    assert after["system_calls"] == before["system_calls"]
    assert after["in_use"] == before["in_use"]
    _native.release_cached_memory()
    assert _native.allocator_stats()["cached"] == 0


def test_a_profile_times_every_launch() -> None:
    with Recorder() as recorder:
        x = recorder.input((64, 32), "float32")
        program = recorder.compile([ops.sum(ops.tanh(x)), ops.matmul(x, np.eye(32, dtype="f"))])
    rows = program.profile([np.ones((64, 32), "f")], repeats=3)
    assert [line for line, _ in rows] == program.listing().splitlines()
    assert all(seconds > 0 for _, seconds in rows)
    with pytest.raises(ValueError, match="1 inputs, got 0"):
        program.profile([])
