"""The textbook's training loop, written out by hand, on the exclusive or.

What ``net.fit`` does natively is here in the open: forward through the layers, the gradient of the
loss, backward through the layers, one step of the optimizer.
"""

import pynn
from pynn.datasets import xor
from pynn.layers import Dense
from pynn.losses import MeanSquaredError
from pynn.optimizers import SGD

pynn.seed(1)
x, y = xor()

net = pynn.Network()
net.add(Dense(3, activation="tanh", input_shape=(2,)))
net.add(Dense(1, activation="tanh"))
loss = MeanSquaredError()
optimizer = SGD(learning_rate=0.5)

for epoch in range(1, 1001):
    out = x
    for layer in net.layers:
        out = layer.forward(out)

    grad = loss.gradient(y, out)
    for layer in reversed(net.layers):
        grad = layer.backward(grad)  # fills layer.gradients

    optimizer.apply(net.parameters, net.gradients)

    if epoch % 200 == 0:
        print(f"epoch {epoch:4d}  loss {loss(y, out):.6f}")

print()
for bits, answer in zip(x.astype(int), net.predict(x).ravel(), strict=True):
    print(f"{bits[0]} xor {bits[1]} = {answer:.3f}")
