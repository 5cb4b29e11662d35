"""Random layers that can be repeated."""

import numpy as np

from .registry import fair, rows


@fair(on=rows)
class SeededEachCall:
    def forward(self, x):
        self.mask = np.random.default_rng(3).random(x.shape) > 0.3
        return x * self.mask / 0.7

    def backward(self, dout):
        return dout * self.mask / 0.7


@fair(on=rows)
class OwnGenerator:
    """Every forward draws anew from a generator that the layer owns."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) > 0.5
        return x * self.mask * 2

    def backward(self, dout):
        return dout * self.mask * 2


@fair(on=rows)
class GlobalGenerator:
    """The book's Dropout: the mask is drawn from NumPy's global state in forward, and kept."""

    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio
        self.mask = None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask


@fair(on=rows)
class ModernGenerator:
    """A generator without a seed, made in forward."""

    def forward(self, x):
        self.noise = np.random.default_rng().normal(size=x.shape)
        return x * (1 + 0.1 * self.noise)

    def backward(self, dout):
        return dout * (1 + 0.1 * self.noise)


@fair(on=rows)
class AdditiveNoise:
    def forward(self, x):
        return x + 0.1 * np.random.standard_normal(x.shape)

    def backward(self, dout):
        return dout * 1


@fair(on=rows)
class PerFeature:
    """One mask for the whole batch."""

    def __init__(self):
        self.rng = np.random.RandomState(0)

    def forward(self, x):
        self.mask = self.rng.rand(x.shape[-1]) > 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
