"""Linear regression as a textbook writes it: variables, a tape, and steps downhill.

The line ``y = w x + b`` that fits noisy points best, found by gradient descent on the mean squared
error, beside the one that linear algebra gives.
"""

import numpy as np

import pynn

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=100).astype(np.float32)
y = (3 * x - 1 + 0.1 * rng.normal(size=100)).astype(np.float32)

w, b = pynn.Variable(0.0, name="w"), pynn.Variable(0.0, name="b")
for step in range(201):
    with pynn.GradientTape() as tape:
        error = w * x + b - y
        loss = (error * error).mean()
    dw, db = tape.gradient(loss, [w, b])
    w.assign_sub(0.2 * dw)
    b.assign_sub(0.2 * db)
    if step % 50 == 0:
        print(f"step {step:3d}  loss {loss.item():.4f}  y = {w.item():.3f} x + {b.item():.3f}")

slope, intercept = np.polyfit(x, y, 1)
print(f"least squares:          y = {slope:.3f} x + {intercept:.3f}")
