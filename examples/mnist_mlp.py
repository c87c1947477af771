"""Handwritten digits: a multilayer perceptron trained on MNIST.

The four IDX files are read from the folder given as the first argument, else from PYNN_DATA_DIR,
else from the cache, else they are downloaded.
"""

import sys
import time

import pynn
from pynn import Network
from pynn.datasets import load_mnist
from pynn.layers import Dense
from pynn.optimizers import Adam

pynn.seed(0)
folder = sys.argv[1] if len(sys.argv) > 1 else None
(x_train, y_train), (x_test, y_test) = load_mnist(folder, flatten=True, normalize=True)

net = Network()
net.add(Dense(512, activation="relu", input_shape=(784,)))
net.add(Dense(512, activation="relu"))
net.add(Dense(10, activation="softmax"))
net.use(
    loss="sparse_categorical_crossentropy",
    optimizer=Adam(learning_rate=0.001),
    metrics=["accuracy"],
)

start = time.perf_counter()
net.fit(x_train, y_train, epochs=3, batch_size=128, validation_split=0.1)
print(f"trained in {time.perf_counter() - start:.2f} s")
print(f"test accuracy {net.evaluate(x_test, y_test, verbose=0)['accuracy']:.4f}")
