"""Transfer learning: what a network learned of the digits 0 to 4 helps it to tell 5 to 9 apart.

The digits are those that come with scikit-learn. Two images of each new digit are all there is to
learn from.
"""

import numpy as np

import pynn
from pynn import Network
from pynn.datasets import load_digits
from pynn.layers import BatchNorm, Conv2D, Dense, Flatten, Layer, MaxPool2D
from pynn.optimizers import Adam

pynn.seed(0)
x, y = load_digits(flatten=False, normalize=True)
x = x[..., np.newaxis]  # one channel
old, new = np.flatnonzero(y < 5), np.flatnonzero(y >= 5)
few = np.concatenate([np.flatnonzero(y == digit)[:2] for digit in range(5, 10)])
rest = np.setdiff1d(new, few)


def body() -> list[Layer]:
    return [
        Conv2D(16, 3, activation="relu", input_shape=(8, 8, 1)),
        Conv2D(32, 3, activation="relu"),
        BatchNorm(),
        MaxPool2D(2),
        Flatten(),
    ]


def head() -> Dense:
    return Dense(5, activation="softmax")


def learn(net: Network, images: np.ndarray, epochs: int, rate: float) -> None:
    net.use(
        loss="sparse_categorical_crossentropy",
        optimizer=Adam(learning_rate=rate),
        metrics=["accuracy"],
    )
    net.fit(x[images], y[images] % 5, epochs=epochs, batch_size=32, verbose=0)


def accuracy(net: Network, images: np.ndarray) -> float:
    return net.evaluate(x[images], y[images] % 5, verbose=0)["accuracy"]


# For comparison: from nothing.
fresh = Network([*body(), head()])
learn(fresh, few, epochs=60, rate=0.002)
print(f"from nothing {accuracy(fresh, rest):.3f}")

# The old digits, of which there are many images.
base = Network(body(), name="base")
net = Network([base, head()])
learn(net, old, epochs=10, rate=0.002)
print(f"old digits {accuracy(net, old):.3f}")

# A new head on the base, which is frozen: its kernels and BatchNorm's averages stay as they are.
base.trainable = False
before = base.get_weights()
net = Network([base, head()])
learn(net, few, epochs=60, rate=0.01)
unchanged = all(np.array_equal(a, b) for a, b in zip(before, base.get_weights(), strict=True))
print(f"new head {accuracy(net, rest):.3f}, base unchanged: {unchanged}")

# Then all of it, slowly.
base.trainable = True
learn(net, few, epochs=20, rate=0.0005)
print(f"fine-tuned {accuracy(net, rest):.3f}")
