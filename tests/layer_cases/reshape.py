from __future__ import annotations

from layer_cases import Case, numbers
from pynn.layers import Flatten, Reshape

CASES = [
    Case("Flatten", Flatten, (numbers(2, 3),), lambda weights, x: x.flatten(1)),
    Case("Flatten numbers", Flatten, (numbers(),), lambda weights, x: x.reshape(-1, 1)),
    Case(
        "Reshape",
        lambda **o: Reshape((3, -1), **o),
        (numbers(6),),
        lambda weights, x: x.reshape(-1, 3, 2),
    ),
    Case(
        "Reshape to one axis",
        lambda **o: Reshape(6, **o),
        (numbers(2, 3),),
        lambda weights, x: x.reshape(-1, 6),
    ),
]
