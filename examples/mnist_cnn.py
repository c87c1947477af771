"""Handwritten digits: a convolutional network trained on MNIST.

The four IDX files are read from PYNN_DATA_DIR, else from the cache, else they are downloaded. An
argument says how many of the 60,000 images to learn from.
"""

import sys
import time

import pynn
from pynn import Network
from pynn.datasets import load_mnist
from pynn.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D

pynn.seed(0)
(x_train, y_train), (x_test, y_test) = load_mnist(normalize=True)
count = int(sys.argv[1]) if len(sys.argv) > 1 else len(x_train)
x_train, y_train = x_train[:count, :, :, None], y_train[:count]
x_test = x_test[:, :, :, None]

net = Network()
net.add(Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1)))
net.add(MaxPool2D(2))
net.add(Conv2D(64, 3, activation="relu"))
net.add(MaxPool2D(2))
net.add(Flatten())
net.add(Dropout(0.5))
net.add(Dense(128, activation="relu"))
net.add(Dense(10, activation="softmax"))
net.use(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

start = time.perf_counter()
net.fit(x_train, y_train, epochs=5, batch_size=128)
print(f"trained in {time.perf_counter() - start:.1f} s")
print(f"test accuracy {net.evaluate(x_test, y_test, verbose=0)['accuracy']:.4f}")
