from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layer_cases import Case, numbers
from pynn import layers

KINDS: dict[str, Callable[..., layers.Layer]] = {
    "RandomFlip": lambda **o: layers.RandomFlip(**o),
    "RandomFlip, horizontal": lambda **o: layers.RandomFlip("horizontal", seed=4, **o),
    "RandomTranslation": lambda **o: layers.RandomTranslation(0.3, (-0.2, 0.4), **o),
    "RandomRotation": lambda **o: layers.RandomRotation(0.2, "wrap", "bilinear", 2, **o),
    "RandomRotation, nearest": lambda **o: layers.RandomRotation(0.2, "nearest", "nearest", 2, **o),
    "RandomZoom": lambda **o: layers.RandomZoom((-0.4, 0.5), None, "constant", **o),
    "RandomZoom, each axis": lambda **o: layers.RandomZoom(0.3, (0.1, 0.5), **o),
    "RandomBrightness": lambda **o: layers.RandomBrightness(0.1, (-9, 9), 3, **o),
    "RandomContrast": lambda **o: layers.RandomContrast(0.4, (-9, 9), **o),
}


def _same(weights: Any, x: Any) -> Any:
    return x


X = numbers(4, 5, 2)
CASES = [Case(name, make, (X,), _same) for name, make in KINDS.items()]
CASES += [Case(f"{name} in training", make, (X,), training=True) for name, make in KINDS.items()]
