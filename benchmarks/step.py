"""One training step, side by side: handgrad eager, the same network in plain NumPy, PyTorch.

    python benchmarks/step.py [--repeats 30] [--steps 100]

784-50-10, batch 100, float32, SGD: gather the batch, forward, backward, update. The systems take
turns within one run; a row shows the median time and the median ratio to plain NumPy, turn by
turn, so that a machine that speeds up or slows down does not matter. All start from the same
weights, and must have the same loss at the end of their first turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import handgrad as hg

BATCH, LR = 100, 0.1
Step = Callable[[np.ndarray], float]


def plain_numpy(x: np.ndarray, t: np.ndarray, weights: list[np.ndarray]) -> Step:
    """The network written out, as in a book."""
    W1, b1, W2, b2 = (w.copy() for w in weights)
    rows, lr = np.arange(BATCH), np.float32(LR)

    def step(batch: np.ndarray) -> float:
        xb, tb = x[batch], t[batch]
        a = xb @ W1 + b1
        h = np.maximum(a, 0)
        y = h @ W2 + b2
        e = np.exp(y - y.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, tb] + 1e-7).mean()
        dy = p.copy()
        dy[rows, tb] -= 1
        dy /= BATCH
        dW2, db2 = h.T @ dy, dy.sum(axis=0)
        da = (dy @ W2.T) * (a > 0)
        dW1, db1 = xb.T @ da, da.sum(axis=0)
        for w, g in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
            w -= lr * g
        return float(loss)

    return step


def handgrad_by_hand(x: np.ndarray, t: np.ndarray, weights: list[np.ndarray]) -> Step:
    """Layers, network and optimizer, called as a reader of the book would."""
    network, loss, optimizer = build(weights), hg.SoftmaxCrossEntropy(), hg.SGD(LR)
    network.wants_dx = False

    def step(batch: np.ndarray) -> float:
        value = loss.forward(network.forward(x[batch]), t[batch])
        network.backward(loss.backward()[0])
        optimizer.step(network)
        return float(value)

    return step


def handgrad_trainer(x: np.ndarray, t: np.ndarray, weights: list[np.ndarray]) -> Step:
    """What `fit` does for a step, with its checks for NaN."""
    trainer = hg.Trainer(build(weights), x, t, batch=BATCH, optimizer=hg.SGD(LR), metrics=[])
    trainer.network.wants_dx = False  # as inside `run`

    def step(batch: np.ndarray) -> float:
        trainer.batch_step(batch)
        trainer.update_step()
        return trainer.loss_value

    return step


def torch_eager(x: np.ndarray, t: np.ndarray, weights: list[np.ndarray]) -> Step:
    """PyTorch in eager mode on one thread."""
    import torch

    torch.set_num_threads(1)
    net = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
    with torch.no_grad():
        for p, w in zip(net.parameters(), weights):
            p.copy_(torch.from_numpy(w.T if w.ndim == 2 else w))
    xs, ts = torch.from_numpy(x), torch.from_numpy(t)
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def step(batch: np.ndarray) -> float:
        rows = torch.from_numpy(batch)
        loss = cross_entropy(net(xs[rows]), ts[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def build(weights: list[np.ndarray]) -> hg.Sequential:
    """784-50-10 with these weights."""
    network = hg.Sequential(hg.Affine(50, inputs=784), hg.ReLU(), hg.Affine(10, inputs=50))
    network.parameters[...] = np.concatenate([w.ravel() for w in weights])
    return network


SYSTEMS = {
    "plain NumPy": plain_numpy,
    "handgrad by hand": handgrad_by_hand,
    "handgrad fit": handgrad_trainer,
    "PyTorch eager, 1 thread": torch_eager,
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x, t = rng.random((10_000, 784), np.float32), rng.integers(0, 10, 10_000)
    shapes = ((784, 50), (50,), (50, 10), (10,))
    weights = [(0.05 * rng.normal(size=s)).astype(np.float32) for s in shapes]
    steps = {}
    for name, make in SYSTEMS.items():
        try:
            steps[name] = make(x, t, weights)
        except ImportError:
            print(f"{name}: not installed")
    batches = [rng.integers(0, len(x), BATCH) for _ in range(options.steps)]
    times: dict[str, list[float]] = {name: [] for name in steps}
    losses = {}
    for turn in range(options.repeats):
        for name, step in steps.items():
            began = time.perf_counter()
            for batch in batches:
                last = step(batch)
            times[name].append((time.perf_counter() - began) / len(batches) * 1e6)
            if turn == 0:
                losses[name] = last
    base = np.array(times["plain NumPy"])
    print(f"{'':26}{'µs a step':>10}{'ratio':>8}{'loss':>11}")
    for name, measured in times.items():
        ratio = np.median(np.array(measured) / base)
        print(f"{name:26}{np.median(measured):10.0f}{ratio:8.2f}{losses[name]:11.4f}")
    assert np.ptp(list(losses.values())) < 1e-3, "the systems do not compute the same"


if __name__ == "__main__":
    main()
