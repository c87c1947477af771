"""scikit-learn's multilayer perceptrons."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.networks import Data, Mlp
from benchmarks.peers.base import Peer, Trainer
from benchmarks.task import Unsupported


class Sklearn(Peer):
    """scikit-learn."""

    imports = "import sklearn.neural_network"
    distribution = "scikit-learn"
    same_start = False  # it draws its own initial weights

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        if network.loss != "cross_entropy":
            raise Unsupported("no activation after the last layer of a regressor")
        return SklearnTrainer(network, data, batch_size)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> tuple[Any, ...]:
        if network.last != "linear":
            raise Unsupported("no activation after the last layer of a regressor")
        model = MLPRegressor(hidden_layer_sizes=network.widths[1:-1], activation=network.activation)
        model.partial_fit(row, np.zeros((1, network.widths[-1]), np.float32))
        weights = network.weights()
        model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
        return model.predict, row


class SklearnTrainer:
    """A classifier that is given one epoch at a time."""

    def __init__(self, network: Mlp, data: Data, batch_size: int) -> None:
        self.data = data
        self.classes = np.arange(network.widths[-1])
        self.model = MLPClassifier(
            hidden_layer_sizes=network.widths[1:-1],
            activation=network.activation,
            solver=network.optimizer,
            alpha=0.0,
            batch_size=min(batch_size, len(data.x)),
            learning_rate_init=network.learning_rate,
            momentum=0.0,
            nesterovs_momentum=False,
            epsilon=network.EPSILON,
            random_state=0,
        )

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        self.model.shuffle = shuffle
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(epochs):
                self.model.partial_fit(self.data.x, self.data.y, classes=self.classes)

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of the classes."""
        return np.asarray(self.model.predict_proba(x), np.float32)
