"""Judged: what a trained network says of data held out: confusion, calibration, worst samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.explain import draw
from handgrad.layers import counted, value_of
from handgrad.layers.loss.targets import as_taken
from handgrad.report.png import png_of
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
    of_labels = t.ndim == 1 and t.dtype.kind in "iu" and y.ndim == 2
    if of_labels:
        seen |= _classes(trainer.loss, y, t, meaning)
        losses = _log_losses(trainer.loss, y, t)
    elif t.shape == y.shape:
        losses = np.square(y - t, dtype=np.float64).reshape(len(y), -1).mean(axis=1)
    else:
        return seen | {"without": f"outputs {y.shape} of targets {t.shape} are not judged"}
    order = np.argsort(-np.nan_to_num(losses, nan=np.inf), kind="stable")[:WORST]
    seen["worst"] = [
        _sample(int(i), x[i], t[i], y[i], float(losses[i]), meaning, of_labels) for i in order
    ]
    return seen


def _classes(loss: Any, y: Array, t: Array, meaning: Meaning) -> dict[str, Any]:
    """The confusion matrix, and how often the class is right by how sure the network is."""
    y, t = counted(loss, y, t)
    names = [str(c) for c in meaning.classes or range(y.shape[1])]
    found: dict[str, Any] = {"classes": names}
    if np.isfinite(y).all():
        p = as_taken(log_loss, loss, y)
        sure, taken = p.max(axis=1), p.argmax(axis=1)
        if (sure <= 1 + 1e-9).all() and (p >= 0).all():
            curve = calibration_curve(np.minimum(sure, 1), (taken == t).astype(int))
            found["calibration"] = [[float(v) for v in row] for row in zip(*curve)]
    else:
        bad = (~np.isfinite(y).all(axis=1)).sum()
        return found | {"without": f"{bad:,} of {len(y):,} outputs are not finite"}
    if y.shape[1] <= CLASSES:
        found["confusion"] = confusion_matrix(y, t, y.shape[1]).astype(int).tolist()
    return found


def _log_losses(loss: Any, y: Array, t: Array) -> Array:
    """−ln p of the right class, of each sample; NaN where that is no class or not finite."""
    with np.errstate(all="ignore"):
        p = as_taken(log_loss, loss, y)
        known = (t >= 0) & (t < p.shape[1])
        right = p[np.arange(len(p)), np.where(known, t, 0)]
        return np.where(known, -np.log(np.maximum(right, 1e-300)), np.nan)


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
    _, calls = network.calls(trainer.x[:1])
    if not 0 < len(calls) <= NODES:
        return None
    t = trainer.t[:1]
    value_of(trainer.loss, network.predict(trainer.x[:1]), t)
    return draw(network, trainer.x[:1], t=t, loss=trainer.loss).svg
