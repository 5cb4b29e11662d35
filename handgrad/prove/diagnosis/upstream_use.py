"""Explanations by the upstream gradient: a constant, a part or another form of it was used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.diagnosis.region import moves
from handgrad.prove.verdict.evidence import Finding

Reading = tuple[str, str, Array]  # cause, sentence, upstream


def other_upstream(hypothesis: Hypothesis) -> Iterator[Finding]:
    """backward's result is right for another upstream gradient than the one it was given."""
    second, given = hypothesis.again()
    pairs = zip(_readings(hypothesis.upstream), _readings(second))
    for (cause, sentence, upstream), (*_, other) in pairs:
        explained = hypothesis.explains(hypothesis.pulled(upstream))
        if explained and hypothesis.near(given, hypothesis.pulled(other)):
            if cause == "boundary" and moves(hypothesis):
                continue
            yield hypothesis.finding(cause, sentence)
            return


def _readings(upstream: list[Array]) -> Iterator[Reading]:
    """Other upstream gradients, by the mistake that would make them."""
    for cause, sentence, change in _CHANGES:
        yield cause, sentence, _joined([change(u) for u in upstream])
    for k in range(len(upstream)) if len(upstream) > 1 else ():
        without = [0 * u if j == k else u for j, u in enumerate(upstream)]
        yield "missing_term", f"the gradient of output {k} is not used", _joined(without)
    if len(upstream) == 2 and upstream[0].shape == upstream[1].shape:
        yield "swapped_outputs", "the upstream gradients are swapped", _joined(upstream[::-1])
    if len(upstream) == 1:
        yield from _along_axes(upstream[0])


def _along_axes(u: Array) -> Iterator[Reading]:
    for axis in range(u.ndim):
        where = f"axis {axis} of the upstream gradient"
        first = np.broadcast_to(u.take([0], axis), u.shape)
        yield "upstream_ignored", f"only the first along {where} is used", first.ravel()
        last = np.broadcast_to(u.take([-1], axis), u.shape)
        yield "upstream_ignored", f"only the last along {where} is used", last.ravel()
        total = np.broadcast_to(u.sum(axis, keepdims=True), u.shape)
        yield "wrong_axis", f"{where} is summed away first", total.ravel()
        mean = np.broadcast_to(u.mean(axis, keepdims=True), u.shape)
        yield "wrong_axis", f"{where} is averaged first", mean.ravel()
        yield "transpose", f"{where} is read backwards", np.flip(u, axis).ravel()
        for shift in (1, -1):
            rolled = np.roll(u, shift, axis).ravel()
            yield "boundary", f"{where} is shifted by one", rolled
        if u.shape[axis] > 2:
            for end, text in ((0, "first"), (-1, "last")):
                less = np.moveaxis(u.copy(), axis, 0)
                less[end] = 0
                short = np.moveaxis(less, 0, axis).ravel()
                yield "boundary", f"the {text} along {where} is left out", short
    if u.ndim > 2:
        image = (u.ndim - 2, u.ndim - 1)
        mean = np.broadcast_to(u.mean(image, keepdims=True), u.shape)
        yield "upstream_ignored", "only the mean of every image is used", mean.ravel()
        first = np.broadcast_to(u[..., :1, :1], u.shape)
        yield "upstream_ignored", "only the corner of every image is used", first.ravel()
    if u.ndim > 1:
        yield "transpose", "the upstream gradient is read transposed", u.T.ravel()
        swapped = np.swapaxes(u, -1, -2).ravel()
        yield "transpose", "the upstream gradient is read transposed", swapped
        columns = u.reshape(-1, order="F")
        yield "transpose", "the upstream gradient is read by columns", columns
    if u.ndim == 0:
        return
    only = np.full(u.size, u.reshape(-1)[0])
    yield "upstream_ignored", "only the first number of the upstream gradient is used", only


def _joined(parts: list[Array]) -> Array:
    return np.concatenate([np.reshape(p, -1) for p in parts])


_CHANGES = (
    ("upstream_ignored", "the upstream gradient is taken for ones", np.ones_like),
    ("upstream_ignored", "only the mean of the upstream gradient is used",
     lambda u: np.full_like(u, u.mean())),
    ("upstream_ignored", "only the sum of the upstream gradient is used",
     lambda u: np.full_like(u, u.sum())),
    ("upstream_ignored", "the size of the upstream gradient is used, not its sign", abs),
    ("upstream_ignored", "only the sign of the upstream gradient is used", np.sign),
    ("upstream_ignored", "the upstream gradient is used twice", lambda u: u * u),
    ("upstream_ignored", "negative upstream gradients are dropped",
     lambda u: np.maximum(u, 0)),
    ("upstream_ignored", "the upstream gradient is clipped", lambda u: np.clip(u, -1, 1)),
)  # fmt: skip
