"""A convolution, pooling and two affine layers; and what the filters look for."""

import numpy as np
from frame import done, handwritten, images, of, panels

from handgrad import Adam, Affine, Convolution, Flatten, MaxPooling, ReLU, Sequential, accuracy, fit

name, x, t, x_test, t_test = handwritten(images=True)
x, t = x[: of(60_000, 1000)], t[: of(60_000, 1000)]
kernel = 5 if x.shape[-1] > 8 else 3
network = Sequential(
    Convolution(30, kernel), ReLU(), MaxPooling(2), Flatten(), Affine(100), ReLU(), Affine(10),
    seed=1,
)  # fmt: skip
network.build(x[:1])
figure, axes = panels(3)
images(axes[0], "filters before", network[0].W[:, 0], 6)
fit(network, x, t, optimizer=Adam(0.001), epochs=of(3 if name == "MNIST" else 20, 1), batch=100)
images(axes[1], "filters after", network[0].W[:, 0], 6)
three = x_test[np.flatnonzero(t_test == 3)[:1]]
seen = np.maximum(network[0].forward(three), 0)
images(axes[2], "what each sees of a 3", seen[0], 6)
right = network.evaluate(x_test, t_test, metrics=[accuracy])["accuracy"]
done(__file__, figure, f"{name}: test accuracy {right:.2%}")
