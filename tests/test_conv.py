"""Convolutions of one to three axes: against sums in NumPy, PyTorch and finite differences."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from helpers import check_gradient, record

import pynn
from pynn import _native, ops

Array = npt.NDArray[Any]


def draw(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def each(value: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else value


def widths(padding: Any, rank: int, size: Any, stride: Any, reach: Any) -> list[tuple[int, int]]:
    """Keras's rule: 'same' gives ceil(size / stride) pixels and pads less in front."""
    if padding == "valid":
        return [(0, 0)] * rank
    if padding == "same":
        missing = [
            max((-(-n // s) - 1) * s + r - n, 0)
            for n, s, r in zip(size, stride, reach, strict=True)
        ]
        return [(m // 2, m - m // 2) for m in missing]
    if isinstance(padding, int):
        return [(padding, padding)] * rank
    return [(p, p) if isinstance(p, int) else p for p in padding]


def expected_conv(
    x: Array, kernel: Array, strides: Any = 1, padding: Any = "valid", dilation_rate: Any = 1,
    groups: int = 1,
) -> Array:  # fmt: skip
    """The definition: a sum over taps, one group after the other."""
    rank = x.ndim - 2
    stride, dilation = each(strides, rank), each(dilation_rate, rank)
    taps = kernel.shape[:rank]
    reach = [(k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True)]
    around = widths(padding, rank, x.shape[1:-1], stride, reach)
    x = np.pad(x, [(0, 0), *around, (0, 0)])
    size = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:-1], reach, stride, strict=True)]
    channels, filters = x.shape[-1] // groups, kernel.shape[-1] // groups
    y = np.zeros((len(x), *size, kernel.shape[-1]), x.dtype)
    for group, tap in product(range(groups), np.ndindex(*taps)):
        window = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, dilation, size, stride, strict=True)
        )
        c = slice(group * channels, (group + 1) * channels)
        f = slice(group * filters, (group + 1) * filters)
        y[..., f] += x[(slice(None), *window, c)] @ kernel[(*tap, slice(None), f)]
    return y


# shape of x, taps, filters, options
CASES: list[tuple[tuple[int, ...], tuple[int, ...], int, dict[str, Any]]] = [
    ((2, 7, 3), (3,), 4, {}),
    ((2, 7, 3), (3,), 4, {"padding": "same"}),
    ((2, 8, 3), (2,), 4, {"padding": "same", "strides": 3}),
    ((2, 9, 4), (3,), 6, {"padding": ((4, 1),), "dilation_rate": 2, "groups": 2}),
    ((1, 1, 1), (1,), 1, {}),
    ((3, 5, 2), (1,), 3, {"strides": 2}),
    ((2, 6, 7, 3), (3, 2), 5, {}),
    ((2, 6, 7, 3), (3, 2), 5, {"padding": "same"}),
    ((2, 6, 7, 1), (3, 3), 32, {"padding": "same", "strides": 2}),
    ((2, 6, 7, 3), (3, 3), 5, {"padding": 2, "strides": (2, 1)}),
    ((2, 9, 8, 4), (3, 3), 4, {"dilation_rate": (2, 1), "groups": 4}),
    ((2, 9, 8, 4), (3, 3), 8, {"groups": 4, "padding": "same", "strides": (1, 2)}),
    ((1, 9, 8, 6), (2, 3), 4, {"groups": 2, "padding": ((0, 3), 1), "dilation_rate": 2}),
    ((2, 5, 37), (3,), 37, {"groups": 37, "padding": "same"}),
    ((1, 4, 20, 5), (3, 3), 5, {"groups": 5, "padding": 1}),
    ((1, 7, 12, 3), (5, 4), 6, {"groups": 3, "strides": (3, 2), "padding": ((1, 4), (2, 0))}),
    ((1, 5, 4, 2), (1, 1), 32, {"groups": 2, "strides": (1, 3)}),
    ((1, 4, 5, 6, 2), (2, 3, 2), 2, {"groups": 2, "padding": "same", "strides": (2, 1, 3)}),
    ((2, 1, 1, 3), (3, 3), 4, {"padding": "same"}),
    ((2, 5, 6, 3), (1, 1), 4, {}),
    ((1, 3, 3, 2), (3, 3), 70, {}),
    ((2, 4, 5, 3, 2), (2, 3, 2), 3, {}),
    ((2, 4, 5, 3, 2), (2, 3, 2), 3, {"padding": "same", "strides": (2, 1, 2)}),
    ((1, 5, 4, 6, 2), (2, 2, 2), 2, {"dilation_rate": (1, 2, 3), "groups": 2, "padding": 1}),
    ((0, 5, 5, 2), (3, 3), 2, {}),
]  # fmt: skip
SMALL = [c for c in CASES if np.prod(c[0]) < 300]


