from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layer_cases import Case, numbers
from pynn import layers


def _affine(standard: Any, weights: Any, shape: Any = None) -> Any:
    """Scale by the weights, of this shape, as far as there are any."""
    for i, weight in enumerate(weights):
        weight = weight if shape is None else weight.reshape(shape)
        standard = standard + weight if i else standard * weight
    return standard


def _moments(x: Any, axes: Any) -> tuple[Any, Any]:
    mean = x.mean(axes, keepdim=True)
    return mean, (x - mean).square().mean(axes, keepdim=True)


def _batch_training(axes: Any, shape: Any = None, momentum: float = 0.99) -> Callable[..., Any]:
    def call(weights: Any, x: Any) -> Any:
        *trained, moving_mean, moving_variance = weights
        mean, variance = _moments(x, axes)
        for moving, batch in ((moving_mean, mean), (moving_variance, variance)):
            moving.mul_(momentum).add_((1 - momentum) * batch.detach().reshape(-1))
        return _affine((x - mean) / (variance + 1e-3).sqrt(), trained, shape)

    return call


def _batch(weights: Any, x: Any) -> Any:
    *trained, mean, variance = weights
    return _affine((x - mean) / (variance + 1e-3).sqrt(), trained)


def _layer(axes: Any, epsilon: float = 1e-3, shape: Any = None) -> Callable[..., Any]:
    def call(weights: Any, x: Any) -> Any:
        mean, variance = _moments(x, axes)
        return _affine((x - mean) / (variance + epsilon).sqrt(), weights, shape)

    return call


def _torch_layer_norm(weights: Any, x: Any) -> Any:
    import torch.nn.functional as F

    return F.layer_norm(x, x.shape[-1:], *weights, eps=1e-3)


def _group(groups: int) -> Callable[..., Any]:
    def call(weights: Any, x: Any) -> Any:
        import torch.nn.functional as F

        return F.group_norm(x.movedim(-1, 1), groups, *weights, eps=1e-3).movedim(1, -1)

    return call


def _rms(weights: Any, x: Any) -> Any:
    import torch.nn.functional as F

    return F.rms_norm(x, x.shape[-1:], *weights, eps=1e-6)


def _unit(weights: Any, x: Any) -> Any:
    import torch.nn.functional as F

    return F.normalize(x, dim=-1)


IMAGES = numbers(3, 2, 4)
CASES = [
    Case("BatchNormalization", layers.BatchNormalization, (numbers(4),), _batch),
    Case("BatchNormalization of images", layers.BatchNormalization, (IMAGES,), _batch),
    Case(
        "BatchNormalization in training",
        layers.BatchNormalization,
        (numbers(4, batch=5),),
        _batch_training(0),
        training=True,
    ),
    Case(
        "BatchNormalization of images in training",
        lambda **o: layers.BatchNormalization(momentum=0.7, **o),
        (IMAGES,),
        _batch_training((0, 1, 2), momentum=0.7),
        training=True,
    ),
    Case(
        "BatchNormalization along axis 1 in training",
        lambda **o: layers.BatchNormalization(axis=1, **o),
        (IMAGES,),
        _batch_training((0, 2, 3), (3, 1, 1)),
        training=True,
    ),
    Case(
        "BatchNormalization without weights in training",
        lambda **o: layers.BatchNormalization(center=False, scale=False, **o),
        (numbers(4, batch=5),),
        _batch_training(0),
        training=True,
    ),
    Case(
        "BatchNormalization that is frozen in training",
        lambda **o: layers.BatchNormalization(trainable=False, **o),
        (numbers(4),),
        _batch,
        training=True,
    ),
    Case("LayerNormalization", layers.LayerNormalization, (numbers(5),), _layer(-1)),
    Case("LayerNormalization of rows", layers.LayerNormalization, (IMAGES,), _torch_layer_norm),
    Case("LayerNormalization, wide", layers.LayerNormalization, (numbers(2, 67),), _layer(-1)),
    Case(
        "LayerNormalization over two axes",
        lambda **o: layers.LayerNormalization(axis=(-2, -1), epsilon=0.1, **o),
        (IMAGES,),
        _layer((-2, -1), 0.1),
    ),
    Case(
        "LayerNormalization along axis 1",
        lambda **o: layers.LayerNormalization(axis=1, **o),
        (IMAGES,),
        _layer(1, shape=(3, 1, 1)),
    ),
    Case(
        "LayerNormalization without center",
        lambda **o: layers.LayerNormalization(center=False, **o),
        (numbers(5),),
        _layer(-1),
    ),
    Case(
        "GroupNormalization",
        lambda **o: layers.GroupNormalization(2, **o),
        (numbers(3, 6),),
        _group(2),
    ),
    Case(
        "GroupNormalization of images",
        lambda **o: layers.GroupNormalization(2, **o),
        (IMAGES,),
        _group(2),
    ),
    Case(
        "GroupNormalization of each channel",
        lambda **o: layers.GroupNormalization(-1, **o),
        (IMAGES,),
        _group(4),
    ),
    Case(
        "GroupNormalization of all channels",
        lambda **o: layers.GroupNormalization(1, **o),
        (numbers(7),),
        _group(1),
    ),
    Case("RMSNormalization", layers.RMSNormalization, (numbers(2, 5),), _rms),
    Case("UnitNormalization", layers.UnitNormalization, (numbers(2, 5),), _unit),
]
