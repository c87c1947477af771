"""Optimizers: how weights follow their gradients.

Given to `Network.use` by name or by object.
"""

from pynn.optimizers.adam import Adam, AdamW, Nadam
from pynn.optimizers.adaptive import Adagrad, RMSprop
from pynn.optimizers.base import Optimizer, get
from pynn.optimizers.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Nadam", "Optimizer", "RMSprop", "get"]
