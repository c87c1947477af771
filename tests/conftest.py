from __future__ import annotations

import numpy as np
import pytest

from pynn import _native


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Every test starts from the same state of the package's own random numbers."""
    _native.seed(7)
