"""Schedules that go up and down: cyclic, one cycle, cosine with restarts."""

from __future__ import annotations

import math

from handgrad.optim.checks import check_number, check_steps
from handgrad.optim.schedules import Schedule


class Cyclic(Schedule):
    """η(s) goes in straight lines from `low` up to `high` in `half` updates, and down again.

    η(s) = low + (high - low) · shrink^c · (1 - |s / half - 2c - 1|)  with  c = ⌊s / (2 half)⌋.

    shrink: what is left of high - low after each cycle; ½ is the paper's "triangular2".

    Source: Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.2;
    `half` is its stepsize, two to ten epochs.
    """

    def __init__(self, low: float, high: float, *, half: int, shrink: float = 1.0):
        self.low = check_number("Cyclic", "low", low)
        self.high = check_number("Cyclic", "high", high)
        if self.low > self.high:
            raise ValueError(f"Cyclic: low must be at most high = {high:g}, got {low!r}")
        self.half = check_steps("Cyclic", "half", half)
        self.shrink = check_number("Cyclic", "shrink", shrink)

    def __call__(self, step: int) -> float:
        cycle = step // (2 * self.half)
        height = 1 - abs(step / self.half - 2 * cycle - 1)
        return float(self.low + (self.high - self.low) * self.shrink**cycle * height)


class OneCycle(Schedule):
    """One cycle as long as the training: up to lr, down again, and far below where it began.

    η rises from lr / start to lr in the first `rise` of the steps, and falls from there to
    lr / end, both along half a cosine: from a to b,  b + (a - b) · (1 + cos(π · part)) / 2.
    After `steps` updates it stays where it is.

    lr: the largest η, as `lr_range` finds it.

    Source: Smith, Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018, with cosines in place of its straight lines; Smith, "A disciplined
    approach to neural network hyper-parameters", 2018.
    """

    def __init__(
        self, lr: float, *, steps: int, rise: float = 0.3, start: float = 25.0, end: float = 2.5e5
    ):
        self.lr = check_number("OneCycle", "lr", lr)
        self.steps = check_steps("OneCycle", "steps", steps)
        self.rise = check_number("OneCycle", "rise", rise, below=1)
        self.start = check_number("OneCycle", "start", start)
        self.end = check_number("OneCycle", "end", end)
        if min(self.start, self.end) < 1:
            raise ValueError(
                f"OneCycle: start and end divide lr, and must be at least 1, got {start!r}, {end!r}"
            )

    def __call__(self, step: int) -> float:
        last = max(self.steps - 1, 1)  # the step that has the last η
        done, rise = min(step / last, 1.0), max(self.rise * self.steps - 1, 0) / last
        if done < rise:
            return _cosine(self.lr / self.start, self.lr, done / rise)
        return _cosine(self.lr, self.lr / self.end, (done - rise) / (1 - rise))


class CosineRestarts(Schedule):
    """CosineDecay that begins again: a cycle of `steps` updates, then one `longer` times as long, …

    η = end + (lr - end) · (1 + cos(π · part)) / 2, with the part of the present cycle that is done.

    Source: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017, eq. 5.
    """

    def __init__(self, lr: float, *, steps: int, longer: int = 1, end: float = 0.0):
        self.lr = check_number("CosineRestarts", "lr", lr)
        self.steps = check_steps("CosineRestarts", "steps", steps)
        self.longer = check_steps("CosineRestarts", "longer", longer)
        self.end = check_number("CosineRestarts", "end", end)

    def __call__(self, step: int) -> float:
        length = self.steps
        if self.longer == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * self.longer
        return _cosine(self.lr, self.end, step / length)


def _cosine(start: float, end: float, part: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
