"""The data of a fit, checked against the network and laid out for the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pynn import checks
from pynn.layers.graph import Node

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pynn.network import Network


@dataclass(frozen=True)
class Data:
    """Samples, their targets and, where there are any, their weights; one row each."""

    arrays: tuple[NDArray[Any], ...]

    @property
    def rows(self) -> int:
        return len(self.arrays[0])

    def split(self, rows: int) -> tuple[Data, Data]:
        """Split into the first `rows` rows and the others."""
        return (
            Data(tuple(array[:rows] for array in self.arrays)),
            Data(tuple(array[rows:] for array in self.arrays)),
        )


def inputs(network: Network, x: Any, name: str, finite: bool) -> NDArray[Any]:
    """Check inputs and lay them out; builds the network where this is the first it sees."""
    array = checks.batch(x, name)
    if not network.built:
        network._infer(Node(array.shape[1:]))
    if array.shape == network.input_shape:
        raise ValueError(
            f"{name} expects one row a sample, got one sample of shape {array.shape}; "
            f"{name}[None] is a batch of it"
        )
    network.check_input(array.shape)
    array = checks.stored(array, network.input_dtype(checks.dtype_name(array.dtype)))
    if finite:
        checks.finite(array, name)
    return array


def samples(
    network: Network,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    prefix: str = "",
    finite: bool = True,
    class_weight: Mapping[int, float] | None = None,
) -> Data:
    """Check samples, targets and weights, and lay them out."""
    rows = inputs(network, x, f"{prefix}x", finite)
    targets = checks.batch(y, f"{prefix}y")
    checks.same_length(rows, f"{prefix}x", targets, f"{prefix}y")
    if finite:
        checks.finite(targets, f"{prefix}y")
    predicted = (len(rows), *(network.output_shape or ()))
    network.loss.check(targets.shape, targets.dtype, predicted)
    network.loss.check_values(targets, predicted)
    arrays = [rows, checks.stored(targets, network.loss.target_dtype(targets.dtype, network.dtype))]
    weights = (
        None if sample_weight is None else _weights(sample_weight, f"{prefix}sample_weight", rows)
    )
    if class_weight is not None:
        by_class = _class_weights(targets, class_weight)
        weights = by_class if weights is None else weights * by_class
    if weights is not None:
        arrays.append(checks.stored(weights, network.dtype))
    return Data(tuple(arrays))


def _weights(value: Any, name: str, rows: NDArray[Any]) -> NDArray[Any]:
    array = checks.batch(value, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} expects one number a sample, shape ({len(rows)},), got {array.shape}"
        )
    checks.same_length(rows, "x", array, name)
    checks.finite(array, name)
    if array.min() < 0:
        raise ValueError(f"{name} expects numbers of at least 0, got {array.min()}")
    return array


def _class_weights(targets: NDArray[Any], weights: Mapping[int, float]) -> NDArray[np.float64]:
    """Look up each sample's weight: by its label, or by the largest of its one-hot row."""
    if not isinstance(weights, Mapping):
        raise TypeError(f"class_weight expects a dict of class numbers to weights, got {weights!r}")
    if targets.ndim > 1 and targets.shape[-1] > 1:
        classes = targets.argmax(axis=-1)
    else:
        classes = targets.reshape(len(targets), -1)[:, 0]
    found, position = np.unique(classes, return_inverse=True)
    missing = [label for label in found.tolist() if label not in weights]
    if missing:
        raise ValueError(f"class_weight has no weight for class {missing[0]!r}")
    table = [checks.nonnegative(weights[label], "class_weight") for label in found.tolist()]
    return np.asarray(table)[position]
