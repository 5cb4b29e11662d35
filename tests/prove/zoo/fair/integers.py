"""What a layer does with integers, and with shapes that it does not want."""

import numpy as np

from .registry import WEIGHTS, fair, rows


@fair(on=rows)
class RefusesIntegers:
    def forward(self, x):
        if x.dtype.kind != "f":
            raise TypeError(f"real numbers are needed, got {x.dtype}")
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x * dout


@fair(WEIGHTS, on=rows)
class RefusesOtherShapes:
    def __init__(self, W):
        self.W, self.dW = W, None

    def forward(self, x):
        if x.ndim != 2 or x.shape[1] != len(self.W):
            raise ValueError(f"x must be (N, {len(self.W)}), got {x.shape}")
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@fair(on=rows)
class ConvertsIntegers:
    def forward(self, x):
        x = x if x.dtype.kind == "f" else x.astype(np.float64)
        self.x = x
        return np.sin(x)

    def backward(self, dout):
        return dout * np.cos(self.x)


@fair(on=rows)
class AcceptsLists:
    def forward(self, x):
        self.x = np.asarray(x, dtype=float)
        return self.x * 3

    def backward(self, dout):
        return np.asarray(dout) * 3


@fair(on=rows)
class RefusesBatchOfOne:
    def forward(self, x):
        if len(x) < 2:
            raise ValueError("statistics over a batch need two rows or more")
        self.xc = x - x.mean(axis=0)
        return self.xc

    def backward(self, dout):
        return dout - dout.mean(axis=0)


@fair(WEIGHTS, on=lambda r: (np.array([0, 3, 3, 1]),))
class Lookup:
    """Returns nothing: an index has no gradient."""

    def __init__(self, W):
        self.W, self.dW = W, None

    def forward(self, index):
        self.index = index
        return self.W[index]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.index, dout)


@fair(on=lambda r: (r.uniform(0.5, 2, size=(3, 4)),))
class RefusesNegative:
    def forward(self, x):
        if np.any(x <= 0):
            raise ValueError("the logarithm needs positive numbers")
        self.x = x
        return np.log(x)

    def backward(self, dout):
        return dout / self.x


@fair(on=lambda r: (r.uniform(0.5, 2, size=(3, 4)),))
class SquareRootDomain:
    """NaN for negative numbers, where there is no real root."""

    def forward(self, x):
        self.y = np.sqrt(x)
        return self.y

    def backward(self, dout):
        return 0.5 * dout / self.y


@fair(on=lambda r: (r.normal(size=(3, 4)), r.normal(size=(3, 4))))
class RefusesBroadcast:
    def forward(self, x, y):
        assert x.shape == y.shape
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x
