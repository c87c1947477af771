"""Layers: what networks are made of.

Their modules are imported when they are first needed; ``__init__.pyi`` tells the type checkers.
"""

from pynn import _lazy

_FAMILIES = {
    "activation": (
        "ELU GELU SELU Activation HardSigmoid HardSwish HardTanh LeakyReLU Linear LogSigmoid "
        "LogSoftmax Mish ReLU ReLU6 Sigmoid SiLU Softmax Softplus Softsign Swish Tanh"
    ),
    "attention": "Attention MultiHeadAttention",
    "augmentation": "RandomBrightness RandomContrast RandomFlip",
    "base": "Layer",
    "batch_normalization": "BatchNorm BatchNormalization",
    "bidirectional": "Bidirectional",
    "cells": "StackedRNNCells",
    "convolution": "Conv1D Conv2D Conv3D",
    "dense": "Dense",
    "depthwise": "DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D",
    "dropout": (
        "AlphaDropout Dropout GaussianDropout GaussianNoise SpatialDropout1D SpatialDropout2D "
        "SpatialDropout3D"
    ),
    "embedding": "Embedding EmbeddingBag",
    "gated_cells": "GRUCell LSTMCell SimpleRNNCell",
    "graph": "Input",
    "lookup": "Hashing IntegerLookup StringLookup",
    "masking": "Masking",
    "merge": "Add Average Concatenate Dot Maximum Minimum Multiply Subtract",
    "normalization": (
        "GroupNormalization LayerNorm LayerNormalization RMSNormalization UnitNormalization"
    ),
    "padding": "Cropping1D Cropping2D Cropping3D ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    "pooling": (
        "AdaptiveAvgPool1D AdaptiveAvgPool2D AdaptiveAvgPool3D AveragePooling1D AveragePooling2D "
        "AveragePooling3D AvgPool1D AvgPool2D AvgPool3D GlobalAveragePooling1D "
        "GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D "
        "GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D "
        "GlobalMaxPooling2D GlobalMaxPooling3D MaxPool1D MaxPool2D MaxPool3D MaxPooling1D "
        "MaxPooling2D MaxPooling3D"
    ),
    "preprocessing": "CategoryEncoding Discretization Normalization Rescaling",
    "recurrent": "RNN",
    "regularization": "ActivityRegularization",
    "resampling": "CenterCrop Resizing UpSampling1D UpSampling2D UpSampling3D",
    "reshape": "Flatten Permute RepeatVector Reshape",
    "text": "TextVectorization",
    "transformer": "PositionalEmbedding TransformerEncoder",
    "transposed": "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
    "units": "GRU LSTM SimpleRNN",
    "warping": "RandomRotation RandomTranslation RandomZoom",
    "wrapper": "Lambda TimeDistributed",
}
_HOMES = {
    name: f"{__name__}.{family}"
    for family, classes in _FAMILIES.items()
    for name in (family, *classes.split())
}

__all__ = sorted(_HOMES.keys() - _FAMILIES.keys())
__getattr__ = _lazy.names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOMES.keys())
