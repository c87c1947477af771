"""A gradient tape in use: a perceptron, a network of layers, and derivatives of derivatives."""

import numpy as np

import pynn
from pynn import GradientTape, Variable, ops
from pynn.layers import Dense

pynn.seed(0)
rng = np.random.default_rng(0)

# A perceptron: which side of a line is a point on?
x = rng.normal(size=(200, 2)).astype(np.float32)
y = (x[:, :1] - 2 * x[:, 1:] > 0.5).astype(np.float32)
w, b = Variable(np.zeros((2, 1), "float32")), Variable([0.0])
for _ in range(200):
    with GradientTape() as tape:
        p = ops.sigmoid(ops.matmul(x, w) + b)
        loss = pynn.losses.BinaryCrossentropy()(y, p)
    dw, db = tape.gradient(loss, [w, b])
    w.assign_sub(2.0 * dw)
    b.assign_sub(2.0 * db)
print(f"perceptron: {np.mean((p.numpy() > 0.5) == y):.1%} of the points are on the right side")

# A network trained by hand, with a penalty on the slope of its output: a gradient in the loss.
points = np.linspace(-2, 2, 64, dtype="float32")[:, None]
values = np.sin(3 * points)
net = pynn.Network([Dense(32, activation="tanh", input_shape=(1,)), Dense(1)])
optimizer = pynn.optimizers.Adam(learning_rate=0.02)
for _ in range(300):
    t = pynn.Tensor(points)
    with GradientTape() as tape:
        with GradientTape() as inner:
            inner.watch(t)
            prediction = net(t)
        slope = inner.gradient(prediction, t)
        loss = ops.square(prediction - values).mean() + 1e-3 * ops.square(slope).mean()
    optimizer.apply(net.parameters, tape.gradient(loss, net.parameters))
print(f"network: mean squared error {np.mean((net(points) - values) ** 2):.4f}")

# Derivatives of any order.
f = ops.sin
for order in range(1, 4):
    f = pynn.grad(f)
    print(f"derivative {order} of sin at 1: {f(1.0).item():.4f}")
