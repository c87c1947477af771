"""A network that reads a text character by character and learns to write on.

An LSTM sees 24 characters of a nursery rhyme ("This Is the House That Jack Built") and predicts
the next; then it continues a beginning, taking the likeliest character each time.
"""

import numpy as np

import pynn
from pynn.layers import LSTM, Dense, Embedding

THINGS = [
    ("the malt", "lay in the house that jack built"),
    ("the rat", "ate the malt"),
    ("the cat", "killed the rat"),
    ("the dog", "worried the cat"),
    ("the cow", "tossed the dog"),
    ("the maid", "milked the cow"),
]
LENGTH = 24

verses = [f"this is {name} that {deed}" for name, deed in THINGS]
text = ". ".join(verses * 8) + ". "
alphabet = sorted(set(text))
codes = np.array([alphabet.index(c) for c in text])

pynn.seed(0)
x = np.lib.stride_tricks.sliding_window_view(codes, LENGTH)[:-1]
y = codes[LENGTH:]
net = pynn.Network(
    [
        Embedding(len(alphabet), 16, input_shape=(LENGTH,)),
        LSTM(64),
        Dense(len(alphabet), activation="softmax"),
    ]
)
net.use("sparse_categorical_crossentropy", pynn.optimizers.Adam(0.01), metrics=["accuracy"])
history = net.fit(np.ascontiguousarray(x), y, epochs=6, batch_size=32, verbose=0)
print(f"accuracy of the next character: {history.history['accuracy'][-1]:.3f}")

written = "this is the cow that tos"
while len(written) < 70:
    window = np.array([[alphabet.index(c) for c in written[-LENGTH:]]])
    written += alphabet[int(net(window)[0].argmax())]
print(written)
