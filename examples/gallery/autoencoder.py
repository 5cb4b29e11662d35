"""Autoencoders: tied weights in one, convolutions in the other; the code, and noise taken away."""

import numpy as np
from frame import done, images, of, panels

from handgrad import (
    Adam,
    Convolution,
    MaxPooling,
    Network,
    Parameter,
    ReLU,
    Resize,
    Sequential,
    Sigmoid,
    fit,
)
from handgrad.datasets import digits
from handgrad.train import split


class Tied(Network):
    """y = σ(σ(x W + b) Wᵀ + c): one matrix reads and writes, its gradient is the sum of both."""

    def __init__(self, inputs, hidden, seed=0):
        rng = np.random.default_rng(seed)
        self.W = Parameter(rng.normal(0, inputs**-0.5, (inputs, hidden)).astype(np.float32))
        self.b, self.c = (Parameter(np.zeros(n, np.float32)) for n in (hidden, inputs))
        self.code, self.out = Sigmoid(), Sigmoid()

    def __call__(self, x):
        return self.out(self.code(x @ self.W + self.b) @ self.W.T + self.c)


x, t, x_test, t_test = split(*digits(images=True))
rng, rule = np.random.default_rng(0), {"epochs": of(25, 3), "batch": 64}
flat, flat_test = x.reshape(-1, 64), x_test.reshape(-1, 64)
tied = Tied(64, 16)
fit(tied, flat, flat, optimizer=Adam(0.01), **rule)
tied_error = np.mean((tied.predict(flat_test) - flat_test) ** 2)

noise = 0.3
noisy, noisy_test = (a + noise * rng.standard_normal(a.shape).astype(a.dtype) for a in (x, x_test))
convolutional = Sequential(
    Convolution(16, 3, pad=1), ReLU(), MaxPooling(2), Convolution(8, 3, pad=1), ReLU(),
    Resize(2), Convolution(16, 3, pad=1), ReLU(), Convolution(1, 3, pad=1), Sigmoid(), seed=1,
)  # fmt: skip
fit(convolutional, noisy, x, optimizer=Adam(0.003), **rule)
cleaned = convolutional.predict(noisy_test)
before, after = (np.mean((a - x_test) ** 2) for a in (noisy_test, cleaned))

figure, axes = panels(4, width=2.2)
images(axes[0], "tied: what 16 numbers keep", tied.predict(flat_test[:32]).reshape(-1, 8, 8))
images(axes[1], "rows of W", tied.W.data.T.reshape(-1, 8, 8), 4)
images(axes[2], "with noise", noisy_test[:32, 0])
images(axes[3], "cleaned by convolutions", cleaned[:32, 0])
done(
    __file__, figure,
    f"tied, 64 → 16 → 64: squared error {tied_error:.4f} (variance {flat_test.var():.3f}); noise "
    f"{before:.3f} → {after:.4f}",
)  # fmt: skip
