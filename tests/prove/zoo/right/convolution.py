"""Convolution by columns (im2col) and directly. Shapes: x (N, C, H, W), W (F, C, KH, KW)."""

import numpy as np


def im2col(x, kh, kw, stride, pad):
    N, C, H, W = x.shape
    oh = (H + 2 * pad - kh) // stride + 1
    ow = (W + 2 * pad - kw) // stride + 1
    img = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    col = np.zeros((N, C, kh, kw, oh, ow), x.dtype)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i, i + stride * oh, stride)
            col[:, :, i, j] = img[:, :, rows, j : j + stride * ow : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1)


def col2im(col, shape, kh, kw, stride, pad):
    N, C, H, W = shape
    oh = (H + 2 * pad - kh) // stride + 1
    ow = (W + 2 * pad - kw) // stride + 1
    col = col.reshape(N, oh, ow, C, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad, W + 2 * pad), col.dtype)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i, i + stride * oh, stride)
            img[:, :, rows, j : j + stride * ow : stride] += col[:, :, i, j]
    return img[:, :, pad : H + pad, pad : W + pad]


class Convolution:
    """By columns, as one matrix product."""

    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
        self.stride = stride
        self.pad = pad
        self.dW = None
        self.db = None

    def forward(self, x):
        F, _, KH, KW = self.W.shape
        N, _, H, W = x.shape
        oh = (H + 2 * self.pad - KH) // self.stride + 1
        ow = (W + 2 * self.pad - KW) // self.stride + 1
        self.shape = x.shape
        self.col = im2col(x, KH, KW, self.stride, self.pad)
        out = self.col @ self.W.reshape(F, -1).T + self.b
        return out.reshape(N, oh, ow, F).transpose(0, 3, 1, 2)

    def backward(self, dout):
        F, _, KH, KW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, F)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout).T.reshape(self.W.shape)
        dcol = np.dot(dout, self.W.reshape(F, -1))
        return col2im(dcol, self.shape, KH, KW, self.stride, self.pad)


class DirectConvolution:
    """One window at a time; stride 1, no padding."""

    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        F, _, KH, KW = self.W.shape
        oh, ow = x.shape[2] - KH + 1, x.shape[3] - KW + 1
        out = np.zeros((len(x), F, oh, ow), np.result_type(x, self.W))
        for i in range(oh):
            for j in range(ow):
                window = x[:, :, i : i + KH, j : j + KW]
                out[:, :, i, j] = np.einsum("nchw,fchw->nf", window, self.W) + self.b
        return out

    def backward(self, dout):
        KH, KW = self.W.shape[2:]
        dx = np.zeros(self.x.shape, dout.dtype)
        dW = np.zeros_like(self.W)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                window = self.x[:, :, i : i + KH, j : j + KW]
                dW += np.einsum("nf,nchw->fchw", dout[:, :, i, j], window)
                dx[:, :, i : i + KH, j : j + KW] += np.einsum(
                    "nf,fchw->nchw", dout[:, :, i, j], self.W
                )
        self.dW = dW
        self.db = dout.sum(axis=(0, 2, 3))
        return dx


class Convolution1D:
    """Shapes: x (N, T, C), W (K, C, F), y (N, T - K + 1, F)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        steps = x.shape[1] - len(self.W) + 1
        return sum(x[:, k : k + steps] @ w for k, w in enumerate(self.W))

    def backward(self, dout):
        steps = dout.shape[1]
        dx = np.zeros(self.x.shape, dout.dtype)
        dW = np.zeros_like(self.W)
        for k in range(len(self.W)):
            dx[:, k : k + steps] += dout @ self.W[k].T
            dW[k] = np.einsum("ntc,ntf->cf", self.x[:, k : k + steps], dout)
        self.dW = dW
        return dx


class Depthwise:
    """Each channel with its own 2 x 2 filter. Shapes: x (N, C, H, W), W (C, 2, 2)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        h, w = x.shape[2] - 1, x.shape[3] - 1
        out = 0
        for i in range(2):
            for j in range(2):
                out = out + x[:, :, i : i + h, j : j + w] * self.W[:, i, j, None, None]
        return out

    def backward(self, dout):
        h, w = dout.shape[2:]
        dx = np.zeros(self.x.shape, dout.dtype)
        dW = np.zeros_like(self.W)
        for i in range(2):
            for j in range(2):
                dx[:, :, i : i + h, j : j + w] += dout * self.W[:, i, j, None, None]
                dW[:, i, j] = (dout * self.x[:, :, i : i + h, j : j + w]).sum(axis=(0, 2, 3))
        self.dW = dW
        return dx


SAMPLES = {
    Convolution: lambda r: (
        (r.normal(size=(2, 2, 3, 3)), r.normal(size=2), 2, 1),
        (r.normal(size=(2, 2, 5, 5)),),
    ),
    DirectConvolution: lambda r: (
        (r.normal(size=(2, 2, 2, 2)), r.normal(size=2)),
        (r.normal(size=(2, 2, 3, 4)),),
    ),
    Convolution1D: lambda r: ((r.normal(size=(2, 3, 2)),), (r.normal(size=(2, 5, 3)),)),
    Depthwise: lambda r: ((r.normal(size=(2, 2, 2)),), (r.normal(size=(2, 2, 3, 3)),)),
}
