"""The learning-rate range test: one short training with a learning rate that grows all the time."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.optim import Adam
from handgrad.optim.checks import check_number
from handgrad.searching.trial import check_options
from handgrad.train import DivergenceError, Trainer
from handgrad.train.checks import check_count, check_optimizer

FORGETS = 0.9  # of the running mean of the losses
FAR = 4.0  # times the lowest loss, at which the test ends


class LearningRates(NamedTuple):
    """Learning rates, the loss of the batch at each, its running mean, and what follows.

    smooth: the mean with the losses around, of a tenth of the test.
    suggestion: where it has come half of the way from its first level to its lowest.
    largest: a third of where it is lowest, beyond which learning gets worse: the top of a cycle.
    """

    rates: Array
    losses: Array
    smooth: Array
    suggestion: float
    largest: float

    def plot(self, path: str | Path) -> Path:
        """Draw the losses by learning rate. Raises ModuleNotFoundError without matplotlib."""
        try:
            from matplotlib.figure import Figure
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "pictures need matplotlib: pip install 'handgrad[plot]'"
            ) from None
        figure = Figure(figsize=(4.8, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.semilogx(self.rates, self.losses, color="#0072B2", alpha=0.3, linewidth=1)
        axes.semilogx(self.rates, self.smooth, color="#0072B2", linewidth=1.8)
        axes.axvline(self.suggestion, color="#D55E00", label=f"suggestion {self.suggestion:.2g}")
        low, high = float(self.smooth.min()), float(self.smooth[0])
        axes.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low))
        axes.set(xlabel="learning rate", ylabel="loss of the batch")
        axes.legend()
        figure.savefig(path)
        return Path(path)


class _Watch:
    """Notes the loss of each update, and ends where it is far above the lowest."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.mean, self.smooth = 0.0, list[float]()

    def on_step(self, trainer: Any) -> None:
        """Take in one loss."""
        self.losses.append(trainer.loss_value)
        self.mean = FORGETS * self.mean + (1 - FORGETS) * trainer.loss_value
        self.smooth.append(self.mean / (1 - FORGETS ** len(self.losses)))
        if self.smooth[-1] > FAR * min(self.smooth):
            trainer.stop("the loss has grown")


def lr_range(
    network: Any, x: Any, t: Any, *, low: float = 1e-6, high: float = 10.0, steps: int = 100,
    optimizer: Any = None, options: Mapping[str, Any] | None = None,
) -> LearningRates:  # fmt: skip
    """Find a learning rate: train a copy with one that grows from low to high in `steps` updates.

    The test ends early where the loss has grown far or is no longer finite. The network and the
    optimizer that are given stay as they are. options: of `fit`, such as batch and loss.

    Raises ValueError unless 0 < low < high, and where the loss never falls.
    Source: Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
    """
    low, high = check_number("lr_range", "low", low), check_number("lr_range", "high", high)
    if not 0 < low < high:
        raise ValueError(f"lr_range: 0 < low < high is needed, got {low:g} and {high:g}")
    if check_count("steps", steps) < 10:
        raise ValueError(f"steps: at least 10 are needed to see a loss fall, got {steps}")
    check_options(options := {"progress": False, **(options or {})})
    rule = copy.deepcopy(Adam() if optimizer is None else check_optimizer(optimizer))
    first = rule.steps
    rule.lr = lambda step: low * (high / low) ** (min(step - first, steps - 1) / (steps - 1))
    watch = _Watch()
    trainer = Trainer(
        copy.deepcopy(network), x, t, optimizer=rule, steps=steps,
        **{**options, "callbacks": [*options.get("callbacks", ()), watch]},
    )  # fmt: skip
    try:
        trainer.run()
    except DivergenceError:
        if len(watch.losses) < 10:
            raise
    rates = low * (high / low) ** (np.arange(len(watch.losses)) / (steps - 1))
    losses = np.array(watch.losses)
    smooth = _around(losses, max(steps // 20, 1))
    lowest = int(np.argmin(smooth))
    level = float(np.mean(smooth[: max(len(smooth) // 10, 1)]))
    above = np.flatnonzero(smooth[:lowest] >= (level + smooth[lowest]) / 2)
    noise = float(np.std((losses - smooth)[: lowest + 1]))
    if not above.size or not level - smooth[lowest] > 2 * noise:
        raise ValueError(
            f"lr_range: the loss never falls, beyond its noise of {noise:.2g}, from {low:g} on; "
            "begin at a smaller low, or look at the network and its data"
        )
    suggestion, largest = float(rates[above[-1] + 1]), float(rates[lowest]) / 3
    return LearningRates(rates, losses, smooth, suggestion, largest)


def _around(losses: Array, width: int) -> Array:
    """The mean of each loss with `width` others on both sides, as far as there are any."""
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    i = np.arange(len(losses))
    begin, end = np.maximum(i - width, 0), np.minimum(i + width + 1, len(losses))
    means: Array = (sums[end] - sums[begin]) / (end - begin)
    return means