def operands(case: Any, dtype: str = "float64") -> tuple[Array, Array, dict[str, Any]]:
    shape, taps, filters, options = case
    channels = shape[-1] // options.get("groups", 1)
    return draw(*shape, dtype=dtype), draw(*taps, channels, filters, seed=1, dtype=dtype), options


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Any) -> None:
    x, kernel, options = operands(case)
    expected = expected_conv(x, kernel, **options)
    y = ops.conv(x, kernel, **options)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    single = ops.conv(x.astype("float32"), kernel.astype("float32"), **options)
    assert single.dtype == "float32"
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradients(case: Any) -> None:
    x, kernel, options = operands(case)
    if len(x):
        check_gradient(lambda a, b: ops.conv(a, b, **options), x, kernel)


TORCH_CASES = [
    (rank, {"strides": s, "padding": p, "dilation_rate": d, "groups": g})
    for rank, s, p, d, g in product((1, 2, 3), (1, 2), (0, 1), (1, 2), (1, 2, 4))
]


def torch_convolution(torch: Any, rank: int, transposed: bool) -> Any:
    return getattr(torch.nn.functional, f"conv{'_transpose' * transposed}{rank}d")


def channels_first(torch: Any, x: Array) -> Any:
    return torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)


def filters_first(torch: Any, kernel: Array) -> Any:
    return torch.tensor(np.moveaxis(kernel, (-1, -2), (0, 1)).copy(), requires_grad=True)


def channels_last(x: Any) -> Array:
    return np.moveaxis(x.detach().numpy(), 1, -1)


def taps_first(x: Any) -> Array:
    return np.moveaxis(x.detach().numpy(), (0, 1), (-1, -2))


