"""Random layers; all draws come from a seed, so equal calls give equal results."""

import numpy as np


class Dropout:
    def __init__(self, ratio=0.5, seed=0):
        self.ratio = ratio
        self.seed = seed

    def forward(self, x):
        keep = np.random.default_rng(self.seed).random(x.shape) > self.ratio
        self.mask = keep / (1 - self.ratio)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class GaussianNoise:
    """Multiplies by 1 + noise."""

    def __init__(self, seed=0):
        self.seed = seed

    def forward(self, x):
        self.factor = 1 + 0.1 * np.random.default_rng(self.seed).normal(size=x.shape)
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


SAMPLES = {
    Dropout: lambda r: ((0.5, 1), (r.normal(size=(4, 5)),)),
    GaussianNoise: lambda r: ((1,), (r.normal(size=(3, 4)),)),
}
