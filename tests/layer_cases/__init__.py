"""Every layer as the generic tests see it: how to make it, what to give it, PyTorch's equivalent.

A module of this package holds the cases of one family in a list ``CASES``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pynn.layers import Layer

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A layer with its inputs, a batch of at least 2 rows.

    ``torch(weights, *inputs)`` computes the same with PyTorch's tensors; the weights come in the
    order and shapes of ``layer.weights``. It may change weights that are not trained in place.
    """

    id: str
    make: Callable[..., Layer]  # takes `dtype`, `name` and `input_shape`
    inputs: tuple[Array, ...]
    torch: Callable[..., Any] | None = None
    training: bool = False
    joined: bool = False  # called with one list of inputs
    states: bool = False  # called with the first input and a list of the others
    counts: bool = False  # the outputs are integers
    picklable: bool = True  # a lambda among its settings is not

    def call(self, layer: Layer, inputs: Sequence[Any], **options: Any) -> Any:
        if self.states:
            return layer(inputs[0], list(inputs[1:]), **options)
        return layer(list(inputs), **options) if self.joined else layer(*inputs, **options)

    def arrays(self, dtype: str, rows: int | None = None) -> list[Array]:
        """Return the inputs' first rows, in the layer's dtype where they are not integers."""
        return [x[:rows].astype(dtype if x.dtype.kind == "f" else x.dtype) for x in self.inputs]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample of the first input."""
        return self.inputs[0].shape[1:]

    @property
    def single(self) -> bool:
        """Whether it is a function of one array of floating-point numbers, to such numbers."""
        floats = self.inputs[0].dtype.kind == "f" and not self.counts
        return len(self.inputs) == 1 and not self.joined and floats


def numbers(*shape: int, batch: int = 3, seed: int = 5) -> Array:
    """Draw numbers away from 0, where some functions have a corner, and from each other."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.1, 2.0, (batch, *shape))
    return x * rng.choice([-1.0, 1.0], x.shape)


def integers(high: int, *shape: int, batch: int = 3, seed: int = 5) -> Array:
    return np.random.default_rng(seed).integers(0, high, (batch, *shape))


def _collected() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules(__path__):
        for case in importlib.import_module(f"{__name__}.{module.name}").CASES:
            assert case.id not in found, f"two cases are called {case.id!r}"
            found[case.id] = case
    return found


CASES = _collected()
