"""Metrics of classes: the share of right answers."""

from __future__ import annotations

from pynn import ops
from pynn.losses.base import class_numbers, like_prediction
from pynn.metrics.base import Metric, registry
from pynn.tensor import Tensor


@registry.register()
class BinaryAccuracy(Metric):
    """Share of outputs on the right side of a threshold, ``mean((ŷ > t) = (y > t))``.

    Parameters
    ----------
    threshold : float, default 0.5
        t; 0 for logits and for labels in {-1, 1}.
    name : str, default "binary_accuracy"

    Examples
    --------
    >>> import numpy as np
    >>> BinaryAccuracy()(np.array([0, 1, 1, 1]), np.array([0.2, 0.4, 0.6, 0.8]))
    0.75
    """

    def __init__(self, threshold: float = 0.5, name: str | None = None) -> None:
        super().__init__(name)
        self.threshold = threshold

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        positive = like_prediction(y_true, y_pred) > self.threshold
        return ((y_pred > self.threshold) == positive).astype("float32")


@registry.register()
class CategoricalAccuracy(Metric):
    """Share of samples whose largest output is that of the right class.

    Parameters
    ----------
    name : str, default "categorical_accuracy"

    Notes
    -----
    Labels may be one-hot, (n, c), or class numbers, (n,) or (n, 1).

    Examples
    --------
    >>> import numpy as np
    >>> CategoricalAccuracy()(np.array([[0, 1], [1, 0]]), np.array([[0.1, 0.9], [0.4, 0.6]]))
    0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        hits = ops.argmax(y_pred, axis=-1) == _labels(y_true, y_pred)
        return hits.astype("float32")


@registry.register()
class SparseCategoricalAccuracy(CategoricalAccuracy):
    """`CategoricalAccuracy` for labels as class numbers.

    Parameters
    ----------
    name : str, default "sparse_categorical_accuracy"

    Examples
    --------
    >>> import numpy as np
    >>> SparseCategoricalAccuracy()(np.array([1, 0]), np.array([[0.1, 0.9], [0.4, 0.6]]))
    0.5
    """


@registry.register("top_k_accuracy")
class TopKCategoricalAccuracy(Metric):
    """Share of samples whose right class is among the ``k`` largest outputs, ties included.

    Parameters
    ----------
    k : int, default 5
        At least 1.
    name : str, default "top_k_categorical_accuracy"

    Raises
    ------
    ValueError
        ``k`` is below 1.

    Notes
    -----
    Labels may be one-hot, (n, c), or class numbers, (n,) or (n, 1).

    Examples
    --------
    >>> import numpy as np
    >>> y, p = np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.4, 0.5, 0.1], [0.4, 0.5, 0.1]])
    >>> TopKCategoricalAccuracy(k=2)(y, p)
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        if k < 1:
            raise ValueError(f"{self.name}: k must be at least 1, got {k}")
        self.k = k

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        right = ops.expand_dims(ops.take_along_last(y_pred, _labels(y_true, y_pred)), -1)
        ahead = (y_pred > right).astype("float32").sum(axis=-1)
        return (ahead < float(self.k)).astype("float32")


@registry.register("sparse_top_k_accuracy")
class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """`TopKCategoricalAccuracy` for labels as class numbers.

    Parameters
    ----------
    k : int, default 5
    name : str, default "sparse_top_k_categorical_accuracy"

    Examples
    --------
    >>> import numpy as np
    >>> SparseTopKCategoricalAccuracy(k=2)(np.array([2]), np.array([[0.4, 0.5, 0.1]]))
    0.0
    """


@registry.register("acc")
class Accuracy(Metric):
    """Share of right predictions: binary for one output, categorical for several.

    Parameters
    ----------
    name : str, default "accuracy"

    Examples
    --------
    >>> import numpy as np
    >>> Accuracy()(np.array([1, 0]), np.array([[0.1, 0.9], [0.4, 0.6]]))
    0.5
    >>> Accuracy()(np.array([1, 0]), np.array([[0.9], [0.6]]))
    0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        one_output = y_pred.ndim == 1 or y_pred.shape[-1] == 1
        rule: Metric = BinaryAccuracy() if one_output else CategoricalAccuracy()
        return rule.values(y_true, y_pred)


def _labels(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return class numbers (batch, ...) of labels that are one-hot or class numbers already."""
    if y_true.shape == y_pred.shape:
        return ops.argmax(y_true, axis=-1)
    return class_numbers(y_true, y_pred)
