"""Signs in the curves: overfitting, no learning, evaluation that differs from training."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from handgrad.train.watch.judge.inputs import Bounds
from handgrad.train.watch.judge.sign import Sign, percent
from handgrad.train.watch.measure.evidence import Evidence


def overfitting(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Validation data lose what training data still gain."""
    back, kept, alone = bounds
    c, train = e.val_loss, e.loss
    if c is None or train is None or len(c.values) < 4:
        return
    top = e.held_chance if e.watched else None
    known = top is not None
    start = max(float(c.values[0]), train.first) if top is None else top
    learnt = start - c.best
    returned = (c.last - c.best) / learnt if learnt > 0.05 * abs(start) else 0.0
    stopped = "has not improved" in (e.history.stopped or "")
    falls = train.last < float(train.values[min(c.at, len(train.values)) - 1])
    scored = _score_gains(e, c.at)
    numbers = {"best": c.best, "epoch": float(c.at), "last": c.last, "returned": returned}
    if returned > (back if known else alone) and falls and not stopped and not scored:
        yield Sign(
            "validation loss", f"lowest with {c.best:.3g} in epoch {c.at}, {c.last:.3g} at the end"
            f", while the training loss fell to {train.last:.3g}; {percent(returned)} of what was "
            "learnt is lost again", "measured" if known else "likely", numbers=numbers,
        )  # fmt: skip
    elif known and e.chance is not None:
        assert top is not None
        mine = e.chance - e.readings[-1].eval_loss
        theirs = top - (c.best if stopped else c.last)
        if mine > 0.3 * e.chance and theirs < kept * mine * top / e.chance:
            yield Sign(
                "validation loss", f"{c.last:.3g} at the end, {top:.3g} without learning: "
                f"{percent(max(theirs / top, 0))} of it is learnt, of the training loss "
                f"{percent(mine / e.chance)}", "likely", numbers=numbers,
            )  # fmt: skip


def _score_gains(e: Evidence, at: int) -> bool:
    """Whether validation accuracy is better at the end than at the lowest loss."""
    if "val_accuracy" not in e.history:
        return False
    scores = e.history["val_accuracy"]
    return bool(scores[-1] > scores[min(at, len(scores)) - 1] + 0.005)


def not_learning(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A loss that stays where it is without learning."""
    if not e.watched:
        c = e.loss
        if c is not None and len(c.values) > 4 and abs(c.fell) < bounds[1] and c.falling < 0.9:
            yield Sign("training loss", f"{c.first:.4g} in the first epoch, {c.last:.4g} in the "
                       f"last ones of {len(c.values)}", "hint")  # fmt: skip
        return
    if e.updates < bounds[2] or e.left < bounds[0]:
        return
    last = e.readings[-1]
    base = "the same answer for every sample" if e.chance is not None else "the start"
    yield Sign("training loss", f"{last.loss:.4g} after {e.updates:,} updates, {percent(e.left)} "
               f"of that of {base}", "measured", last.step, {"left": e.left})  # fmt: skip


def one_answer(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Of a history alone: an accuracy that does not move at all."""
    if e.watched:
        return
    name = "val_accuracy" if "val_accuracy" in e.history else "accuracy"
    if name not in e.history:
        return
    scores = e.history[name]
    tail = scores[len(scores) // 2 :]
    if len(tail) >= bounds[0] and len(set(tail)) == 1 and tail[0] < 1 and len(scores) > 4:
        c = e.loss
        if c is not None and c.last > 0.5 * c.first:
            yield Sign(name, f"exactly {tail[0]:.4g} in the last {len(tail)} epochs", "hint")


def evaluation_differs(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """The same samples, the same weights, and another loss in evaluation mode."""
    last = e.readings[-1]
    reference = e.chance if e.chance is not None else e.readings[0].loss
    worse = last.eval_loss - last.loss
    if math.isfinite(worse) and last.eval_loss > bounds[0] * last.loss and \
            worse > bounds[1] * reference:  # fmt: skip
        yield Sign(
            "evaluation mode", f"the loss of the same training samples is {last.eval_loss:.3g}, in "
            f"training mode {last.loss:.3g}", step=last.step,
            numbers={"eval_loss": last.eval_loss, "loss": last.loss},
        )  # fmt: skip


def evaluation_random(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Predictions that differ from call to call."""
    network, x = e.trainer.network, e.trainer.x[:64]
    a, b = (network.predict(x, engine="numpy") for _ in range(2))
    if not np.array_equal(a, b, equal_nan=True):
        most = float(np.abs(a - b).max())
        yield Sign("evaluation mode", f"two predictions of the same samples differ by up to "
                   f"{most:.3g}", numbers={"difference": most})  # fmt: skip
