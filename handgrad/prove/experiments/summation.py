"""Explanations by a sum: over another axis, over some rows only, across rows that are apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.experiments.evidence import Clue
from handgrad.prove.report import Finding


def over_other_axis(clue: Clue) -> Iterator[Finding]:
    """A parameter that acts elementwise got the sum along another axis, or a mean for the sum."""
    if len(clue.upstream) != 1 or not clue.whole:
        return
    shape = clue.upstream[0].shape
    terms = (clue.part.value.sum(0) * clue.base.run.flat_upstream).reshape(shape)
    size = clue.gap.analytic.size
    for count in range(1, terms.ndim + 1):
        for axes in combinations(range(terms.ndim), count):
            for reduced, verb in ((terms.sum(axes), "summed"), (terms.mean(axes), "averaged")):
                if reduced.size == size and clue.explains(reduced.reshape(-1)):
                    spelled = ", ".join(map(str, axes))
                    text = f"it was {verb} over axis {spelled} of the output"
                    yield clue.finding("wrong_axis", 0.9, text)
                    return


def of_some_rows(clue: Clue) -> Iterator[Finding]:
    """A parameter's gradient is made of some slices of the batch, or some steps, only."""
    if not clue.is_parameter or len(clue.upstream) != 1:
        return
    upstream = clue.upstream[0]
    for axis in range(upstream.ndim):
        rows = upstream.shape[axis]
        if not 1 < rows <= 64 or len(clue.given) < rows:
            continue
        pieces = np.stack([clue.pulled(_only(upstream, axis, r)) for r in range(rows)], axis=1)
        shares, _, rank, _ = np.linalg.lstsq(pieces, clue.given, rcond=None)
        if rank < rows or not clue.explains(pieces @ shares):
            continue
        whole = np.minimum(abs(shares), abs(shares - 1)) < 0.01
        if np.ptp(shares) < 0.05 or not whole.all():
            continue  # a constant factor, or weights that mean nothing
        used = ", ".join(f"{s:.3g}" for s in shares[:6])
        where = f"axis {axis} of the output enter with the weights {used}, not all 1"
        ends = np.allclose(shares[1:], 1, atol=0.02) or np.allclose(shares[:-1], 1, atol=0.02)
        cause = "boundary" if (ends and rows > 2) or axis else "missing_batch_sum"
        yield clue.finding(cause, 0.85, f"slices along {where}")
        return


def across_rows(clue: Clue) -> Iterator[Finding]:
    """An input's gradient mixes slices of an axis that forward keeps apart."""
    shape = clue.gap.shape
    if clue.is_parameter or len(clue.upstream) != 1 or not shape or not clue.whole:
        return
    upstream = clue.upstream[0]
    for axis in range(min(upstream.ndim, len(shape))):
        rows = shape[axis]
        if rows < 2 or upstream.shape[axis] != rows:
            continue
        masked = _only(upstream, axis, 0).reshape(upstream.shape)
        given = clue.case.run(clue.base.run.inputs, [masked]).gradients[clue.name]
        if given is None or given.shape != shape:
            return
        right = clue.pulled(masked.reshape(-1)).reshape(shape)
        apart = abs(np.delete(right, 0, axis)).max() <= 1e-7 * abs(right).max(initial=1e-300)
        mixed = abs(np.delete(given, 0, axis)).max() > 1e-4 * abs(given).max(initial=1e-300)
        if apart and mixed:
            text = f"slices along axis {axis} are mixed, which forward keeps apart"
            yield clue.finding("wrong_axis", 0.8, text)
            return


def _only(upstream: Array, axis: int, row: int) -> Array:
    """The upstream gradient with one slice left, flat."""
    kept = np.zeros_like(upstream)
    place = (slice(None),) * axis + (row,)
    kept[place] = upstream[place]
    return kept.reshape(-1)
