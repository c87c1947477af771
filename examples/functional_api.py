"""A network with two inputs and two outputs: what a car costs, and whether it sells soon.

One layer reads both the photo's and the description's features, so its weights are shared. Each
output has a loss of its own, and training makes their weighted sum small.
"""

import numpy as np

import pynn
from pynn import Input, Network
from pynn.layers import Concatenate, Dense

pynn.seed(0)
rng = np.random.default_rng(0)
photo, text = rng.normal(size=(2, 2000, 6)).astype(np.float32)
price = np.tanh(photo[:, :1]) + 0.5 * text[:, 1:2]
sold = (photo[:, 2] + text[:, 3] > 0).astype(np.float32)

one, other = Input((6,), name="photo"), Input((6,), name="text")
shared = Dense(32, activation="relu")
both = Concatenate()([shared(one), shared(other)])
net = Network(
    inputs=[one, other],
    outputs=[Dense(1, name="price")(both), Dense(1, activation="sigmoid", name="sold")(both)],
)
net.summary()
net.use(
    loss={"price": "mse", "sold": "binary_crossentropy"},
    loss_weights={"price": 2.0},
    metrics={"sold": "accuracy"},
)
net.fit(
    {"photo": photo, "text": text},
    {"price": price, "sold": sold},
    epochs=30,
    validation_split=0.2,
    verbose=0,
)
figures = net.evaluate([photo[1600:], text[1600:]], [price[1600:], sold[1600:]])
print(", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
first = net.predict([photo[:3], text[:3]])
print("prices", first[0].ravel().round(2), "chances", first[1].ravel().round(2))
