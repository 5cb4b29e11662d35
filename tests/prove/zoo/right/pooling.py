"""Pooling. Shapes: x (N, C, H, W). A row or column left over by the stride is dropped."""

import numpy as np


def windows(x, size):
    """x as (N, C, OH, OW, size * size): its windows that do not overlap."""
    N, C, H, W = x.shape
    oh, ow = H // size, W // size
    x = x[:, :, : oh * size, : ow * size].reshape(N, C, oh, size, ow, size)
    return x.transpose(0, 1, 2, 4, 3, 5).reshape(N, C, oh, ow, size * size)


def unwindows(win, shape, size):
    """The inverse: windows back in place, zeros where nothing was taken."""
    N, C, oh, ow, _ = win.shape
    win = win.reshape(N, C, oh, ow, size, size).transpose(0, 1, 2, 4, 3, 5)
    x = np.zeros(shape, win.dtype)
    x[:, :, : oh * size, : ow * size] = win.reshape(N, C, oh * size, ow * size)
    return x


class MaxPooling:
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        self.shape = x.shape
        win = windows(x, self.size)
        self.index = win.argmax(axis=-1)
        return win.max(axis=-1)

    def backward(self, dout):
        dwin = np.zeros((*dout.shape, self.size**2), dout.dtype)
        np.put_along_axis(dwin, self.index[..., None], dout[..., None], axis=-1)
        return unwindows(dwin, self.shape, self.size)


class AveragePooling:
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        self.shape = x.shape
        return windows(x, self.size).mean(axis=-1)

    def backward(self, dout):
        share = dout[..., None] / self.size**2
        return unwindows(np.repeat(share, self.size**2, axis=-1), self.shape, self.size)


class GlobalAveragePooling:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        H, W = self.shape[2:]
        return np.ones(self.shape, dout.dtype) * dout[:, :, None, None] / (H * W)


SAMPLES = {
    MaxPooling: lambda r: ((2,), (r.normal(size=(2, 1, 5, 4)),)),
    AveragePooling: lambda r: ((2,), (r.normal(size=(2, 1, 4, 5)),)),
    GlobalAveragePooling: lambda r: ((), (r.normal(size=(2, 3, 3, 2)),)),
}
