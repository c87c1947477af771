"""Initializers: the numbers that weights start from.

Random ones draw from the package's seed (`pynn.seed`), or from a ``seed`` of their own, which gives
the same numbers at every call. They draw in float64, so a seed means the same weights in every
dtype.
"""

from pynn.initializers.base import Constant, FunctionInitializer, Initializer, Ones, Zeros, get
from pynn.initializers.random import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from pynn.initializers.scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)

__all__ = [
    "Constant",
    "FunctionInitializer",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
]
