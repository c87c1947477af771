"""A network of three hidden units learns XOR, one sample per update."""

import numpy as np

import pynn
from pynn import Network
from pynn.layers import Dense
from pynn.optimizers import SGD

pynn.seed(7)
x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
y = np.array([[0], [1], [1], [0]], dtype=np.float32)

net = Network()
net.add(Dense(3, activation="tanh", input_shape=(2,)))
net.add(Dense(1, activation="tanh"))
net.use(loss="mse", optimizer=SGD(learning_rate=0.1))
history = net.fit(x, y, epochs=1000, batch_size=1, verbose=0)

print(f"loss {history.history['loss'][0]:.4f} -> {history.history['loss'][-1]:.6f}")
for row, value in zip(x, net.predict(x)[:, 0], strict=True):
    print(f"{row[0]:.0f} xor {row[1]:.0f} = {value:+.3f}")
