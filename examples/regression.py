"""A function of five numbers learnt from noisy samples, beside the best linear fit.

The data is Friedman's first problem ("Multivariate Adaptive Regression Splines", 1991):
``y = 10 sin(π x₀ x₁) + 20 (x₂ - ½)² + 10 x₃ + 5 x₄ + noise``, with x uniform in [0, 1].
"""

import numpy as np

import pynn
from pynn.layers import Dense
from pynn.metrics import R2Score
from pynn.preprocessing import StandardScaler, train_test_split

pynn.seed(0)
rng = np.random.default_rng(0)
x = rng.uniform(size=(4000, 5)).astype(np.float32)
y = 10 * np.sin(np.pi * x[:, :1] * x[:, 1:2]) + 20 * (x[:, 2:3] - 0.5) ** 2
y = y + 10 * x[:, 3:4] + 5 * x[:, 4:5] + rng.normal(size=(4000, 1)).astype(np.float32)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, seed=0)

# Scales are learnt from the training part alone, then applied to both.
inputs, outputs = StandardScaler(), StandardScaler()
x_train, x_test = inputs.fit_transform(x_train), inputs.transform(x_test)

net = pynn.Network()
net.add(Dense(64, activation="tanh", input_shape=(5,), kernel_regularizer="l2"))
net.add(Dense(64, activation="tanh"))
net.add(Dense(1))
net.use(loss="huber", optimizer="adam", metrics=["mae"])
net.summary()
net.fit(
    x_train,
    outputs.fit_transform(y_train),
    epochs=60,
    batch_size=32,
    validation_split=0.1,
    verbose=0,
)
prediction = outputs.inverse_transform(net.predict(x_test))

ones = np.ones((len(x_train), 1))
line, *_ = np.linalg.lstsq(np.hstack([x_train, ones]), y_train, rcond=None)
linear = np.hstack([x_test, ones[: len(x_test)]]) @ line

score = R2Score()
print(f"\nR² on unseen samples: network {score(y_test, prediction):.3f}", end=", ")
print(f"linear fit {score(y_test, linear):.3f}")
