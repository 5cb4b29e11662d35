"""LSTM over time, forward and backward, side by side: a book's style, handgrad, PyTorch.

    python benchmarks/recurrent.py [--repeats 60] [--size 20 35 100 100]

N = 20 sequences of T = 35 steps, D = 100 inputs, H = 100 hidden, float32. The systems take turns
within one run; a row shows the median time and the median ratio to the book's style, turn by
turn. All have the same weights and must give the same output and the same gradient of x.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from handgrad.layers.recurrent import LSTM

Run = Callable[[], tuple[np.ndarray, np.ndarray]]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The textbook's formula."""
    return 1 / (1 + np.exp(-x))


class BookCell:
    """One time step with its own copy of everything, as an introduction writes it."""

    def __init__(self, Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple:
        H = h.shape[1]
        A = np.dot(x, self.Wx) + np.dot(h, self.Wh) + self.b
        f, g = sigmoid(A[:, :H]), np.tanh(A[:, H : 2 * H])
        i, o = sigmoid(A[:, 2 * H : 3 * H]), sigmoid(A[:, 3 * H :])
        c_next = f * c + g * i
        h_next = o * np.tanh(c_next)
        self.cache = x, h, c, f, g, i, o, c_next
        return h_next, c_next

    def backward(self, dh_next: np.ndarray, dc_next: np.ndarray) -> tuple:
        x, h, c, f, g, i, o, c_next = self.cache
        tanh_c = np.tanh(c_next)
        ds = dc_next + dh_next * o * (1 - tanh_c**2)
        df, dg, di, do = ds * c, ds * i, ds * g, dh_next * tanh_c
        dA = np.hstack((df * f * (1 - f), dg * (1 - g**2), di * i * (1 - i), do * o * (1 - o)))
        self.grads = np.dot(x.T, dA), np.dot(h.T, dA), dA.sum(axis=0)
        return np.dot(dA, self.Wx.T), np.dot(dA, self.Wh.T), ds * f


def book_style(x: np.ndarray, dy: np.ndarray, weights: list[np.ndarray]) -> Run:
    """A list with a cell for every time step; gradients of the weights added up step by step."""
    N, T, _ = x.shape
    H = dy.shape[2]

    def run() -> tuple[np.ndarray, np.ndarray]:
        cells, y, dx = [], np.empty((N, T, H), x.dtype), np.empty_like(x)
        h, c = np.zeros((N, H), x.dtype), np.zeros((N, H), x.dtype)
        for t in range(T):
            cells.append(BookCell(*weights))
            h, c = cells[t].forward(x[:, t], h, c)
            y[:, t] = h
        grads = [np.zeros_like(w) for w in weights]
        dh, dc = 0, 0
        for t in reversed(range(T)):
            dx[:, t], dh, dc = cells[t].backward(dy[:, t] + dh, dc)
            for total, grad in zip(grads, cells[t].grads):
                total += grad
        return y, dx

    return run


def handgrad(x: np.ndarray, dy: np.ndarray, weights: list[np.ndarray]) -> Run:
    """The layer, by hand."""
    layer = LSTM(dy.shape[2])
    layer.Wx, layer.Wh, layer.b = weights
    return lambda: (layer.forward(x), layer.backward(dy))


def torch_eager(x: np.ndarray, dy: np.ndarray, weights: list[np.ndarray]) -> Run:
    """PyTorch's nn.LSTM on one thread; its blocks of columns are i, f, g, o."""
    import torch

    torch.set_num_threads(1)
    net = torch.nn.LSTM(x.shape[2], dy.shape[2], batch_first=True)
    f, g, i, o = np.split(np.arange(4 * dy.shape[2]), 4)
    order = np.concatenate([i, f, g, o])
    Wx, Wh, b = (torch.from_numpy(np.ascontiguousarray(w.T[order])) for w in weights)
    with torch.no_grad():
        for p, w in zip(net.parameters(), (Wx, Wh, b, torch.zeros_like(b))):
            p.copy_(w)
    leaf, upstream = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dy)

    def run() -> tuple[np.ndarray, np.ndarray]:
        net.zero_grad()
        leaf.grad = None
        y, _ = net(leaf)
        y.backward(upstream)
        return y.detach().numpy(), leaf.grad.numpy()

    return run


SYSTEMS = {"book style": book_style, "handgrad": handgrad, "PyTorch eager, 1 thread": torch_eager}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--size", type=int, nargs=4, default=(20, 35, 100, 100), metavar="N T D H")
    options = parser.parse_args()
    N, T, D, H = options.size
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((N, T, k), np.float32) for k in (D, H))
    shapes = ((D, 4 * H), (H, 4 * H), (4 * H,))
    weights = [(0.1 * rng.standard_normal(s)).astype(np.float32) for s in shapes]
    runs, expected = {}, None
    for name, make in SYSTEMS.items():
        try:
            runs[name] = make(x, dy, weights)
        except ImportError:
            print(f"{name}: not installed")
            continue
        got = runs[name]()
        expected = got if expected is None else expected
        for a, b in zip(got, expected):
            assert np.abs(a - b).max() < 1e-3, f"{name} does not compute the same"
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.repeats):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - began) * 1e3)
    base = np.array(times["book style"])
    print(f"{'':26}{'ms':>8}{'ratio':>8}")
    for name, measured in times.items():
        print(f"{name:26}{np.median(measured):8.2f}{np.median(np.array(measured) / base):8.2f}")


if __name__ == "__main__":
    main()
