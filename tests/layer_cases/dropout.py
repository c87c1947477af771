from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layer_cases import Array, Case, numbers
from pynn import layers

KINDS: dict[str, tuple[Callable[..., layers.Layer], Array]] = {
    "Dropout": (lambda **o: layers.Dropout(0.4, **o), numbers(9)),
    "Dropout of rows": (lambda **o: layers.Dropout(0.4, (None, 1), **o), numbers(3)),
    "SpatialDropout1D": (lambda **o: layers.SpatialDropout1D(0.4, **o), numbers(2, 5)),
    "SpatialDropout2D": (lambda **o: layers.SpatialDropout2D(0.4, **o), numbers(2, 1, 5)),
    "SpatialDropout3D": (lambda **o: layers.SpatialDropout3D(0.4, **o), numbers(2, 1, 2, 3)),
    "AlphaDropout": (lambda **o: layers.AlphaDropout(0.4, **o), numbers(9)),
    "GaussianDropout": (lambda **o: layers.GaussianDropout(0.4, **o), numbers(9)),
    "GaussianNoise": (lambda **o: layers.GaussianNoise(0.4, **o), numbers(9)),
    "ActivityRegularization": (
        lambda **o: layers.ActivityRegularization(0.1, 0.2, **o),
        numbers(4),
    ),
}


def _same(weights: Any, x: Any) -> Any:
    return x


CASES = [Case(name, make, (x,), _same) for name, (make, x) in KINDS.items()]
CASES += [
    Case(f"{name} in training", make, (x,), training=True) for name, (make, x) in KINDS.items()
]
