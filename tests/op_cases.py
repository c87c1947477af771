"""The op table as tests see it: what to call, with what, and what NumPy and PyTorch call it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from pynn import _native, ops

Array = npt.NDArray[Any]

TABLE = {row["name"]: row for row in _native.op_table()}
PUBLIC = {name: getattr(ops, name) for name in ops.__all__}
POINTWISE = [n for n, row in TABLE.items() if "pointwise" in row["traits"] and n in PUBLIC]
UNARY = [n for n in POINTWISE if TABLE[n]["arity"] == 1 and n != "cast"]
BINARY = [n for n in POINTWISE if TABLE[n]["arity"] == 2]
SMOOTH = [n for n in UNARY if TABLE[n]["domain"]]  # differentiable functions of the kernel lists

_erf = np.vectorize(math.erf, otypes=[float])


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


NUMPY: dict[str, Callable[..., Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "gelu": lambda x: x * (1 + _erf(x / np.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "erf": _erf,
    "round": np.round,
}

# PyTorch's name for an op, in torch or torch.nn.functional, and arguments; default: ours.
TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "gelu_tanh": ("gelu", {"approximate": "tanh"}),
    "hard_sigmoid": ("hardsigmoid", {}),
    "hard_silu": ("hardswish", {}),
    "hard_tanh": ("hardtanh", {}),
    "leaky_relu": ("leaky_relu", {"negative_slope": 0.2}),
    "log_sigmoid": ("logsigmoid", {}),
}

# Public functions that are not pointwise: the function, its NumPy equivalent and arguments; tensors
# are the arrays among them.
_RANDOM = np.random.default_rng(3)
X = _RANDOM.uniform(-2, 2, (3, 4, 5))
M = _RANDOM.uniform(-1, 1, (4, 6))
INDEX = np.array([2, 0, 1, 2])
AT = np.array([[[0, 1, -1, 2, 0], [3, 0, 2, -1, 1]]])  # (1, 2, 5): of axis 1 of X


BAGS = np.array([[2, 0, 2, 1], [1, -1, 1, 1]])


def _one_hot(x: Array, depth: int) -> Array:
    return np.eye(depth)[x]


def _softmax(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _standardize(
    x: Array, axis: int, epsilon: float, center: bool = True, gamma: Any = 1.0, beta: Any = 0.0
) -> Array:
    x = x - x.mean(axis, keepdims=True) if center else x
    y = x / np.sqrt((x**2).mean(axis, keepdims=True) + epsilon)
    along = [-1 if i == axis % x.ndim else 1 for i in range(x.ndim)]
    return y * np.reshape(gamma, along) + np.reshape(beta, along)


def _logsumexp(x: Array, axis: int = -1, keepdims: bool = False) -> Array:
    return np.log(np.exp(x).sum(axis, keepdims=keepdims))


def _dense(x: Array, kernel: Array, bias: Any = 0.0, activation: str = "linear") -> Array:
    y = x @ kernel + bias
    return y if activation == "linear" else reference(activation)(y)


def _conv(x: Array, kernel: Array, strides: int = 1, dilation_rate: int = 1) -> Array:
    """One spatial axis, without padding; test_conv.py has the rest."""
    reach = (len(kernel) - 1) * dilation_rate + 1
    starts = range(0, x.shape[1] - reach + 1, strides)
    taps = np.stack([x[:, o : o + reach : dilation_rate] for o in starts], 1)
    return np.einsum("notc,tcf->nof", taps, kernel)


def _conv_transpose(x: Array, kernel: Array) -> Array:
    out = np.zeros((len(x), x.shape[1] + len(kernel) - 1, kernel.shape[1]))
    for tap in range(len(kernel)):
        out[:, tap : tap + x.shape[1]] += x @ kernel[tap].T
    return out


def _take_along_last(x: Array, indices: Array) -> Array:
    return np.take_along_axis(x, indices[..., None], -1)[..., 0]


def _pool(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """Reduce the windows of x (batch, height, width, channels), padded with NaN."""

    def pool(x: Array, pool_size: Any, strides: Any = None, padding: Any = "valid") -> Array:
        h, w = np.broadcast_to(pool_size, 2)
        sh, sw = np.broadcast_to(pool_size if strides is None else strides, 2)
        if padding == "same":  # windows of 2 that touch, over an odd extent
            x = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(x, (h, w), (1, 2))
        return reduce(windows[:, ::sh, ::sw], (-2, -1))

    return pool


def _warp(x: Array, interpolation: str, fill_mode: str, fill_value: float = 0.0) -> Array:
    """Sample x, padded by as much as MATRIX reaches beyond it, pixel by pixel."""
    wide = 8
    mode = {"reflect": "symmetric", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
    value = {"constant_values": fill_value} if fill_mode == "constant" else {}
    source = np.pad(x, ((0, 0), (wide, wide), (wide, wide), (0, 0)), mode[fill_mode], **value)  # type: ignore[call-overload]
    y = np.empty_like(x)
    for k, i, j in np.ndindex(*x.shape[:3]):
        row, column = MATRIX[k].reshape(2, 3) @ (i, j, 1) + wide
        if interpolation == "nearest":
            y[k, i, j] = source[k, int(row + 0.5), int(column + 0.5)]
            continue
        top, left = int(row), int(column)
        down, right = row - top, column - left
        rows = source[k, top : top + 2] * np.array([1 - down, down])[:, None, None]
        y[k, i, j] = np.array([1 - right, right]) @ rows.sum(0)[left : left + 2]
    return y


MATRIX = np.array([[0.8, 0.7, -2.3, -0.6, 0.9, 1.1], [1, 0, 2, 0, 1, -3]])
IMAGES = _RANDOM.uniform(-2, 2, (2, 5, 5, 3))


def _index_put(x: Array, values: Array, key: Any) -> Array:
    y = x.copy()
    y[key] = values
    return y


def _index_add(x: Array, values: Array, key: Any) -> Array:
    y = x.copy()
    np.add.at(y, key, values)
    return y


def _put_along_axis(x: Array, values: Array, indices: Array, axis: int) -> Array:
    y = x.copy()
    np.put_along_axis(y, indices, values, axis)
    return y


def _reversed(order: Any, x: Array, axis: int, descending: bool) -> Array:
    return order(-x if descending else x, axis) * (-1 if descending and order is np.sort else 1)


def _recurrence(a: Array, b: Array, axis: int, reverse: bool) -> Array:
    slopes, steps = (np.moveaxis(v, axis, 0) for v in np.broadcast_arrays(a, b))
    h = np.zeros_like(steps)
    order = range(len(h))[:: -1 if reverse else 1]
    for last, t in zip((None, *order), order, strict=False):
        h[t] = steps[t] + (0 if last is None else slopes[t] * h[last])
    return np.moveaxis(h, 0, axis)


def _norm(x: Array, ord: float, axis: Any, keepdims: bool) -> Array:
    size = np.abs(x)
    if np.isinf(ord):
        return (np.max if ord > 0 else np.min)(size, axis, keepdims=keepdims)
    return (size**ord).sum(axis, keepdims=keepdims) ** (1 / ord)


Case = tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]
REDUCTIONS = [
    (name, getattr(np, name), (X,), {"axis": axis, "keepdims": keepdims})
    for name, axis, keepdims in product(
        ("sum", "mean", "prod", "max", "min"), (None, 0, 1, -1, (0, 2), (1, 2), (0, 1, 2)), (0, 1)
    )
]
COMPOSED_CASES: list[Case] = [
    *[(name, getattr(np, name), (X / 2,), {}) for name in ("tan", "sinh", "cosh", "exp2")],
    *[(name, getattr(np, name), (np.abs(X) + 0.1,), {}) for name in ("log2", "log10")],
    ("atan", np.arctan, (X * 2,), {}),
    ("atan2", np.arctan2, (X * 2, X[0] + 0.7), {}),
    ("asin", np.arcsin, (X / 2.1,), {}),
    ("acos", np.arccos, (X / 2.1,), {}),
    ("asinh", np.arcsinh, (X * 9,), {}),
    ("acosh", np.arccosh, (np.abs(X) + 1.1,), {}),
    ("atanh", np.arctanh, (X / 2.1,), {}),
    ("logaddexp", np.logaddexp, (X * 9, X[0]), {}),
    ("isinf", np.isinf, (np.where(X > 1, np.inf, np.where(X < -1, -np.inf, X)),), {}),
    ("isclose", np.isclose, (X, X + 1e-5 * (X > 0)), {"rtol": 1e-6, "atol": 1e-9}),
    ("allclose", np.allclose, (X, X + 1e-9), {}),
    ("moveaxis", np.moveaxis, (X,), {"source": 0, "destination": -1}),
    ("moveaxis", np.moveaxis, (X,), {"source": (0, 2), "destination": (1, 0)}),
    *[("tile", lambda x, repeats: np.tile(x, repeats), (x,), {"repeats": n})
      for x, n in ((X, 2), (M, (2, 1, 3)), (X, (2, 1)))],
    *[("roll", np.roll, (X,), {"shift": shift, "axis": axis})
      for shift, axis in ((3, None), (-1, 1), (7, 2), ((1, -2), (0, 2)))],
    *[("diff", np.diff, (X,), {"n": n, "axis": axis}) for n, axis in ((1, -1), (2, 1), (1, 0))],
    *[("pad", lambda x, pad_width, mode: np.pad(x, pad_width, mode), (X,),
       {"pad_width": ((1, 2), (0, 0), (3, 1)), "mode": mode})
      for mode in ("edge", "reflect", "symmetric", "wrap")],
    *[(name, getattr(np, name), (x,), {"k": k})
      for name, x, k in product(("tril", "triu"), (M, X), (-1, 0, 2))],
    ("outer", np.outer, (M[0], X[0]), {}),
    *[("tensordot", np.tensordot, (X, b), {"axes": axes})
      for b, axes in ((X[0, 0], 0), (X[0].T, 1), (X[0], 2), (M, ([1], [0])),
                      (X[:2], ([1, 2], [1, 2])))],
    *[("norm", _norm, (X,), {"ord": ord, "axis": axis, "keepdims": keepdims})
      for ord, axis, keepdims in ((2, None, False), (1, 0, True), (np.inf, -1, False),
                                  (3, 1, False),
                                  (-np.inf, 0, False))],
    *[("einsum", lambda *xs, equation: np.einsum(equation, *xs), xs, {"equation": equation})
      for equation, xs in (
          ("ij,jk->ik", (M.T, M)), ("ijk->kji", (X,)), ("ijk->k", (X,)), ("ii", (M[:, :4],)),
          ("ii->i", (M[:, :4],)), ("ij,ij->", (M, M)), ("ij,ij->i", (M, M)),
          ("i,j->ij", (M[0], X[0, 0])), ("bij,bjk", (X, X.transpose(0, 2, 1))),
          ("...ij,...kj->...ik", (X, X[0])), ("ij,jk,kl->il", (M.T, M, M.T)),
          ("a,a,a->a", (M[0],) * 3), ("i...->...", (X,)), ("iji->j", (X[:, :, :3],)),
          ("...,...->...", (X, X[0])), ("ij,ik->j", (M, M[:, :1])),
          ("bi,bi->b", (M, M[:, :1])))],
]  # fmt: skip
CASES: list[Case] = [
    *REDUCTIONS,
    *[("argmax", np.argmax, (X,), {"axis": axis}) for axis in (0, 1, -1)],
    *[("argmin", np.argmin, (X,), {"axis": axis, "keepdims": True}) for axis in (0, 1, -1)],
    *[("softmax", _softmax, (X,), {"axis": axis}) for axis in (0, 1, -1)],
    *[("log_softmax", lambda x, axis: np.log(_softmax(x, axis)), (X,), {"axis": axis})
      for axis in (0, 1, -1)],
    *[("standardize", _standardize, (X,), {"axis": axis, "epsilon": 0.1, "center": center})
      for axis, center in product((0, 1, -1), (False, True))],
    ("standardize", _standardize, (X,), {"axis": -1, "epsilon": 0.1, "gamma": X[0, 0]}),
    ("standardize", _standardize, (X,), {"axis": 1, "epsilon": 0.1, "beta": X[0, :, 0]}),
    ("standardize", _standardize, (X,),
     {"axis": 0, "epsilon": 0.1, "center": False, "gamma": X[:, 0, 0], "beta": X[:, 1, 0]}),
    *[("logsumexp", _logsumexp, (X,), {"axis": axis, "keepdims": keep})
      for axis, keep in product((0, 1, -1), (False, True))],
    ("matmul", np.matmul, (M.T, M), {}),
    ("matmul", np.matmul, (M, M.T), {}),
    ("matmul", np.matmul, (X, M.T[:5, ::-2]), {}),
    ("matmul", np.matmul, (X[:, :, :4], M), {}),
    ("matmul", np.matmul, (X, X.transpose(0, 2, 1)), {}),
    ("matmul", np.matmul, (X[:1], X.transpose(0, 2, 1)), {}),
    ("matmul", np.matmul, (M[0], M.T), {}),
    ("matmul", np.matmul, (M, M[0]), {}),
    ("matmul", np.matmul, (M[0], M[1]), {}),
    ("dense", _dense, (X[:, :, :4], M), {}),
    ("dense", _dense, (M.T, X[0]), {}),
    *[("dense", _dense, (M.T, X[0], X[0, 0]), {"activation": name})
      for name in ("linear", "relu", "tanh", "sigmoid", "gelu", "silu")],
    ("conv", _conv, (X, X[:2, :, :3].transpose(0, 2, 1).reshape(2, 3, 4)[:, [0, 1, 2, 1, 0]]), {}),
    ("conv", _conv, (X, X[:2, :1].transpose(0, 2, 1)), {"strides": 2}),
    ("conv", _conv, (X, X[:2, :3].transpose(0, 2, 1)), {"strides": 1, "dilation_rate": 3}),
    ("conv_transpose", _conv_transpose, (X, X[:, :2].copy()), {}),
    ("reshape", np.reshape, (X,), {"shape": (5, -1)}),
    ("reshape", np.reshape, (X.T,), {"shape": 60}),
    ("transpose", np.transpose, (X,), {}),
    ("transpose", np.transpose, (X,), {"axes": (1, -1, 0)}),
    ("broadcast_to", np.broadcast_to, (X[:, :1],), {"shape": (2, 3, 4, 5)}),
    ("expand_dims", np.expand_dims, (X,), {"axis": -2}),
    ("squeeze", np.squeeze, (X[:, :1],), {"axis": 1}),
    *[("concatenate", lambda *xs, axis: np.concatenate(xs, axis), (X, X[::-1], X), {"axis": axis})
      for axis in (0, 1, -1)],
    ("pad", lambda x, pad_width, value: np.pad(x, pad_width, constant_values=value), (X,),
     {"pad_width": ((1, 0), (0, 2), (1, 1)), "value": 1.5}),
    ("pad", lambda x, pad_width: np.pad(x, pad_width), (X,), {"pad_width": 1}),
    *[("take", lambda x, axis: np.take(x, INDEX, axis), (X,), {"axis": axis})
      for axis in (0, 1, -1)],
    ("take_sum", lambda x: np.take(x, BAGS, 0).sum(1), (X,), {}),
    ("take_along_last", _take_along_last, (X, np.argmax(X, -1)), {}),
    *[("take_along_axis", np.take_along_axis, (X,), {"indices": np.argsort(X, axis), "axis": axis})
      for axis in (0, 1, 2)],
    ("take_along_axis", np.take_along_axis, (X,), {"indices": AT, "axis": 1}),
    ("put_along_axis", _put_along_axis, (X, X[:, :2, :1]), {"indices": AT, "axis": 1}),
    *[(name, function, (X, values), {"key": key})
      for name, function in (("index_put", _index_put), ("index_add", _index_add))
      for key, values in ((1, X[0]), ((..., slice(3, 0, -2)), X[0, :1, :2]), (INDEX[:3], X[0]),
                          ((slice(None), INDEX[:2], INDEX[1:3]), M[0, :2]),
                          ((0, slice(None), INDEX[:2]), X[:2, :, 0]), (X > 0.5, X[0, 0, 0]))],
    *[(name, lambda x, axis, descending, f=function: _reversed(f, x, axis, descending), (X,),
       {"axis": axis, "descending": descending})
      for name, function in (("sort", np.sort), ("argsort", np.argsort))
      for axis, descending in product((0, 1, -1), (False, True))],
    *[(name, getattr(np, name), (X,), {"axis": axis})
      for name, axis in product(("cumsum", "cumprod"), (None, 0, 1, -1))],
    *[("linear_recurrence", _recurrence, (a, X), {"axis": axis, "reverse": reverse})
      for a, axis, reverse in product((X[0] / 2, X), (0, 1, -1), (False, True))],
    ("clip", lambda x, low, high: np.clip(x, low, high), (X, X[0] - 1, X[0] + 0.5), {}),
    *[("clip", lambda x, **o: np.clip(x, o.get("min"), o.get("max")), (X,), options)
      for options in ({"min": -0.5, "max": 1.0}, {"min": 0.25}, {"max": 0.25})],
    *[(name, getattr(np, name), (X > 0.5,), {"axis": axis, "keepdims": keepdims})
      for name, axis, keepdims in product(("any", "all"), (None, 0, (0, 2)), (False, True))],
    *[(name, getattr(np, name), (X,), {"axis": axis, "keepdims": keepdims, "ddof": ddof})
      for name, axis, keepdims, ddof in product(("var", "std"), (None, 0, (0, 2)), (0, 1), (0, 1))],
    ("floor_divide", np.floor_divide, (X * 3, X[0] + 2.5), {}),
    ("mod", np.mod, (X * 3, X[0] + 2.5), {}),
    ("swapaxes", np.swapaxes, (X,), {"axis1": 0, "axis2": -1}),
    *[("flip", np.flip, (X,), {"axis": axis}) for axis in (None, 1, (0, -1))],
    *[("repeat", np.repeat, (X,), {"repeats": 2, "axis": axis}) for axis in (None, 0, 1, -1)],
    *[("stack", lambda *xs, axis: np.stack(xs, axis), (X, X[::-1], X), {"axis": axis})
      for axis in (0, 1, 3, -1)],
    *COMPOSED_CASES,
    ("one_hot", _one_hot, (INDEX,), {"depth": 4}),
    ("checked_indices", lambda x, extent: x, (INDEX,), {"extent": 4}),
    ("where", np.where, (X > 0, X, X[0]), {}),
    ("where", np.where, (X[0, 0] > 0, X, 1.5), {}),
    ("cast", lambda x, dtype: x.astype(dtype), (X,), {"dtype": "int32"}),
    ("cast", lambda x, dtype: x.astype(dtype), (X > 0,), {"dtype": "float64"}),
    ("cast", lambda x, dtype: x.astype(dtype), (X,), {"dtype": "bool"}),
    *[(name, _pool(reduce), (IMAGES,), {"pool_size": size, "strides": strides, "padding": padding})
      for name, reduce in (("max_pool", np.nanmax), ("avg_pool", np.nanmean))
      for size, strides, padding in (
          (2, None, "valid"), ((2, 3), 1, "valid"), (2, (1, 2), "valid"), (2, 2, "same"))],
    ("stop_gradient", np.copy, (X,), {}),
    *[("warp", _warp, (IMAGES,), {"interpolation": interpolation, "fill_mode": mode, **options})
      for interpolation in ("bilinear", "nearest")
      for mode, options in (("reflect", {}), ("nearest", {}), ("wrap", {}),
                            ("constant", {"fill_value": 2.5}))],
    ("zeros_like", np.zeros_like, (X,), {}),
    ("ones_like", np.ones_like, (X,), {}),
]  # fmt: skip
SEVERAL = {"batch_standardize", "nonzero", "topk", "split", "unstack", "meshgrid"}  # results
CREATION = {"arange", "eye", "linspace", "zeros", "ones", "full", "random_uniform", "random_normal"}


def reference(name: str) -> Callable[..., Any]:
    return NUMPY.get(name) or getattr(np, name)


def call(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if name == "concatenate":
        return ops.concatenate(arguments, **options)
    if name == "take_sum":
        return ops.take_sum(*arguments, BAGS)
    if name == "warp":
        return ops.warp(*arguments, MATRIX, **options)
    if name == "take":
        return ops.take(*arguments, INDEX, **options)
    if name == "stack":
        return ops.stack(arguments, **options)
    if name == "einsum":
        return ops.einsum(options["equation"], *arguments)
    if name in {"index_put", "index_add", "put_along_axis"}:
        x, values = arguments
        return PUBLIC[name](x, values=values, **options)
    return PUBLIC[name](*arguments, **options)


def points(name: str, shape: tuple[int, ...], dtype: str = "float64") -> Array:
    """Draw from the op's domain, away from whole and half numbers, where kinks and jumps are."""
    low, high = TABLE[name]["domain"] or (-3.0, 3.0)
    x = np.random.default_rng(11).uniform(low, high, shape)
    near = np.round(x * 2) / 2
    x = np.where(np.abs(x - near) < 0.01, near + 0.02, x)
    return np.clip(x, low, high).astype(dtype)


def pair(name: str, shape: Any = (3, 4), other: Any = (4,)) -> tuple[Array, Array]:
    a = points(name, shape)
    b = points(name, other)[..., ::-1] + 0.21
    if name == "power":
        a = np.abs(a)
    return a, b
