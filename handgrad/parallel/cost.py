"""What an update costs on so many ranks: a model of three numbers and a line, and its fit.

time = fixed + each · samples of the busiest rank + latency · ⌈log₂ R⌉ + bytes / bandwidth

A rank computes its shards' samples; fixed is what every rank does whatever its share, such as the
update itself. Of R ranks each sends and receives 2 (R − 1) / R times the sums of its blocks, in
⌈log₂ R⌉ rounds at best: the least that an all-reduce takes.
Source: Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH",
International Journal of High Performance Computing Applications, 2005.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel.shards import Shards

SHARDS = 16  # of a training, where nothing is said
PAYS = 1.2  # times as fast as half of them, at least, are processes that pay
MOST = 1024

Pair = tuple[float, float]


@dataclass(frozen=True)
class Cost:
    """An update's cost. batch: samples of all ranks together; size: bytes of the gradients.

    fixed, each: seconds of an update and of each sample of a rank; latency: seconds of a round of
    messages; bandwidth: bytes in a second.
    shards: how many there are; by default 16, or as many as there are ranks, if these are more.
    rounding: seconds of a node of the tree that rounds what it hands up (see `Feedback`), which one
    rank, with nobody to hand it to, is taken not to do.
    Raises ValueError unless the numbers are finite, not negative, and the bandwidth positive.
    """

    batch: int
    size: float
    fixed: float
    each: float
    latency: float
    bandwidth: float
    shards: int | None = None
    rounding: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.batch, self.size, self.fixed, self.each, self.latency, self.bandwidth,
                   self.rounding)  # fmt: skip
        if not all(math.isfinite(n) and n >= 0 for n in numbers) or self.bandwidth == 0:
            raise ValueError(f"Cost: finite numbers ≥ 0, and a bandwidth > 0, are needed: {self}")
        if self.shards is not None:
            Shards(self.shards)

    def cut(self, ranks: int) -> Shards:
        """The shards on so many ranks."""
        needed = 1 << (ranks - 1).bit_length()
        return Shards(max(SHARDS, needed) if self.shards is None else self.shards)

    def compute(self, ranks: int) -> float:
        """Seconds in which the busiest rank is done with its samples."""
        shards = self.cut(ranks)
        borders, shares = shards.borders(self.batch), [shards.share(r, ranks) for r in range(ranks)]
        return self.fixed + self.each * max(borders[b] - borders[a] for a, b in shares)

    def exchange(self, ranks: int) -> float:
        """Seconds in which the ranks put their sums together."""
        if ranks == 1:
            return 0.0
        shards = self.cut(ranks)
        shares = [shards.share(r, ranks) for r in range(ranks)]
        blocks = [len(shards.blocks(*share)) for share in shares]
        rows = max(blocks)
        nodes = max(2 * (b - a) - n for (a, b), n in zip(shares, blocks)) + (
            (sum(blocks) - 1) / ranks)  # fmt: skip
        moved = self.size * (rows + 1) * (ranks - 1) / ranks  # the blocks go out, one sum comes
        sent = self.latency * math.ceil(math.log2(ranks)) + moved / self.bandwidth
        return sent + self.rounding * nodes

    def update(self, ranks: int) -> float:
        """Seconds of an update."""
        return self.compute(ranks) + self.exchange(ranks)

    def faster(self, ranks: int) -> float:
        """How many times as fast as one rank."""
        return self.update(1) / self.update(ranks)

    def enough(self, most: int = MOST) -> int:
        """The most ranks, doubled from one, of which each doubling made it `PAYS` times as fast."""
        ranks = 1
        while 2 * ranks <= most and self.update(ranks) >= PAYS * self.update(2 * ranks):
            ranks *= 2
        return ranks

    def table(self, most: int = MOST) -> Iterator[str]:
        """Lines for 1, 2, 4, … ranks, and a sentence that says where more stop paying."""
        head = ("processes", "samples of one", "computing", "exchange", "update", "faster", "used")
        widths = [max(11, len(word) + 2) for word in head]
        yield "".join(f"{word:>{w}}" for word, w in zip(head, widths))
        for k in range(max(1, most).bit_length()):
            n = 1 << k
            shown = (f"{n:,}", f"{self.batch / n:,.4g}", in_words(self.compute(n)),
                     in_words(self.exchange(n)), in_words(self.update(n)), f"{self.faster(n):.2f}",
                     f"{self.faster(n) / n:.0%}")  # fmt: skip
            yield "".join(f"{word:>{w}}" for word, w in zip(shown, widths))
        yield ""
        yield self.sentence(most)

    def sentence(self, most: int = MOST) -> str:
        """Where more processes stop paying, and why."""
        n = self.enough(most)
        start = f"Up to {n:,} processes pay: an update is {self.faster(n):.1f} times as fast."
        start = start if n > 1 else "More than one process does not pay."
        if 2 * n > most:
            return "" if n == 1 else f"{start} More may pay too."
        whole = self.update(2 * n)
        parts = {
            "the exchange takes {:.0%} of the update": self.exchange(2 * n) / whole,
            "{:.0%} of the update is what each process does, however few its samples": (
                self.fixed / whole
            ),
            "the busiest process has {:.0%} of the samples": (
                (self.compute(2 * n) - self.fixed) / max(self.each * self.batch, 1e-300)
            ),
        }
        why = max(list(parts)[:2], key=lambda text: parts[text])
        why = why if parts[why] > 1 / 4 else list(parts)[2]
        return (
            f"{start} {2 * n:,} would be {self.update(n) / whole:.2f} times as fast as {n:,}: "
            f"{why.format(parts[why])}."
        )


def fit_line(points: Iterable[Pair]) -> Pair:
    """(fixed, each) ≥ 0 of seconds = fixed + each · n, from (n, seconds): least squares of what is
    relative to the seconds, so that short times count as much as long ones.

    Raises ValueError for fewer than two different n, and seconds that are not positive.
    """
    n, seconds = (np.array(values, float) for values in zip(*points))
    if len(set(n)) < 2 or not (seconds > 0).all():
        raise ValueError("cost: positive seconds of two or more sizes are needed for a line")
    both, wanted = np.stack([np.ones_like(n), n], axis=1) / seconds[:, None], np.ones_like(n)
    found: list[Array] = [np.linalg.lstsq(both, wanted, rcond=None)[0]]
    for i in (0, 1):  # or one of them is 0
        only = both[:, i]
        found.append(np.eye(2)[i] * (only @ wanted) / (only @ only))
    fits = [f for f in found if (f >= 0).all()]
    fixed, each = min(fits, key=lambda f: float(np.square(both @ f - wanted).sum()))
    return float(fixed), float(each)


def fit_exchange(points: Iterable[Pair], ranks: int) -> Pair:
    """(latency, bandwidth) from (bytes, seconds) of the sums of so many ranks."""
    start, each = fit_line(points)
    rounds, moved = math.ceil(math.log2(ranks)), 2 * (ranks - 1) / ranks
    return start / rounds, moved / max(each, 1e-15)


def in_words(seconds: float) -> str:
    """Seconds in the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