@pytest.mark.parametrize(("rank", "options"), TORCH_CASES, ids=str)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-5)])
def test_pytorch_agrees(rank: int, options: Any, dtype: str, rtol: float) -> None:
    torch = pytest.importorskip("torch")
    x = draw(2, *(9, 7, 6)[:rank], 4, dtype=dtype)
    kernel = draw(*(3, 2, 3)[:rank], 4 // options["groups"], 8, seed=1, dtype=dtype)
    a, b = channels_first(torch, x), filters_first(torch, kernel)
    expected = torch_convolution(torch, rank, False)(
        a, b, stride=options["strides"], padding=options["padding"],
        dilation=options["dilation_rate"], groups=options["groups"],
    )  # fmt: skip
    dy = draw(*channels_last(expected).shape, seed=2, dtype=dtype)
    expected.backward(torch.tensor(np.moveaxis(dy, -1, 1).copy()))
    forward, backward = record(lambda p, q: ops.conv(p, q, **options), x, kernel)
    dx, dw = backward(x, kernel, dy)
    close = {"rtol": rtol, "atol": rtol * 20}
    np.testing.assert_allclose(forward(x, kernel)[0], channels_last(expected), **close)
    np.testing.assert_allclose(dx, channels_last(a.grad), **close)
    np.testing.assert_allclose(dw, taps_first(b.grad), **close)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(("dilation", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_transposed_pytorch_agrees(
    rank: int, strides: int, padding: int, more: int, dilation: int, groups: int
) -> None:
    torch = pytest.importorskip("torch")
    if more >= max(strides, dilation):
        with pytest.raises(ValueError, match="output_padding"):
            ops.conv_transpose(draw(1, 4, 2), draw(3, 2, 2), strides, padding, more, dilation)
        return
    x, kernel = draw(2, *(5, 4, 3)[:rank], 4), draw(*(3, 3, 3)[:rank], 3, 4, seed=1)
    a, b = channels_first(torch, x), filters_first(torch, kernel)
    expected = torch_convolution(torch, rank, True)(
        a, b, stride=strides, padding=padding, output_padding=more, dilation=dilation,
        groups=groups,
    )  # fmt: skip
    y = ops.conv_transpose(
        x, kernel, strides, padding, output_padding=more, dilation_rate=dilation, groups=groups
    )
    np.testing.assert_allclose(y, channels_last(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("strides", [1, 2, 4])
def test_transposed_sizes_are_those_of_keras(padding: str, size: int, strides: int) -> None:
    """'same': n * strides; 'valid': what the taps reach, and at least n * strides."""
    x, kernel = draw(2, 4, 3), draw(size, 2, 3, seed=1)
    n = 4 * strides if padding == "same" else 4 * strides + max(size - strides, 0)
    y = ops.conv_transpose(x, kernel, strides, padding)
    assert y.shape == (2, n, 2)
    # It is the transpose of the convolution that gives x's size from y's.
    z = draw(2, n, 2, seed=2)
    np.testing.assert_allclose(
        np.sum(y * z), np.sum(x * ops.conv(z, kernel, strides, padding)), rtol=1e-10
    )
    longer = ops.conv_transpose(x, kernel, strides, padding, output_padding=strides - 1)
    reach = size if padding == "valid" else size % 2
    assert longer.shape == (2, 3 * strides + reach + strides - 1, 2)


@pytest.mark.parametrize("options", [{"strides": 2}, {"padding": "same", "strides": 3},
                                     {"groups": 2, "dilation_rate": 2}])  # fmt: skip
def test_transposed_gradients(options: Any) -> None:
    kernel = draw(2, 3, 3, 4, seed=1)
    check_gradient(lambda a, b: ops.conv_transpose(a, b, **options), draw(1, 3, 2, 4), kernel)


def test_second_derivatives() -> None:
    """Each of the three maps is linear in both operands, and the others are its gradients."""
    options: dict[str, Any] = {"padding": "same", "strides": 2, "groups": 2}
    x, kernel = draw(1, 4, 3, 2), draw(3, 2, 1, 4, seed=1)
    weights = draw(1, 2, 2, 4, seed=2)

    def slopes(a: Any, b: Any) -> Any:
        y = ops.conv(a, b, **options)
        recorder = _native.Recorder.current()
        assert recorder is not None
        da, db = recorder.gradient(ops.sum(y * y * weights), [a, b])
        assert da is not None and db is not None
        return ops.concatenate([ops.reshape(da, (-1,)), ops.reshape(db * db, (-1,))])

    check_gradient(slopes, x, kernel)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_bits_do_not_depend_on_threads(threads: int, groups: int) -> None:
    x = draw(6, 17, 19, 8, dtype="float32")
    kernel = draw(3, 3, 8 // groups, 24, seed=1, dtype="float32")

    def f(a: Any, b: Any) -> Any:
        return ops.conv(a, b, padding="same", groups=groups)

    forward, backward = record(f, x, kernel)
    dy = draw(*forward(x, kernel)[0].shape, seed=2, dtype="float32")
    before = _native.num_threads()
    try:
        _native.set_num_threads(1)
        expected = [*forward(x, kernel), *backward(x, kernel, dy)]
        _native.set_num_threads(threads)
        for value, same in zip([*forward(x, kernel), *backward(x, kernel, dy)], expected,
                               strict=True):  # fmt: skip
            np.testing.assert_array_equal(value, same)
    finally:
        _native.set_num_threads(before)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
def test_bias_and_activation_join_the_convolution(activation: str) -> None:
    x, kernel, bias = draw(2, 6, 5, 3), draw(3, 3, 3, 4, seed=1), draw(4, seed=2)
    f = getattr(ops, activation)
    with _native.Recorder() as recorder:
        a = recorder.input(x.shape, "float64")
        y = f(ops.conv(a, kernel, padding="same") + bias)
        program = recorder.compile([y])
    assert program.step_count == 1
    np.testing.assert_allclose(program(x)[0], f(ops.conv(x, kernel, padding="same") + bias))


def test_bfloat16_rounds_operands_and_result() -> None:
    x, kernel = draw(2, 5, 5, 3), draw(3, 3, 3, 4, seed=1)
    a, b = (pynn.Tensor(ops.cast(pynn.Tensor(v), "bfloat16")) for v in (x, kernel))
    y = ops.conv(a, b)
    assert y.dtype == "bfloat16"
    wide = ops.conv(ops.cast(a, "float32"), ops.cast(b, "float32"))
    np.testing.assert_array_equal(
        ops.cast(y, "float32").numpy(), ops.cast(ops.cast(wide, "bfloat16"), "float32").numpy()
    )


def test_mixed_precision_rounds_convolutions_that_are_recorded() -> None:
    x, kernel = draw(2, 6, 6, 3, dtype="float32"), draw(3, 3, 3, 8, seed=1, dtype="float32")
    with _native.Recorder() as recorder:
        recorder.rounds_products = True
        a = recorder.input(x.shape, "float32")
        y = ops.conv(a, pynn.Tensor(kernel))
        program = recorder.compile([y])

    def rounded(v: Array) -> Any:
        return ops.cast(ops.cast(pynn.Tensor(v), "bfloat16"), "float32").numpy()

    np.testing.assert_allclose(program(x)[0], ops.conv(rounded(x), rounded(kernel)), rtol=1e-6)
    assert not np.array_equal(program(x)[0], ops.conv(x, kernel))


@pytest.mark.parametrize(
    ("shape", "kernel", "options", "message"),
    [
        ((2, 4, 3), (5, 3, 2), {}, "does not fit into images of shape"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"dilation_rate": 2}, "does not fit into images"),
        ((2, 4, 4, 3), (3, 3, 2, 2), {}, "3 channels in 1 groups do not fit a kernel"),
        ((2, 4, 4, 3), (3, 3, 1, 4), {"groups": 2}, "in 2 groups do not fit"),
        ((2, 4, 4, 4), (3, 3, 2, 3), {"groups": 2}, "in 2 groups do not fit"),
        ((2, 4), (3, 3), {}, "one to three spatial axes"),
        ((2, 4, 4, 3), (3, 3, 2), {}, "a kernel of as many axes"),
        ((2, 2, 2, 2, 2, 3), (1, 1, 1, 1, 3, 2), {}, "one to three spatial axes"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"strides": 0}, "strides: expected at least 1"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"strides": (1, 1, 1)}, "one for each of 2 axes"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"dilation_rate": -1}, "dilation_rate: expected at least 1"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"groups": 0}, "groups: expected at least 1"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"padding": "full"}, "expected 'valid', 'same', or widths"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"padding": -1}, "padding must not be negative"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"padding": (1, 2, 3)}, "for each of 2 axes"),
        ((2, 4, 4, 3), (3, 3, 3, 2), {"padding": ((1, 2, 3), 1)}, "a width or a pair"),
    ],
)
def test_what_does_not_fit_is_refused(shape: Any, kernel: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ops.conv(draw(*shape), draw(*kernel), **options)


def test_transposed_refuses_what_leaves_nothing() -> None:
    with pytest.raises(ValueError, match="leave nothing"):
        ops.conv_transpose(draw(1, 1, 2), draw(2, 2, 2), padding=1)
    with pytest.raises(ValueError, match="do not fit a kernel"):
        ops.conv_transpose(draw(1, 3, 3), draw(2, 2, 2))
