from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from layer_cases import Case, numbers
from pynn import layers

SHAPES = {1: (7, 3), 2: (5, 6, 3), 3: (4, 3, 5, 2)}


def channels_first(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """Call a function of PyTorch's on images as PyTorch wants them."""

    def call(weights: Any, x: Any) -> Any:
        return function(x.movedim(-1, 1)).movedim(1, -1)

    return call


def _torch(name: str, *arguments: Any, **options: Any) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        import torch.nn.functional as F

        return getattr(F, name)(x, *arguments, **options)

    return channels_first(call)


def same_widths(extents: Sequence[int], reach: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Widths as torch's pad takes them, the odd pixel behind, which PyTorch cannot ask for."""
    widths: list[int] = []
    for n, r, stride in reversed(list(zip(extents, reach, strides, strict=False))):
        total = max((-(-n // stride) - 1) * stride + r - n, 0)
        widths += [total // 2, total - total // 2]
    return widths


def _same(name: str, axes: int, size: int, stride: int) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        import torch.nn.functional as F

        widths = same_widths(x.shape[2:], (size,) * axes, (stride,) * axes)
        if name == "max":
            y = F.pad(x, widths, value=-float("inf"))
            return getattr(F, f"max_pool{axes}d")(y, size, stride)
        pool = getattr(F, f"avg_pool{axes}d")
        return pool(F.pad(x, widths), size, stride) / pool(F.pad(x * 0 + 1, widths), size, stride)

    return channels_first(call)


def _means(axes: int, output: Any) -> Callable[..., Any]:
    return _torch(f"adaptive_avg_pool{axes}d", output)


CASES: list[Case] = []
for axes, shape in SHAPES.items():
    x = numbers(*shape, batch=2)
    for kind, size, stride, around in (
        ("Max", 2, None, "valid"),
        ("Max", 3, 1, 1),
        ("Avg", 2, None, "valid"),
        ("Avg", 3, 2, 1),
    ):
        if axes == 3 and size == 3:
            continue  # the same code as in two dimensions, and many numbers to differentiate by
        make = getattr(layers, f"{kind}Pool{axes}D")
        options: dict[str, Any] = {"padding": around if isinstance(around, int) else 0}
        if kind == "Avg":
            options["count_include_pad"] = False
        CASES.append(
            Case(
                f"{kind}Pool{axes}D({size}, {stride}, {around!r})",
                lambda make=make, size=size, stride=stride, around=around, **o: make(
                    size, stride, around, **o
                ),
                (x,),
                _torch(f"{kind.lower()}_pool{axes}d", size, stride, **options),
            )
        )
    for kind in ("Max", "Avg"):
        make = getattr(layers, f"{kind}Pool{axes}D")
        CASES.append(
            Case(
                f"{kind}Pool{axes}D, same",
                lambda make=make, **o: make(2, 2, "same", **o),
                (x,),
                _same(kind.lower(), axes, 2, 2),
            )
        )
        space = tuple(range(1, axes + 1))
        function = "amax" if kind == "Max" else "mean"
        for keep in (False, True):
            CASES.append(
                Case(
                    f"Global{kind}Pool{axes}D({keep})",
                    lambda name=f"Global{kind}Pool{axes}D", keep=keep, **o: getattr(layers, name)(
                        keep, **o
                    ),
                    (x,),
                    lambda weights, x, f=function, space=space, keep=keep: getattr(x, f)(
                        space, keep
                    ),
                )
            )
    for output in (1, 2, (3, 2, 4)[:axes]):
        CASES.append(
            Case(
                f"AdaptiveAvgPool{axes}D({output})",
                lambda axes=axes, output=output, **o: getattr(layers, f"AdaptiveAvgPool{axes}D")(
                    output, **o
                ),
                (x,),
                _means(axes, output),
            )
        )

CASES += [
    Case(
        "MaxPool2D, a stride, a window and padding for each axis",
        lambda **o: layers.MaxPool2D((3, 2), (1, 2), ((1, 2), 0), **o),
        (numbers(5, 6, 3),),
        channels_first(
            lambda x: _pad(x, (0, 0, 1, 2)).unfold(2, 3, 1).unfold(3, 2, 2).amax((-2, -1))
        ),
    ),
    Case(
        "MaxPool1D, a window of more pixels than a byte counts",
        lambda **o: layers.MaxPool1D(257, 2, **o),
        (numbers(261, 1, batch=2),),
        _torch("max_pool1d", 257, 2),
    ),
    Case("MaxPool1D, a pair of padding", lambda **o: layers.MaxPool1D(3, 2, (0, 1), **o),
         (numbers(7, 2),), channels_first(lambda x: _pad(x, (0, 1)).unfold(2, 3, 2).amax(-1))),
]  # fmt: skip


def _pad(x: Any, widths: tuple[int, ...]) -> Any:
    import torch.nn.functional as F

    return F.pad(x, widths, value=-float("inf"))
