"""scikit-learn's multilayer perceptrons."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.networks import Data, Mlp
from benchmarks.peers.base import Peer, Trainer
from benchmarks.task import Task, Timed, Unsupported

_ACTIVATIONS = {"sigmoid": "logistic", "linear": "identity"}  # where the name differs


class Sklearn(Peer):
    """scikit-learn."""

    imports = "import sklearn.neural_network"
    distribution = "scikit-learn"
    same_start = False  # it draws its own initial weights
    lacks = dict.fromkeys(
        ("gelu", "silu", "rmsprop", "adadelta", "dropout", "convolution", "mixed_bfloat16"), ""
    )

    def trainer(self, network: Mlp, data: Data, batch_size: int) -> Trainer:
        if network.loss == "mse" and network.last != "linear":
            raise Unsupported("no activation after the last layer of a regressor")
        return SklearnTrainer(network, data, batch_size)

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> Task:
        if network.last != "linear":
            raise Unsupported("no activation after the last layer of a regressor")
        model = MLPRegressor(hidden_layer_sizes=network.widths[1:-1], activation=network.activation)
        model.partial_fit(row, np.zeros((1, network.widths[-1]), np.float32))
        weights = network.weights()
        model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
        return Timed(model.predict, row)


class SklearnTrainer:
    """A classifier or a regressor that is given one epoch at a time."""

    def __init__(self, network: Mlp, data: Data, batch_size: int) -> None:
        self.x, self.y = data.x, data.y
        classifies = network.loss == "cross_entropy"
        if not classifies and network.widths[-1] == 1:
            self.y = data.y.ravel()
        self.classes = {"classes": np.arange(network.widths[-1])} if classifies else {}
        momentum = network.MOMENTUM if network.optimizer == "nesterov" else 0.0
        self.model: Any = (MLPClassifier if classifies else MLPRegressor)(
            hidden_layer_sizes=network.widths[1:-1],
            activation=_ACTIVATIONS.get(network.activation, network.activation),
            solver="adam" if network.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=min(batch_size, len(data.x)),
            learning_rate_init=network.learning_rate,
            momentum=momentum,
            nesterovs_momentum=momentum > 0,
            epsilon=network.EPSILON,
            random_state=0,
        )

    def fit(self, epochs: int, shuffle: bool) -> None:
        """Train, in batches; the last one may be short."""
        self.model.shuffle = shuffle
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(epochs):
                self.model.partial_fit(self.x, self.y, **self.classes)

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of the classes, or the predicted numbers."""
        run = self.model.predict_proba if self.classes else self.model.predict
        return np.asarray(run(x), np.float32)
