"""Lookups: a row of a table for each integer."""

import numpy as np


class Embedding:
    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, index):
        self.index = index
        return self.W[index]

    def backward(self, dout):
        dW = np.zeros_like(self.W)
        np.add.at(dW, self.index, dout)
        self.dW = dW


class EmbeddingDot:
    """The score of a word in a context: h[n] . W[index[n]]. Shapes: h (N, D), W (V, D)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, h, index):
        self.h = h
        self.index = index
        return np.sum(self.W[index] * h, axis=1)

    def backward(self, dout):
        dout = dout[:, None]
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.index, dout * self.h)
        return dout * self.W[self.index]


class BagOfWords:
    """The mean of the rows of a bag. Shapes: index (N, T), W (V, D), y (N, D)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, index):
        self.index = index
        return self.W[index].mean(axis=1)

    def backward(self, dout):
        share = np.repeat(dout[:, None], self.index.shape[1], axis=1) / self.index.shape[1]
        dW = np.zeros_like(self.W)
        np.add.at(dW, self.index, share)
        self.dW = dW


SAMPLES = {
    Embedding: lambda r: ((r.normal(size=(5, 3)),), (np.array([1, 4, 1, 0]),)),
    EmbeddingDot: lambda r: (
        (r.normal(size=(5, 3)),),
        (r.normal(size=(4, 3)), np.array([2, 2, 0, 4])),
    ),
    BagOfWords: lambda r: ((r.normal(size=(5, 3)),), (np.array([[1, 4], [1, 1], [0, 2]]),)),
}
