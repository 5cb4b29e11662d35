"""What the training doctor costs: each training with it and without, in turn.

    python -m benchmarks.watching [ROUNDS]

The ratio is that of the medians over the rounds. The data are random: only their shape matters.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np

from handgrad import Affine, Convolution, Flatten, MaxPooling, Momentum, ReLU, Sequential, fit
from handgrad.train import Watch


def dense() -> Sequential:
    """784-50-10."""
    return Sequential(Affine(50), ReLU(), Affine(10))


def convolutional() -> Sequential:
    """16 kernels of 5 × 5 and two dense layers, on pictures of 28 × 28."""
    return Sequential(Convolution(16, 5), ReLU(), MaxPooling(2), Flatten(), Affine(50), ReLU(),
                      Affine(10))  # fmt: skip


CASES = [  # what is trained, its shape, samples, epochs, engine
    ("784-50-10", dense, (784,), 10_000, 20, "auto"),
    ("784-50-10", dense, (784,), 10_000, 5, "numpy"),
    ("convolutional", convolutional, (1, 28, 28), 4_000, 4, "auto"),
]


def seconds(make, x, t, epochs: int, engine: str, watch) -> tuple[float, float]:
    """Of one training, and of the doctor in it."""
    network = make().build(x[:2])
    began = time.perf_counter()
    history = fit(network, x[500:], t[500:], validation=(x[:500], t[:500]), epochs=epochs,
                  optimizer=Momentum(0.01), engine=engine, progress=False, watch=watch)  # fmt: skip
    took = time.perf_counter() - began
    return took, history.diagnosis.seconds if watch else 0.0


def main(rounds: int) -> None:
    """Print a line for each case."""
    for name, make, shape, samples, epochs, engine in CASES:
        random = np.random.default_rng(0)
        x = random.uniform(size=(samples, *shape)).astype(np.float32)
        t = random.integers(0, 10, samples)
        plain, watched = [], []
        for _ in range(rounds):
            plain.append(seconds(make, x, t, epochs, engine, False)[0])
            watched.append(seconds(make, x, t, epochs, engine, Watch(show=False)))
        without = median(plain)
        with_it, own = (median(each) for each in zip(*watched))
        print(f"{name:14} {engine:6} {without:6.2f} s, watched {with_it:6.2f} s: "
              f"{with_it / without - 1:+.1%}; in the doctor {own:.3f} s, {own / without:.1%}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5)
