"""Losses: what training makes small.

Given to `Network.use` by name, by object or as a function of tensors ``f(y_true, y_pred)``.
"""

from pynn.losses.base import FunctionLoss, Loss, get
from pynn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from pynn.losses.margin import CategoricalHinge, CosineSimilarity, Hinge, SquaredHinge
from pynn.losses.regression import Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, Poisson

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "get",
]
