from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layer_cases import Case, numbers
from layer_cases.pooling import same_widths
from pynn import layers


def _function(name: str, axes: int) -> Callable[..., Any]:
    import torch.nn.functional as F

    return getattr(F, f"{name}{axes}d")


def _padded(x: Any, padding: Any, reach: list[int], strides: tuple[int, ...]) -> Any:
    """Pad images with channels first as the layers do."""
    import torch.nn.functional as F

    axes = len(reach)
    if padding == "same":
        widths = same_widths(x.shape[2:], reach, strides)
    elif padding == "causal":
        widths = [reach[0] - 1, 0]
    elif padding == "valid":
        widths = [0, 0] * axes
    else:
        pairs = [padding] * axes if isinstance(padding, int) else padding
        widths = [n for p in reversed(pairs) for n in ((p, p) if isinstance(p, int) else p)]
    return F.pad(x, widths)


def _conv(axes: int, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: int = 1,
          depthwise: bool = False, separable: bool = False) -> Callable[..., Any]:  # fmt: skip
    def each(value: Any) -> tuple[int, ...]:
        return (value,) * axes if isinstance(value, int) else value

    def call(weights: Any, x: Any) -> Any:
        kernel, *others = weights
        bias = others[-1] if others and others[-1].ndim == 1 else None
        channels = x.shape[-1]
        if depthwise:
            kernel = kernel.reshape(*kernel.shape[:axes], 1, -1)
        reach = [(k - 1) * d + 1 for k, d in zip(kernel.shape, each(dilation), strict=False)]
        y = _function("conv", axes)(
            _padded(x.movedim(-1, 1), padding, reach, each(strides)),
            kernel.movedim((-1, -2), (0, 1)),
            None if separable else bias,
            each(strides),
            0,
            each(dilation),
            channels if depthwise else groups,
        )
        if separable:
            y = _function("conv", axes)(y, others[0].movedim((-1, -2), (0, 1)), bias)
        return y.movedim(1, -1)

    return call


def _transposed(axes: int, strides: Any = 1, padding: Any = 0, more: Any = 0, dilation: Any = 1,
                keep: tuple[slice, ...] = ()) -> Callable[..., Any]:  # fmt: skip
    def call(weights: Any, x: Any) -> Any:
        kernel, bias = weights
        y = _function("conv_transpose", axes)(
            x.movedim(-1, 1),
            kernel.movedim((-1, -2), (0, 1)),
            bias,
            strides,
            padding,
            more,
            1,
            dilation,
        ).movedim(1, -1)
        return y[(slice(None), *keep)]

    return call


def _relu(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda weights, x: function(weights, x).relu()


SHAPES = {1: (7, 4), 2: (5, 6, 4), 3: (4, 3, 3, 2)}
CASES: list[Case] = []
for axes, shape in SHAPES.items():
    x = numbers(*shape, batch=2)
    for strides, padding, dilation, groups in (
        (1, "valid", 1, 1),
        (2, "valid", 1, 1),
        (1, "same", 1, 1),
        (2, "same", 1, 2),
        (1, "same", 2, 1),
        (1, 1, 1, 2),
        (2, ((1, 2), (0, 1), (1, 0))[:axes], 1, 1),
    ):
        CASES.append(
            Case(
                f"Conv{axes}D({strides}, {padding!r}, {dilation}, {groups})",
                lambda axes=axes, s=strides, p=padding, d=dilation, g=groups, **o: getattr(
                    layers, f"Conv{axes}D"
                )(2 * g, 2 if axes == 3 else 3, s, p, d, g, **o),
                (x,),
                _conv(axes, strides, padding, dilation, groups),
            )
        )
    for strides, padding, more in ((1, 0, None), (2, 0, None), (2, 1, 1), (3, 1, 2)):
        CASES.append(
            Case(
                f"Conv{axes}DTranspose({strides}, {padding}, {more})",
                lambda axes=axes, s=strides, p=padding, m=more, **o: getattr(
                    layers, f"Conv{axes}DTranspose"
                )(2, 2 if axes == 3 else 3, s, p, m, **o),
                (x,),
                _transposed(axes, strides, padding, more or 0),
            )
        )

X1, X2 = numbers(7, 4, batch=2), numbers(5, 6, 4, batch=2)
CASES += [
    Case("Conv1D, causal", lambda **o: layers.Conv1D(3, 3, 1, "causal", 2, **o), (X1,),
         _conv(1, 1, "causal", 2)),
    Case("Conv1D, a pair of padding", lambda **o: layers.Conv1D(3, 2, 1, (2, 0), **o), (X1,),
         _conv(1, 1, ((2, 0),))),
    Case("Conv2D, relu",
         lambda **o: layers.Conv2D(3, (3, 2), padding="same", activation="relu", **o), (X2,),
         _relu(_conv(2, 1, "same"))),
    Case("Conv2D without bias", lambda **o: layers.Conv2D(3, (1, 2), use_bias=False, **o), (X2,),
         _conv(2)),
    Case("Conv2D of pixels", lambda **o: layers.Conv2D(5, 1, activation="relu", **o), (X2,),
         _relu(_conv(2))),
    Case("Conv2D of one channel", lambda **o: layers.Conv2D(33, 3, **o),
         (numbers(4, 5, 1, batch=2),), _conv(2)),
    Case("Conv2D, options for each axis",
         lambda **o: layers.Conv2D(2, (2, 3), (2, 1), ((1, 0), 2), (1, 2), **o), (X2,),
         _conv(2, (2, 1), ((1, 0), 2), (1, 2))),
    Case("Conv2DTranspose, same", lambda **o: layers.Conv2DTranspose(2, 3, 2, "same", **o), (X2,),
         _transposed(2, 2, keep=(slice(0, 10), slice(0, 12)))),
    Case("Conv2DTranspose, dilated", lambda **o: layers.Conv2DTranspose(
        2, 2, dilation_rate=2, activation="relu", **o), (X2,), _relu(_transposed(2, dilation=2))),
    Case("DepthwiseConv1D", lambda **o: layers.DepthwiseConv1D(3, 2, "same", 2, **o), (X1,),
         _conv(1, 2, "same", depthwise=True)),
    Case("DepthwiseConv2D", lambda **o: layers.DepthwiseConv2D(3, **o), (X2,),
         _conv(2, depthwise=True)),
    Case("DepthwiseConv2D, options",
         lambda **o: layers.DepthwiseConv2D((3, 2), 1, "same", 3, 2, "relu", False, **o), (X2,),
         _relu(_conv(2, 1, "same", 2, depthwise=True))),
    Case("SeparableConv1D", lambda **o: layers.SeparableConv1D(3, 2, 1, "causal", **o), (X1,),
         _conv(1, 1, "causal", depthwise=True, separable=True)),
    Case("SeparableConv2D",
         lambda **o: layers.SeparableConv2D(3, 3, 2, "same", 1, 2, "relu", **o), (X2,),
         _relu(_conv(2, 2, "same", depthwise=True, separable=True))),
]  # fmt: skip
