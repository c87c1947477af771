"""Metrics by name, which losses lend theirs to."""

from __future__ import annotations

from collections.abc import Callable

from pynn import losses
from pynn._registry import unknown_name
from pynn.losses.base import registry as loss_registry
from pynn.metrics.accuracy import Accuracy, BinaryAccuracy
from pynn.metrics.base import LossMetric, Metric, registry
from pynn.tensor import Tensor


def get(
    identifier: str | Metric | type[Metric] | losses.Loss | Callable[[Tensor, Tensor], Tensor],
    loss: losses.Loss | None = None,
) -> Metric:
    """Return a metric by name, object, class or function of tensors.

    Parameters
    ----------
    identifier
        Losses and their names serve as well. ``"accuracy"`` is the accuracy that goes with ``loss``
        and the number of outputs.
    loss : Loss, optional
        What the network is trained with: binary losses make ``"accuracy"`` binary, at threshold 0
        where predictions are logits or margins.

    Raises
    ------
    ValueError
        Nothing has that name; the nearest one is suggested.
    TypeError
        ``identifier`` is none of these.

    Examples
    --------
    >>> get("mae").name, get("huber").name, get("accuracy").name
    ('mae', 'huber', 'accuracy')
    """
    if isinstance(identifier, str):
        metric = _by_name(identifier)
        if isinstance(metric, Accuracy):
            metric = _accuracy_for(loss)
        metric.name = identifier
        return metric
    if isinstance(identifier, losses.Loss):
        return LossMetric(identifier)
    return registry.get(identifier)


def _by_name(name: str) -> Metric:
    cls = registry.find(name)
    if cls is not None:
        return cls()
    if loss_registry.find(name) is not None:
        return LossMetric(name)
    raise unknown_name("metric", name, {*registry.names, *loss_registry.names})


def _accuracy_for(loss: losses.Loss | None) -> Metric:
    if isinstance(loss, losses.Hinge):
        return BinaryAccuracy(threshold=0.0)
    if isinstance(loss, losses.BinaryCrossentropy):
        return BinaryAccuracy(threshold=0.0 if loss.from_logits else 0.5)
    return Accuracy()
