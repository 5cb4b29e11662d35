"""Signs in the targets: scale, labels that are shifted, shuffled, missing or rare."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.train.watch.judge.inputs import Bounds, is_values
from handgrad.train.watch.judge.sign import Sign, percent, some
from handgrad.train.watch.measure.evidence import Evidence


def scale(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Values that are large, tiny, or far from 0 compared with how they vary."""
    large, small, offset = bounds
    if not is_values(e.trainer.loss):
        return
    t = e.trainer.t.astype(np.float64)
    mean, std = float(t.mean()), float(t.std())
    size = (mean**2 + std**2) ** 0.5
    if not std:
        return
    numbers = {"mean": mean, "std": std}
    if size > large:
        yield Sign("t", f"root mean square {size:.3g}, the bound is {large:g}", numbers=numbers)
    elif std < small:
        yield Sign("t", f"standard deviation {std:.3g}, the bound is {small:g}", "likely",
                   numbers=numbers)  # fmt: skip
    elif abs(mean) / std > offset:
        yield Sign("t", f"the mean {mean:.3g} is {abs(mean) / std:.3g} times the standard deviation"
                   f" {std:.3g}, the bound is {offset:g}", "likely", numbers=numbers)  # fmt: skip


def constant(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Targets that are the same for every sample."""
    t = e.trainer.t
    if len(t) > 1 and not np.ptp(t, axis=0).any():
        yield Sign("t", f"all {len(t):,} targets are {t[0] if t[0].size < 5 else 'equal'}")


def shifted_range(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Labels from 1 to C − 1, where 0 to C − 1 are meant."""
    if e.labels is None or len(e.labels.counts) < 3:
        return
    counts = e.labels.counts
    usual = counts.sum() / len(counts)
    if counts[0] == 0 and (counts[1:] > 0).all() and usual >= bounds[0]:
        yield Sign(
            "t", f"no sample has label 0, and each label from 1 to {len(counts) - 1} occurs; "
            f"{usual:.3g} samples a class", numbers={"per_class": float(usual)},
        )  # fmt: skip


def missing(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Classes that occur in validation data alone."""
    if e.labels is None or not e.labels.missing.size:
        return
    found = e.labels.missing
    assert e.labels.held_out is not None
    held = int(e.labels.held_out[found].sum())
    share = held / int(e.labels.held_out.sum())
    if share > bounds[0]:
        yield Sign(
            f"label {some(found)}",
            f"{held:,} validation samples ({percent(share)}), and no training sample",
            numbers={"classes": float(found.size), "share": share},
        )


def imbalance(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A network that does no better than naming the most frequent class each time."""
    if e.labels is None or e.guesses is None or e.labels.share < bounds[0]:
        return
    guess, t = e.guesses
    top = int(e.labels.counts.argmax())
    rare = t != top
    if not rare.any():
        return
    seen = float((guess[rare] == t[rare]).mean())
    score, always = float((guess == t).mean()), float(1 - rare.mean())
    error = (always * (1 - always) / len(t)) ** 0.5
    if score <= always + 2 * error and seen < bounds[1]:
        yield Sign(
            f"class {top}",
            f"the network is right for {percent(score)} of the training samples, the answer {top} "
            f"each time for {percent(always)}; of the other classes it finds {percent(seen)}",
            numbers={"score": score, "always": always, "found": seen},
        )


def misaligned(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Targets that fit the sample before or after theirs, and not their own."""
    if not _unlearnt(e) or (s := e.signal) is None:
        return
    own, other = bounds
    by, other_way = (1, "after") if s.after > s.before else (-1, "before")
    best = max(s.after, s.before)
    if s.own < own and best > other:
        yield Sign(
            "t", f"similar samples agree with the target of the sample {other_way} theirs, "
            f"{best:.3g} standard errors above chance; with their own {s.own:.3g}",
            numbers={"own": s.own, "other": best, "shift": float(by)},
            advice=f"shift them back: t = np.roll(t, {-by})",
        )  # fmt: skip


def shuffled(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Targets that the inputs say nothing about."""
    s = e.signal if _unlearnt(e) or e.val_loss is None else None
    least = bounds[0] if e.val_loss is not None else bounds[2]
    if s is None or s.own >= least or max(s.after, s.before) > bounds[1]:
        return
    memorised = e.left < 0.7
    what = f"similar samples agree in t {s.own:.3g} standard errors above chance"
    if e.val_loss is not None:
        chance = e.held_chance
        assert chance is not None
        what += f"; the best validation loss {e.val_loss.best:.3g}, {chance:.3g} without learning"
    if memorised:
        what += f"; the training loss {e.readings[-1].loss:.3g}: the samples are learnt by heart"
    sure = "likely" if e.val_loss is not None else "hint"
    yield Sign("t", what, sure, numbers={"own": s.own, "left": e.left})


def held_out_wrong(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Validation targets that do not belong to their inputs, where those of training do."""
    if not _unlearnt(e) or e.val_loss is None or e.left > 0.5:
        return
    own, z = e.signal, e.held_signal
    if own is None or z is None or own.own < bounds[1] or z >= bounds[0]:
        return
    yield Sign(
        "validation data",
        f"its targets agree with those of the nearest training samples {z:.3g} standard errors "
        f"above chance, training targets among themselves {own.own:.3g}",
        numbers={"held_out": z, "training": own.own},
    )


def _unlearnt(e: Evidence) -> bool:
    """Whether validation data, or else training data, say that nothing was learnt."""
    if e.flat_targets is None:
        return False
    if e.val_loss is not None and e.held_chance is not None:
        return e.val_loss.best > 0.95 * e.held_chance
    return e.val_loss is None and e.left > 0.9
