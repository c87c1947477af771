"""Layers of one's own: in tensor operations, out of other layers, and in plain NumPy."""

import numpy as np

import pynn
from pynn import Network, datasets
from pynn.layers import Dense, Layer


class Swish(Layer):
    """y = x sigmoid(x). The forward pass is enough: its gradient follows from it."""

    def forward(self, x):
        return x * pynn.ops.sigmoid(x)


class Residual(Layer):
    """y = x + f(x). Sublayers and their parameters are found by attribute."""

    def __init__(self, units):
        super().__init__()
        self.inner = Dense(units)
        self.activation = Swish()

    def forward(self, x):
        return x + self.activation(self.inner(x))


class Sine(Layer):
    """y = sin(x) with both passes written out in NumPy: one Python step in a native program."""

    def forward(self, x):
        self.x = np.asarray(x)
        return np.sin(self.x)

    def backward(self, grad):
        return grad * np.cos(self.x)


pynn.seed(1)
x, labels = datasets.spirals(600, noise=0.02, seed=1)

net = Network()
net.add(Dense(32, input_shape=(2,)))
net.add(Sine())
net.add(Residual(32))
net.add(Residual(32))
net.add(Dense(int(labels.max()) + 1, activation="softmax"))
net.use(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
net.summary()
net.fit(x, labels, epochs=100, batch_size=32, verbose=0)
print(f"accuracy on the spirals: {net.evaluate(x, labels, verbose=0)['accuracy']:.3f}")
