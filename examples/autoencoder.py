"""A convolutional autoencoder that takes the noise out of handwritten digits.

Pooling squeezes an image of 8 x 8 pixels into 2 x 2 x 8 numbers; convolution and upsampling draw
it again from these. Noise doesn't fit through (Vincent et al., "Extracting and composing robust
features with denoising autoencoders", 2008).
"""

import numpy as np

import pynn
from pynn import Input, Network
from pynn.datasets import load_digits
from pynn.layers import Conv2D, MaxPool2D, UpSampling2D
from pynn.preprocessing import train_test_split

pynn.seed(0)
images, labels = load_digits(flatten=False, normalize=True)
clean = images[:, :, :, None]
noisy = clean + np.random.default_rng(0).normal(0, 0.3, clean.shape).astype(np.float32)
noisy_train, noisy_test, clean_train, clean_test = train_test_split(
    noisy, clean, test_size=0.25, seed=0
)

image = Input((8, 8, 1))
x = Conv2D(32, 3, padding="same", activation="relu")(image)
x = MaxPool2D(2)(x)
x = Conv2D(8, 3, padding="same", activation="relu")(x)
code = MaxPool2D(2)(x)
x = UpSampling2D(2)(code)
x = Conv2D(32, 3, padding="same", activation="relu")(x)
x = UpSampling2D(2)(x)
drawn = Conv2D(1, 3, padding="same", activation="sigmoid")(x)

net = Network(inputs=image, outputs=drawn)
net.use(loss="mse", optimizer="adam")
net.fit(noisy_train, clean_train, epochs=40, batch_size=32, verbose=0)
encoder = Network(inputs=image, outputs=code)

before = float(np.square(noisy_test - clean_test).mean())
after = net.evaluate(noisy_test, clean_test, verbose=0)["loss"]
print(f"an image of 64 pixels is encoded in {encoder(noisy_test[0]).size} numbers")
print(f"squared error {before:.4f} with noise, {after:.4f} without")
for row in range(8):
    parts = (picture[0, row, :, 0] for picture in (noisy_test, net.predict(noisy_test[:1])))
    print("   ".join("".join(" .:*#"[int(np.clip(v, 0, 0.99) * 5)] for v in p) for p in parts))
