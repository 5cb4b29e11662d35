"""Layers that only move numbers."""

import numpy as np


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


class Transpose:
    """Shapes: x (N, T, D), y (N, D, T)."""

    def forward(self, x):
        return x.transpose(0, 2, 1)

    def backward(self, dout):
        return dout.transpose(0, 2, 1)


class Concat:
    """Shapes: x (N, D), y (N, E), out (N, D + E)."""

    def forward(self, x, y):
        self.width = x.shape[1]
        return np.concatenate([x, y], axis=1)

    def backward(self, dout):
        return dout[:, : self.width].copy(), dout[:, self.width :].copy()


class Slice:
    """Columns 1 to 2 of x (N, 4)."""

    def forward(self, x):
        self.shape = x.shape
        return x[:, 1:3].copy()

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, 1:3] = dout
        return dx


class TakeRows:
    """Rows of x in an order that repeats some."""

    def __init__(self, index):
        self.index = index

    def forward(self, x):
        self.shape = x.shape
        return x[self.index]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, self.index, dout)
        return dx


class Pad:
    """One zero on each side of the last axis."""

    def forward(self, x):
        return np.pad(x, ((0, 0), (1, 1)))

    def backward(self, dout):
        return dout[:, 1:-1] * 1


class Repeat:
    """Nearest-neighbour upsampling. Shapes: x (N, C, H, W), y (N, C, 2H, 2W)."""

    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def backward(self, dout):
        N, C, H, W = dout.shape
        return dout.reshape(N, C, H // 2, 2, W // 2, 2).sum(axis=(3, 5))


class Where:
    """x where the mask is true, y elsewhere."""

    def forward(self, mask, x, y):
        self.mask = mask
        return np.where(mask, x, y)

    def backward(self, dout):
        return None, np.where(self.mask, dout, 0), np.where(self.mask, 0, dout)


SAMPLES = {
    Flatten: lambda r: ((), (r.normal(size=(3, 2, 2)),)),
    Transpose: lambda r: ((), (r.normal(size=(2, 3, 3)),)),
    Concat: lambda r: ((), (r.normal(size=(3, 2)), r.normal(size=(3, 3)))),
    Slice: lambda r: ((), (r.normal(size=(3, 4)),)),
    TakeRows: lambda r: ((np.array([0, 2, 2, 1]),), (r.normal(size=(3, 2)),)),
    Pad: lambda r: ((), (r.normal(size=(3, 4)),)),
    Repeat: lambda r: ((), (r.normal(size=(2, 2, 2, 2)),)),
    Where: lambda r: (
        (),
        (r.random(size=(3, 4)) > 0.5, r.normal(size=(3, 4)), r.normal(size=(3, 4))),
    ),
}
