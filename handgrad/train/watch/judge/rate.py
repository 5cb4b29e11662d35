"""Signs in the updates: too large, too small, too few, or pulled towards zero."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from handgrad.train.watch.finding import ParameterReading
from handgrad.train.watch.judge.inputs import Bounds
from handgrad.train.watch.judge.sign import Sign, percent
from handgrad.train.watch.measure.data import middle
from handgrad.train.watch.measure.evidence import Evidence
from handgrad.train.watch.measure.updates import SHORT


def diverged(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A loss or a gradient that is no longer finite."""
    if e.error is not None:
        step = e.trainer.step
        yield Sign(e.error.where or "the loss", e.error.what, step=step)
    elif e.history.stopped and ("finite" in e.history.stopped or "became" in e.history.stopped):
        yield Sign("training", f"it ended after {len(e.history)} epochs: {e.history.stopped}")


def too_high(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Steps so long that they raise the loss that they were made to lower."""
    if not e.watched:
        yield from _rises(e, bounds)
        return
    overshot, moves, risen = bounds
    trials = [t for t in e.trials if t.moved and not e.noisy]
    over = [t for t in trials if t.overshoots]
    share, last = len(over) / max(len(trials), 1), e.readings[-1]
    large = max([*(_move(p) for r in e.readings for p in r.parameters), *_growth(e)], default=0.0)
    ended = e.error is not None and e.trainer.step > 1
    numbers = {"overshot": share, "update_to_weight": large, "left": e.left}
    if over and (ended or (share >= overshot and e.left > 0.5)):
        t = over[0]
        yield Sign(
            "learning rate",
            f"{len(over)} of {len(trials)} updates looked at raised the loss of their own samples, "
            f"as from {t.own[0.0]:.3g} to {t.own[1.0]:.3g} at step {t.step}, where a sixteenth of "
            f"the update gives {t.own[SHORT]:.3g}",
            "measured" if share >= overshot and len(over) > 1 else "likely", t.step, numbers,
            _smaller(e),
        )  # fmt: skip
        return
    first = e.readings[0].loss
    grown = last.loss > first and e.left > risen
    if (large > moves and e.left > 0.2) or (grown and e.left > 0.5):
        what = f"one update changed weights by {percent(large)} of their size, the bound is " \
            f"{percent(moves)}" if large > moves else \
            f"the loss has grown from {first:.3g} to {last.loss:.3g}"  # fmt: skip
        yield Sign("learning rate", f"{what}; {percent(e.left)} of the loss is left", "likely",
                   last.step, numbers, _smaller(e))  # fmt: skip
    else:
        yield from _rises(e, bounds)


def _move(p: ParameterReading) -> float:
    """The update of a matrix in parts of its size, or of the usual one where that is larger."""
    if len(p.shape) < 2 or p.update is None:
        return 0.0
    return p.update / max(p.rms, _usual(p))


def _usual(p: ParameterReading) -> float:
    """The usual size of weights: 1 / √fan_in, or less."""
    return float((min(p.shape) / math.prod(p.shape)) ** 0.5)


def _growth(e: Evidence) -> Iterator[float]:
    """By how much of itself a matrix grew in each update, between two readings."""
    for a, b in pairwise(e.readings):
        for p, q in zip(a.parameters, b.parameters):
            if len(p.shape) > 1:
                yield (q.rms - p.rms) / max(p.rms, _usual(p)) / max(b.step - a.step, 1)


def _rises(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A curve that rises, or jumps from epoch to epoch."""
    c = e.loss
    if c is None or len(c.values) < 4:
        return
    if c.last > 1.1 * c.first or (c.last > 1.5 * c.best and c.last > 0.5 * c.first):
        yield Sign("learning rate", f"the training loss rose from {c.best:.3g} in epoch {c.at} to "
                   f"{c.last:.3g}", "likely")  # fmt: skip
    elif c.jumps > 0.1 * abs(c.first) and c.falling < 0.7:
        yield Sign("learning rate", "from epoch to epoch the training loss changes by "
                   f"{c.jumps:.3g}, a tenth of {c.first:.3g} or more", "hint")  # fmt: skip


def _smaller(e: Evidence) -> str:
    """How to come to smaller steps."""
    lr, rule = e.readings[0].lr, e.trainer.optimizer
    momentum = getattr(rule, "momentum", 0.0)
    more = f"; momentum={momentum:g} makes a steady step {1 / (1 - momentum):.3g} times as long" \
        if momentum > 0.8 else ""  # fmt: skip
    return f"try lr={lr / 10:.2g}, or clip_norm=1; lr_range(network, x, t) finds a rate{more}"


def too_low(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Steps so short that far longer ones would still lower the loss."""
    if not e.watched:
        c = e.loss
        if c is not None and len(c.values) > 4 and c.falling > 0.9 and 0 < c.fell < 0.1 \
                and c.late > 0.4:  # fmt: skip
            yield Sign("learning rate", f"the training loss fell by {percent(c.fell)} in "
                       f"{len(c.values)} epochs, at the end as fast as before", "hint")  # fmt: skip
        return
    least, left, most = bounds
    trials = [t for t in e.trials if t.moved and not e.noisy]
    short = [t for t in trials if t.reach > min(max(least, e.updates), most)]
    if len(trials) < 2 or e.left < left or len(short) < 0.75 * len(trials):
        return
    if (t := trials[-1]) not in short:
        return
    # A schedule that has come to nothing is told by its own rule.
    if e.readings[-1].lr < 0.01 * max(r.lr for r in e.readings):
        return
    yield Sign(
        "learning rate",
        f"at step {t.step} an update 64 times as long would lower the loss of other samples "
        f"from {t.wide[0.0]:.4g} to {t.wide[64.0]:.4g}, the update lowers it to "
        f"{t.wide[1.0]:.4g}: the minimum along it is {_times(t.reach)} away; "
        f"{percent(e.left)} of the loss is left",
        "measured", t.step, {"reach": min(t.reach, 1e9), "left": e.left},
        f"try lr={min(t.reach, 640) / 4 * e.readings[-1].lr:.2g}; lr_range(network, x, t) finds a "
        "rate",
    )  # fmt: skip


def _times(reach: float) -> str:
    return f"{reach:.0f} updates" if reach < 1000 else "1,000 updates or more"


def faded(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A schedule that has ended learning long before the training ends."""
    if "lr" not in e.history or len(e.history["lr"]) < 4:
        return
    lr = np.array(e.history["lr"], float)
    top = max(lr.max(), e.first_rate)  # the history has the rate at the end of each epoch
    idle = int((lr < bounds[0] * top).sum())
    if not math.isfinite(top) or idle < 0.5 * len(lr):
        return
    if e.watched:
        poor = e.left > 0.5 and (not e.trials[-1].moved or e.trials[-1].best >= 8)
    else:
        poor = e.loss is not None and e.loss.last > 0.5 * e.loss.first
    if poor:
        yield Sign("learning rate", f"in {idle} of {len(lr)} epochs it was below "
                   f"{percent(bounds[0])} of its largest, {top:.3g}; at the end it is {lr[-1]:.3g}",
                   "measured" if e.watched else "likely",
                   numbers={"idle": float(idle), "lr": float(lr[-1])})  # fmt: skip


def too_few(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """So few updates that the loss is still falling fast."""
    task = e.trainer.task
    if e.updates == 0 or e.updates > bounds[0] or e.trainer.full or e.left < bounds[1]:
        return
    if len(e.readings) < 2 or e.error is not None:
        return
    before, last = e.readings[-2], e.readings[-1]
    if last.loss < before.loss and task.batch * 4 >= len(task.x) and len(task.x) > 32:
        yield Sign(
            "batch", f"{e.updates} updates in all, for a batch of {task.batch} is "
            f"{percent(task.batch / len(task.x))} of the data; the loss still falls, "
            f"{percent(e.left)} of it is left", "likely", last.step,
            {"updates": float(e.updates), "left": e.left},
        )  # fmt: skip


def decay(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A decay that holds the weights where the data would have them grow."""
    rule = e.trainer.state.optimizer
    l2, decoupled = getattr(rule, "l2", 0.0), getattr(rule, "weight_decay", 0.0)
    if not (l2 or decoupled) or e.left < bounds[1]:
        return
    first, last = ({p.path: p for p in r.parameters if len(p.shape) > 1}
                   for r in (e.readings[0], e.readings[-1]))  # fmt: skip
    shrunk = {k: last[k].rms / p.rms for k, p in first.items() if p.rms and not p.frozen}
    if not shrunk:
        return
    share = middle(np.array(list(shrunk.values())))
    pull = max(l2 * p.rms / p.gradient if p.gradient else math.inf for p in last.values()) \
        if l2 else math.nan  # fmt: skip
    if share < bounds[0]:
        option = f"l2={l2:g}" if l2 else f"weight_decay={decoupled:g}"
        yield Sign(
            option, f"the weights shrank to {percent(share)} of their first size (median), the "
            f"bound is {percent(bounds[0])}; {percent(e.left)} of the loss is left"
            + (f"; the decay pulls {pull:.3g} times as hard as the data" if l2 else ""),
            "likely", last_step(e), {"shrunk": share, "left": e.left},
            advice=f"try {option.split('=')[0]}={(l2 or decoupled) / 100:.2g}",
        )  # fmt: skip


def last_step(e: Evidence) -> int:
    """Of the last reading."""
    return e.readings[-1].step
