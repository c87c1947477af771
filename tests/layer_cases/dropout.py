from __future__ import annotations

from layer_cases import Case, numbers
from pynn.layers import Dropout

CASES = [
    Case("Dropout", lambda **o: Dropout(0.4, **o), (numbers(4),), lambda weights, x: x),
    Case("Dropout in training", lambda **o: Dropout(0.4, **o), (numbers(9),), training=True),
]
