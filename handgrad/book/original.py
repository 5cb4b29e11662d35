"""The originals' mistakes, for those who want the originals' numbers.

Each class or function is right in `handgrad.book.common`, and here does what the book's does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.book.common import layers, multi_layer_net_extend, optimizer, trainer, util
from handgrad.book.common.gradient import central_differences


class Relu(layers.Relu):
    """Writes zeros into the gradient that it was given."""

    def backward(self, dout: Array) -> Array:
        dout[self.mask] = 0
        return dout


class SoftmaxWithLoss(layers.SoftmaxWithLoss):
    """Ignores the gradient that comes from above."""

    def backward(self, dout: float = 1) -> Array:
        return super().backward(1)


class Dropout(layers.Dropout):
    """Outside training, keeps the mask of the last training batch for backward."""

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        mask = self.mask
        y = super().forward(x, train_flg)
        if not train_flg:
            self.mask = mask
        return y


class BatchNormalization(layers.BatchNormalization):
    """Normalizes each pixel of an image by itself, not each channel."""

    def as_rows(self, x: Array) -> Array:
        return x.reshape(len(x), -1)

    def as_input(self, rows: Array, shape: tuple[int, ...]) -> Array:
        return rows.reshape(shape)


def im2col(input_data: Array, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0) -> Array:
    """Makes float32 images float64."""
    return util.im2col(input_data.astype(float), filter_h, filter_w, stride, pad)


def col2im(
    col: Array, input_shape: tuple, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0
) -> Array:
    """Makes float32 columns float64."""
    return util.col2im(col.astype(float), input_shape, filter_h, filter_w, stride, pad)


class Convolution(layers.Convolution):
    """Computes in float64, whatever it is given."""

    def forward(self, x: Array) -> Array:
        return super().forward(x.astype(float))


class Pooling(layers.Pooling):
    """Computes in float64; forgets the padding in the size of its output, and fails with any."""

    def forward(self, x: Array) -> Array:
        y = super().forward(x.astype(float))
        _, _, H, W = x.shape
        height = 1 + (H - self.pool_h) // self.stride
        width = 1 + (W - self.pool_w) // self.stride
        return y.reshape(len(x), x.shape[1], height, width)


class Nesterov(optimizer.Nesterov):
    """Moves the velocity before using it: p ← p + μ² v − (1 + μ) η g with the new v."""

    def step(self, key: Any, g: Array) -> Array:
        self.v[key] = self.momentum * self.v[key] - self.lr * g
        return self.momentum**2 * self.v[key] - (1 + self.momentum) * self.lr * g


def numerical_gradient(f: Callable[[Array], float], x: Array) -> Array:
    """Lets integers stay integers, which do not move by h."""
    return central_differences(f, x)


def remove_duplicate(params: list[Array], grads: list[Array]) -> tuple[list, list]:
    """Takes two weights for one where one has the values of the other's transpose."""
    kept: list[Array] = []
    sums: list[Array] = []
    for param, grad in zip(params, grads):
        for i, other in enumerate(kept):
            if param is other:
                sums[i] = sums[i] + grad
                break
            if param.ndim == other.ndim == 2 and np.array_equal(other.T, param):
                sums[i] = sums[i] + grad.T
                break
        else:
            kept.append(param)
            sums.append(grad)
    return kept, sums


class MultiLayerNet(multi_layer_net_extend.MultiLayerNet):
    """Made of the original's layers."""

    activations = {"relu": Relu, "sigmoid": layers.Sigmoid}
    loss_layer = SoftmaxWithLoss


class MultiLayerNetExtend(multi_layer_net_extend.MultiLayerNetExtend):
    """Made of the original's layers."""

    activations = MultiLayerNet.activations
    loss_layer = SoftmaxWithLoss
    dropout, batch_normalization = Dropout, BatchNormalization


class ModelTrainer(trainer.ModelTrainer):
    """Finds shared weights by their values."""

    remove_duplicate = staticmethod(remove_duplicate)


class RnnlmTrainer(trainer.RnnlmTrainer):
    """Finds shared weights by their values."""

    remove_duplicate = staticmethod(remove_duplicate)


MISTAKES: dict[int, dict[str, Any]] = {
    1: {
        "BatchNormalization": BatchNormalization, "Convolution": Convolution, "Dropout": Dropout,
        "MultiLayerNet": MultiLayerNet, "MultiLayerNetExtend": MultiLayerNetExtend,
        "Pooling": Pooling, "Relu": Relu, "SoftmaxWithLoss": SoftmaxWithLoss, "col2im": col2im,
        "im2col": im2col, "numerical_gradient": numerical_gradient,
    },
    2: {
        "Dropout": Dropout, "Nesterov": Nesterov, "RnnlmTrainer": RnnlmTrainer,
        "Trainer": ModelTrainer, "remove_duplicate": remove_duplicate,
    },
}  # fmt: skip
