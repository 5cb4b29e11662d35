"""What searches in tests try: functions and an estimator that other processes can import."""

import multiprocessing
import os
import sys
import time

import numpy as np

import handgrad as hg
from handgrad.searching import choice, integer, log_uniform, search

SPACE = {"lr": log_uniform(1e-3, 0.3), "units": integer(2, 9)}
OPTIONS = {"metrics": [hg.accuracy], "batch": 20}


def data(n=120):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def network(lr, units=4):
    layers = hg.Affine(units), hg.Tanh(), hg.Affine(2)
    return hg.Sequential(*layers, seed=units), {"optimizer": hg.Adam(lr)}


def stuck(lr, units):
    """Like `network`; but a process of a search waits for its end with the first candidate."""
    search = multiprocessing.parent_process()
    while units < 5 and search is not None and search.is_alive():
        time.sleep(0.01)
    return network(lr, units)


def failing(lr, units):
    if units < 5:
        raise RuntimeError("too\nnarrow")
    return network(lr, units)


def dying(lr, units):
    if units < 5:
        os._exit(7)
    return network(lr, units)


def threads(a):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    raise RuntimeError(" ".join(f"{name}={os.environ.get(name)}" for name in names))


class Nearest:
    """An estimator by its shape alone: the class of the nearest mean, cut to some columns."""

    def __init__(self, columns=1, rounds=3):
        self.columns, self.rounds = columns, rounds

    def get_params(self, deep=True):
        return dict(vars(self))

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def fit(self, x, t):
        x = x[: 10 * self.rounds, : self.columns]
        self.means_ = [x[t[: len(x)] == c].mean(axis=0) for c in (0, 1)]
        return self

    def score(self, x, t):
        far = [np.square(x[:, : self.columns] - mean).sum(axis=1) for mean in self.means_]
        return np.mean((far[1] < far[0]) == (t == 1))


def run(path, processes, method="random", make=network):
    return search(make, SPACE, *data(), candidates=9, epochs=3, method=method, options=OPTIONS,
                  processes=processes, path=path, show=False)  # fmt: skip


if __name__ == "__main__":
    space = choice("a", "b")
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3], stuck)
