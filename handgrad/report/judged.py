"""Judged: what a trained network says of data held out: confusion, calibration, worst samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.explain import draw
from handgrad.layers import BinaryCrossEntropy, SigmoidCrossEntropy, counted
from handgrad.layers.loss.targets import as_taken
from handgrad.report.png import png_of
from handgrad.train import OutputSpec
from handgrad.train.metrics import calibration_curve, confusion_matrix, log_loss

MOST = 5000  # samples that are judged
CLASSES = 30  # of a confusion matrix
WORST = 12
COLUMNS = 12  # of a sample that is a row
NODES = 60  # layers of a network whose graph is drawn


@dataclass(frozen=True)
class Meaning:
    """What inputs and outputs mean: names of classes and columns, and the shape of a picture."""

    classes: Sequence[str] | None = None
    columns: Sequence[str] | None = None
    shape: Sequence[int] | None = None


def judge(trainer: Any, meaning: Meaning) -> dict[str, Any]:
    """Plain data about the network as it is, on the data held out, or else those of training."""
    seen: dict[str, Any] = {"graph": _graph(trainer)}
    if (diagnosis := getattr(trainer.history, "diagnosis", None)) is not None:
        seen["diagnosis"] = diagnosis.to_dict()
    held = trainer.validation is not None
    x, t = (np.asarray(a)[:MOST] for a in (trainer.validation or (trainer.x, trainer.t)))
    seen |= {"of": "data held out" if held else "training data", "samples": len(x)}
    y = trainer.network.predict(x)
    found = _probabilities(trainer.loss, y, t)
    if found is not None:
        y, t, calibrated = found
        seen |= _classes(trainer.loss, y, t, calibrated, meaning)
        losses = _log_losses(y, t)
    elif t.shape == y.shape:
        losses = np.square(y - t, dtype=np.float64).reshape(len(y), -1).mean(axis=1)
    else:
        return seen | {"without": f"outputs {y.shape} of targets {t.shape} are not judged"}
    order = np.argsort(-np.nan_to_num(losses, nan=np.inf), kind="stable")[:WORST]
    seen["worst"] = [
        _sample(int(i), x[i], t[i], y[i], float(losses[i]), meaning, found is not None)
        for i in order
    ]
    return seen


def _probabilities(loss: Any, y: Array, t: Array) -> tuple[Array, Array, bool] | None:
    """p (N, K) and labels (N) of a classification, and whether p is more than an order of scores.

    None for targets of another kind. One output for yes or no gives two classes.
    """
    with np.errstate(all="ignore"):
        taken = as_taken(log_loss, loss, y)
        if t.ndim == 1 and t.dtype.kind in "iu" and y.ndim == 2 and y.shape[1] > 1:
            known = taken is not y or bool((y >= 0).all() and (y <= 1).all())
            return (taken if known else OutputSpec("scores").probabilities(y)), t, known
    yes = isinstance(loss, SigmoidCrossEntropy | BinaryCrossEntropy) and y.size == len(y) == t.size
    if not yes or not np.isin(t, (0, 1)).all():
        return None
    q = taken.reshape(-1).astype(np.float64)
    return np.stack([1 - q, q], axis=1), t.reshape(-1).astype(np.int64), True


def _classes(loss: Any, p: Array, t: Array, calibrated: bool, meaning: Meaning) -> dict[str, Any]:
    """The confusion matrix, and how often the class is right by how sure the network is."""
    p, t = counted(loss, p, t)
    found: dict[str, Any] = {"classes": [str(c) for c in meaning.classes or range(p.shape[1])]}
    if not np.isfinite(p).all():
        bad = (~np.isfinite(p).all(axis=1)).sum()
        return found | {"without": f"{bad:,} of {len(p):,} outputs are not finite"}
    if calibrated:
        curve = calibration_curve(p.max(axis=1).clip(0, 1), (p.argmax(axis=1) == t).astype(int))
        found["calibration"] = [[float(v) for v in row] for row in zip(*curve)]
    if p.shape[1] <= CLASSES:
        found["confusion"] = confusion_matrix(p, t, p.shape[1]).astype(int).tolist()
    return found


def _log_losses(p: Array, t: Array) -> Array:
    """−ln p of the right class, of each sample; 0 where the label is no class: it is ignored."""
    known = (t >= 0) & (t < p.shape[1])
    right = p[np.arange(len(p)), np.where(known, t, 0)]
    return np.where(known, -np.log(np.maximum(right, 1e-300)), 0)


def _sample(
    number: int, x: Array, t: Any, y: Array, loss: float, meaning: Meaning, of_labels: bool
) -> dict[str, Any]:
    """One sample in words and, if it is a picture, as one."""
    names = meaning.classes
    if of_labels:
        taken = int(np.nanargmax(y)) if not np.isnan(y).all() else 0
        words = [str(names[int(k)]) if names and 0 <= int(k) < len(names) else str(int(k))
                 for k in (t, taken)]  # fmt: skip
    else:
        words = [", ".join(f"{v:.4g}" for v in np.ravel(a)[:4]) for a in (t, y)]
    shown: dict[str, Any] = {"number": number, "target": words[0], "output": words[1], "loss": loss}
    shape = tuple(meaning.shape or ())
    if x.ndim == 1 and len(shape) > 1 and math.prod(shape) == x.size:
        x = x.reshape(shape)
    if x.ndim == 3 and x.shape[0] in (1, 3):
        return shown | {"picture": png_of(x), "broken": int((~np.isfinite(x)).sum())}
    flat = x.ravel()
    columns = [str(c) for c in meaning.columns or range(flat.size)]
    row = [[name, f"{float(v):.4g}"] for name, v in zip(columns, flat[:COLUMNS])]
    return shown | {"row": row, "more": max(flat.size - COLUMNS, 0)}


def _graph(trainer: Any) -> str | None:
    """The graph of a sample with its gradients, as SVG; None for a network that is too large."""
    network = trainer.network
    counting = trainer.t != getattr(trainer.loss, "ignore_index", None)
    first = int(np.argmax(np.reshape(counting, (len(trainer.t), -1)).any(axis=1)))
    x, t = trainer.x[first : first + 1], trainer.t[first : first + 1]
    _, calls = network.calls(x)
    return draw(network, x, t=t, loss=trainer.loss).svg if 0 < len(calls) <= NODES else None
