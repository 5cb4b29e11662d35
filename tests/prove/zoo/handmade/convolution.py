"""Convolution and pooling: orientation, overlap, padding, what the stride leaves over."""

import numpy as np

from ..right.convolution import Convolution, Convolution1D, Depthwise, DirectConvolution, col2im
from ..right.pooling import AveragePooling, GlobalAveragePooling, MaxPooling, unwindows
from .registry import mistake


def _overlap(r):
    return (r.normal(size=(2, 2, 2, 2)), r.normal(size=2), 1, 1), (r.normal(size=(2, 2, 3, 3)),)


def _odd(r):
    return (r.normal(size=(2, 1, 2, 2)), r.normal(size=2), 2, 0), (r.normal(size=(2, 1, 5, 5)),)


def _even(r):
    return (2,), (r.normal(size=(2, 1, 4, 4)),)


def _back(layer, dout, weights):
    """dx of a convolution with other weights."""
    columns = dout.transpose(0, 2, 3, 1).reshape(-1, len(weights)) @ weights.reshape(
        len(weights), -1
    )
    return col2im(columns, layer.shape, *weights.shape[2:], layer.stride, layer.pad)


@mistake("wrong_formula", "transpose", of=Convolution)
class ConvolutionFlipped(Convolution):
    """The filter is rotated by 180 degrees once too often."""

    def backward(self, dout):
        super().backward(dout)
        return _back(self, dout, self.W[:, :, ::-1, ::-1])


@mistake("transpose", "wrong_formula", of=Convolution)
class ConvolutionWidthHeight(Convolution):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW.swapaxes(2, 3)
        return dx


@mistake("transpose", "wrong_formula", of=Convolution)
class ConvolutionChannelsMixed(Convolution):
    """dW reshaped before it is transposed."""

    def backward(self, dout):
        dx = super().backward(dout)
        F = len(self.W)
        flat = dout.transpose(0, 2, 3, 1).reshape(-1, F)
        self.dW = (self.col.T @ flat).reshape(self.W.shape)
        return dx


@mistake("wrong_formula", "boundary", of=Convolution, sample=_overlap)
class ConvolutionOverlapLost(Convolution):
    """Windows that overlap overwrite each other instead of adding up."""

    def backward(self, dout):
        super().backward(dout)
        F, C, KH, KW = self.W.shape
        N, _, oh, ow = dout.shape
        p = self.pad
        col = dout.transpose(0, 2, 3, 1).reshape(-1, F) @ self.W.reshape(F, -1)
        col = col.reshape(N, oh, ow, C, KH, KW)
        img = np.zeros((N, C, self.shape[2] + 2 * p, self.shape[3] + 2 * p), dout.dtype)
        for i in range(oh):
            for j in range(ow):
                a, b = i * self.stride, j * self.stride
                img[:, :, a : a + KH, b : b + KW] = col[:, i, j]
        return img[:, :, p : p + self.shape[2], p : p + self.shape[3]]


@mistake("boundary", "wrong_formula", of=Convolution, sample=_overlap)
class ConvolutionPaddingShift(Convolution):
    """The padding is cut off at the end only."""

    def backward(self, dout):
        dx = super().backward(dout)
        return np.roll(dx, 1, axis=3) if self.pad else dx


@mistake("boundary", "wrong_formula", of=Convolution, sample=_odd)
class ConvolutionRestStretched(Convolution):
    """The column that the stride leaves over gets its neighbour's gradient."""

    def backward(self, dout):
        dx = super().backward(dout)
        if (self.shape[3] - self.W.shape[3]) % self.stride:
            dx[..., -1] = dx[..., -2]
        return dx


@mistake("boundary", "wrong_formula", of=DirectConvolution)
class DirectConvolutionShortLoop(DirectConvolution):
    def backward(self, dout):
        cut = dout.copy()
        cut[:, :, -1] = 0
        dx = super().backward(cut)
        dW = self.dW
        super().backward(dout)
        self.dW = dW
        return dx


@mistake("wrong_formula", of=DirectConvolution)
class DirectConvolutionSecondChannel(DirectConvolution):
    """Only the first filter sends its gradient back."""

    def backward(self, dout):
        super().backward(dout)
        kept = self.dW, self.db
        only = np.zeros_like(dout)
        only[:, 0] = dout[:, 0]
        dx = super().backward(only)
        self.dW, self.db = kept
        return dx


@mistake("wrong_formula", "transpose", of=Convolution1D)
class Convolution1DReversed(Convolution1D):
    def backward(self, dout):
        kept, self.W = self.W, self.W[::-1]
        dx = super().backward(dout)
        self.W = kept
        super().backward(dout)
        return dx


@mistake("wrong_formula", "wrong_axis", of=Depthwise)
class DepthwiseChannelSum(Depthwise):
    """Every channel's filter gets the sum over channels."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = np.broadcast_to(self.dW.sum(axis=0), self.W.shape).copy()
        return dx


@mistake("boundary", "wrong_formula", of=MaxPooling, sample=_even)
class MaxPoolingTies(MaxPooling):
    """Every entry equal to the maximum gets the whole gradient."""

    def forward(self, x):
        self.x = x
        self.y = super().forward(x)
        return self.y

    def backward(self, dout):
        s = self.size
        up = self.y.repeat(s, axis=2).repeat(s, axis=3)
        dup = dout.repeat(s, axis=2).repeat(s, axis=3)
        dx = np.zeros(self.x.shape, dout.dtype)
        H, W = up.shape[2:]
        dx[:, :, :H, :W] = dup * (self.x[:, :, :H, :W] == up)
        return dx


@mistake("boundary", "wrong_formula", of=MaxPooling, sample=_even)
class MaxPoolingRest(MaxPooling):
    """Odd sizes: the row left over gets the gradient of the row above."""

    def backward(self, dout):
        dx = super().backward(dout)
        if self.shape[2] % self.size:
            dx[:, :, -1] = dx[:, :, -2]
        return dx


@mistake("wrong_formula", of=MaxPooling)
class MaxPoolingMinimum(MaxPooling):
    def forward(self, x):
        y = super().forward(x)
        self.index = self.size**2 - 1 - self.index
        return y


@mistake("wrong_scale", of=AveragePooling)
class AveragePoolingSide(AveragePooling):
    """Divided by the side of the window instead of its area."""

    def backward(self, dout):
        return super().backward(dout) * self.size


@mistake("boundary", "wrong_formula", "wrong_scale", of=AveragePooling, sample=_even)
class AveragePoolingBorder(AveragePooling):
    """Odd sizes: the last window is divided by a smaller area."""

    def backward(self, dout):
        dx = super().backward(dout)
        return dx * self.size if self.shape[3] % self.size else dx


@mistake("wrong_scale", of=GlobalAveragePooling)
class GlobalPoolingHeightTwice(GlobalAveragePooling):
    """H * H for H * W: right for square images alone."""

    def backward(self, dout):
        return np.ones(self.shape, dout.dtype) * dout[:, :, None, None] / self.shape[2] ** 2


@mistake("boundary", "wrong_formula", "wrong_scale", of=AveragePooling, sample=_even)
class AveragePoolingFirstWindow(AveragePooling):
    def backward(self, dout):
        share = np.repeat(dout[..., None] / self.size**2, self.size**2, axis=-1)
        share[:, :, 0, 0] *= 1.05
        return unwindows(share, self.shape, self.size)
