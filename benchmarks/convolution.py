"""Convolution forward and backward beside the plain way by im2col, written out here.

    python benchmarks/convolution.py [--repeats 15]

The plain way is what books show: loops over the cells of the filter that copy into a six-axis
array of float64, a transpose into rows, one matrix product, and the same back. Its weights are
float64, as NumPy draws them, or float32, as handgrad's. Both take turns in one run, on one BLAS
thread, on the same float32 data; the results are compared first. A row shows the median times and
the median of the ratios, turn by turn.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import handgrad as hg

# images (N, C, H, W), filters, kernel, pad
CASES = [((100, 1, 28, 28), 30, 5, 0), ((100, 16, 28, 28), 16, 3, 1)]


class PlainConvolution:
    """By columns, stride 1. Shapes: x (N, C, H, W), W (F, C, K, K), b (F)."""

    def __init__(self, W: np.ndarray, b: np.ndarray, pad: int):
        self.W, self.b, self.pad = W, b, pad

    def forward(self, x: np.ndarray) -> np.ndarray:
        n, c, h, w = x.shape
        f, _, k, _ = self.W.shape
        oh, ow = h + 2 * self.pad - k + 1, w + 2 * self.pad - k + 1
        image = np.pad(x, [(0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)])
        col = np.zeros((n, c, k, k, oh, ow))
        for i in range(k):
            for j in range(k):
                col[:, :, i, j] = image[:, :, i : i + oh, j : j + ow]
        self.col = col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)
        self.shape, self.outputs = x.shape, (oh, ow)
        y = np.dot(self.col, self.W.reshape(f, -1).T) + self.b
        return y.reshape(n, oh, ow, f).transpose(0, 3, 1, 2)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        (n, c, h, w), (oh, ow), p = self.shape, self.outputs, self.pad
        f, _, k, _ = self.W.shape
        rows = dy.transpose(0, 2, 3, 1).reshape(-1, f)
        self.db = rows.sum(axis=0)
        self.dW = np.dot(self.col.T, rows).T.reshape(self.W.shape)
        col = np.dot(rows, self.W.reshape(f, -1)).reshape(n, oh, ow, c, k, k)
        col = col.transpose(0, 3, 4, 5, 1, 2)
        image = np.zeros((n, c, h + 2 * p, w + 2 * p))
        for i in range(k):
            for j in range(k):
                image[:, :, i : i + oh, j : j + ow] += col[:, :, i, j]
        return image[:, :, p : h + p, p : w + p]


def measure(
    shape: tuple[int, ...], filters: int, kernel: int, pad: int, dtype: type, repeats: int
) -> str:
    """One row of the table; dtype: of the plain way's weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    ours = hg.Convolution(filters, kernel, pad=pad, seed=0)
    y = ours.forward(x)
    dy = rng.normal(size=y.shape).astype(np.float32)
    dx = ours.backward(dy)
    plain = PlainConvolution(ours.W.astype(dtype), ours.b.astype(dtype), pad)
    pairs = [(plain.forward(x), y), (plain.backward(dy), dx), (plain.dW, ours.dW)]
    for a, b in pairs:
        assert np.abs(a - b).max() < 1e-4 * np.abs(a).max(), "they do not compute the same"
    times = np.empty((repeats, 2))
    for turn in times:
        for i, layer in enumerate((plain, ours)):
            began = time.perf_counter()
            layer.forward(x)
            layer.backward(dy)
            turn[i] = time.perf_counter() - began
    a, b = 1e3 * np.median(times, axis=0)
    ratio = np.median(times[:, 0] / times[:, 1])
    name = f"{shape}, {filters} filters {kernel}×{kernel}, pad {pad}"
    return f"{name:46}{np.dtype(dtype).name:>8}{a:10.1f}{b:12.1f}{ratio:8.1f}"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    head = f"{'forward and backward':46}{'weights':>8}{'plain ms':>10}{'handgrad ms':>12}"
    print(head + f"{'ratio':>8}")
    for case in CASES:
        for dtype in (np.float64, np.float32):
            print(measure(*case, dtype, options.repeats))


if __name__ == "__main__":
    main()
