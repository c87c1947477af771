from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layer_cases import Case, numbers
from layer_cases.pooling import channels_first
from pynn import layers


def _resize(mode: str, **size: Any) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        import torch.nn.functional as F

        return F.interpolate(x, mode=mode, **size)

    return channels_first(call)


def _pad(*widths: int) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        import torch.nn.functional as F

        return F.pad(x, widths)

    return channels_first(call)


IMAGES = numbers(3, 4, 2)
CASES = [
    Case("ZeroPadding1D", lambda **o: layers.ZeroPadding1D((0, 2), **o), (numbers(3, 2),),
         _pad(0, 2)),
    Case("ZeroPadding2D", lambda **o: layers.ZeroPadding2D(**o), (IMAGES,), _pad(1, 1, 1, 1)),
    Case("ZeroPadding2D, pairs", lambda **o: layers.ZeroPadding2D(((1, 0), 2), **o), (IMAGES,),
         _pad(2, 2, 1, 0)),
    Case("ZeroPadding3D", lambda **o: layers.ZeroPadding3D((0, 1, (2, 0)), **o),
         (numbers(2, 1, 2, 2),), _pad(2, 0, 1, 1, 0, 0)),
    Case("Cropping1D", lambda **o: layers.Cropping1D(**o), (numbers(3, 2),),
         lambda weights, x: x[:, 1:-1]),
    Case("Cropping2D", lambda **o: layers.Cropping2D(((1, 0), (0, 2)), **o), (IMAGES,),
         lambda weights, x: x[:, 1:, :-2]),
    Case("Cropping3D", lambda **o: layers.Cropping3D((0, 1, 0), **o), (numbers(2, 3, 2, 2),),
         lambda weights, x: x[:, :, 1:-1]),
    Case("UpSampling1D", lambda **o: layers.UpSampling1D(3, **o), (numbers(3, 2),),
         _resize("nearest", scale_factor=3)),
    Case("UpSampling2D", lambda **o: layers.UpSampling2D((2, 3), **o), (IMAGES,),
         _resize("nearest", scale_factor=(2, 3))),
    Case("UpSampling2D, bilinear", lambda **o: layers.UpSampling2D((2, 3), "bilinear", **o),
         (IMAGES,), _resize("bilinear", scale_factor=(2, 3), align_corners=False)),
    Case("UpSampling3D", lambda **o: layers.UpSampling3D((1, 2, 2), **o), (numbers(2, 1, 2, 2),),
         _resize("nearest", scale_factor=(1, 2, 2))),
    Case("Resizing", lambda **o: layers.Resizing(5, 2, **o), (IMAGES,),
         _resize("bilinear", size=(5, 2), align_corners=False)),
    Case("Resizing, nearest", lambda **o: layers.Resizing(5, 3, "nearest", **o), (IMAGES,),
         _resize("nearest-exact", size=(5, 3))),
    Case("CenterCrop", lambda **o: layers.CenterCrop(1, 2, **o), (IMAGES,),
         lambda weights, x: x[:, 1:2, 1:3]),
]  # fmt: skip
