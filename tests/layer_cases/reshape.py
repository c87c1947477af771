from __future__ import annotations

from layer_cases import Case, numbers
from pynn.layers import Flatten, Permute, RepeatVector, Reshape

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
    Case(
        "Permute",
        lambda **o: Permute((3, 1, 2), **o),
        (numbers(2, 3, 4),),
        lambda weights, x: x.permute(0, 3, 1, 2),
    ),
    Case(
        "RepeatVector",
        lambda **o: RepeatVector(3, **o),
        (numbers(4),),
        lambda weights, x: x[:, None].expand(-1, 3, -1),
    ),
]
