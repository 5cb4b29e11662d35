"""Averages of the weights along a training: what validation, files and predictions then have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.attributes import given
from handgrad.layer import walk
from handgrad.optim.checks import check_number
from handgrad.train.checks import check_count


class Average:
    """Base: a running mean w̄ of the weights, w̄ ← w̄ + rate(n) · (w - w̄) with the n-th of them.

    It is kept in float64, together with that of running statistics. Training itself goes on from w:
    w̄ is in the network while an epoch is validated and its callbacks are told, and after the end,
    but not after a divergence, which leaves the last good w.

    every: updates from one w that is taken to the next; None for the end of each epoch.
    """

    every: int | None = None
    start = 0.0  # the part of the training that comes before the first w

    def __init__(self) -> None:
        self.mean, self.last = np.empty(0), np.empty(0)  # last: w, while w̄ is in the network
        self.count = 0
        self._statistics: list[tuple[Any, str]] = []  # layers, and what they keep

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(given(self))})"

    def begin(self, network: Any) -> None:
        """Before a training, or its continuation: w comes back into the network."""
        self._statistics = [
            (layer, name) for _, layer in walk(network) for name in getattr(layer, "buffers", ())
        ]
        self.hide(network)

    def rate(self, n: int) -> float:
        """The share of the n-th w in the new mean."""
        raise NotImplementedError(f"{type(self).__name__} must define rate()")

    def take(self, network: Any, step: int, updates: int, total: int) -> None:
        """Look at the weights after an update, and take them in where it is time to."""
        if step % (self.every or updates) or step < self.start * total:
            return
        self.count += 1
        w = self._weights(network)
        if self.count == 1:
            self.mean = w
        else:
            w -= self.mean
            w *= self.rate(self.count)
            self.mean += w

    def show(self, network: Any) -> None:
        """Put w̄ into the network, if there is one yet."""
        if self.count and not self.last.size:
            self.last = self._weights(network)
            self._put(network, self.mean)

    def hide(self, network: Any) -> None:
        """Put w back."""
        if self.last.size:
            self._put(network, self.last)
            self.last = np.empty(0)

    def state_dict(self) -> dict[str, Any]:
        """What a continuation needs."""
        return {"kind": type(self).__name__, "count": self.count, "mean": self.mean,
                "last": self.last}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.count = int(state["count"])
        self.mean, self.last = np.array(state["mean"]), np.array(state["last"])

    def _arrays(self, network: Any) -> list[Array]:
        """Parameters and running statistics."""
        kept = [getattr(layer, name, None) for layer, name in self._statistics]
        statistics = [a for a in kept if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        return [network.parameters, *statistics]

    def _weights(self, network: Any) -> Array:
        """All of them in one new array."""
        return np.concatenate([a.ravel() for a in self._arrays(network)], dtype=np.float64)

    def _put(self, network: Any, values: Array) -> None:
        arrays = self._arrays(network)
        if (size := sum(a.size for a in arrays)) != values.size:
            raise ValueError(
                f"{type(self).__name__}: its mean is of {values.size} weights and statistics, "
                f"this network has {size}"
            )
        at = 0
        for array in arrays:
            array[...] = values[at : at + array.size].reshape(array.shape)
            at += array.size


class EMA(Average):
    """The exponential moving average of the weights: each later w counts 1 / decay times as much.

    w̄ₙ = Σ decay^(n-i) wᵢ / Σ decay^(n-i), so that the start does not count more than it should.

    decay: in [0, 1); about 1 / (1 - decay) of the last weights count. every: updates from one to
    the next; with more than 1, many updates can follow each other in one native call.

    Source: Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992;
    Kingma, Ba, "Adam", ICLR 2015, section 7.2.
    """

    def __init__(self, decay: float = 0.99, *, every: int = 1):
        super().__init__()
        self.decay = check_number("EMA", "decay", decay, below=1)
        self.every = check_count("EMA: every", every)

    def rate(self, n: int) -> float:
        return (1 - self.decay) / (1 - self.decay**n)


class SWA(Average):
    """The mean of the weights in the last part of a training, best with a large learning rate.

    w̄ₙ = Σ wᵢ / n. Until it begins, the network is as it is.

    start: the part of the training before, in [0, 1). every: updates from one w to the next;
    None: one at the end of each epoch. Running statistics are averaged, not measured again.

    Source: Izmailov et al., "Averaging weights leads to wider optima and better generalization",
    UAI 2018.
    """

    def __init__(self, start: float = 0.75, *, every: int | None = None):
        super().__init__()
        self.start = check_number("SWA", "start", start, below=1)
        self.every = None if every is None else check_count("SWA: every", every)

    def rate(self, n: int) -> float:
        return 1 / n


def check_average(average: Any) -> Average | None:
    """An average, a class of one, or None."""
    average = average() if isinstance(average, type) else average
    if average is not None and not isinstance(average, Average):
        raise ValueError(f"average: EMA() or SWA() is needed, got {average!r}")
    return average


@contextmanager
def averaged(average: Average | None, network: Any) -> Iterator[None]:
    """Inside, the network has its mean weights."""
    if average is None:
        yield
        return
    average.show(network)
    try:
        yield
    finally:
        average.hide(network)
