"""Layers: what networks are made of."""

from pynn.layers.activation import (
    ELU,
    GELU,
    SELU,
    Activation,
    HardSigmoid,
    HardSwish,
    HardTanh,
    LeakyReLU,
    Linear,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Swish,
    Tanh,
)
from pynn.layers.base import Layer
from pynn.layers.batch_normalization import BatchNorm, BatchNormalization
from pynn.layers.dense import Dense
from pynn.layers.dropout import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from pynn.layers.embedding import Embedding, EmbeddingBag
from pynn.layers.graph import Input
from pynn.layers.normalization import (
    GroupNormalization,
    LayerNorm,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from pynn.layers.preprocessing import (
    CategoryEncoding,
    Discretization,
    Normalization,
    Rescaling,
)
from pynn.layers.regularization import ActivityRegularization
from pynn.layers.reshape import Flatten, Permute, RepeatVector, Reshape
from pynn.layers.wrapper import Lambda, TimeDistributed

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "ActivityRegularization",
    "AlphaDropout",
    "BatchNorm",
    "BatchNormalization",
    "CategoryEncoding",
    "Dense",
    "Discretization",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Input",
    "Lambda",
    "Layer",
    "LayerNorm",
    "LayerNormalization",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "Normalization",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "ReLU6",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Swish",
    "Tanh",
    "TimeDistributed",
    "UnitNormalization",
]
