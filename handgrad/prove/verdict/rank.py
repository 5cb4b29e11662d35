"""Other ranks: a backward that is right for (4, 5) may be wrong for (2, 3, 4).

Asked only where forward means it: it gives for a stack what it gives for each slice, or their sum
or mean, or what it gives for flattened axes. Plain NumPy means much by chance (`x @ W` takes
stacks), so a backward that raises there, or returns other shapes, is a limit and no mistake, unless
something else tells that stacks are meant: another gradient that is summed over the new axis and
right, or a forward that swaps or adds axes within each slice, which nothing does by chance. Wrong
numbers are a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.compare import Mismatch
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.fade import fades
from handgrad.prove.verdict.inputs import batched, differentiable, is_real, nearby, resized
from handgrad.prove.verdict.trial import Case, Outcome, close, fresh
from handgrad.subject.sandbox import SubjectError

MOST = 6  # rows that are looked at one by one
Inputs = list[Any]


def ranks(case: Case, base: Outcome) -> Iterator[Finding]:
    """One axis more, in front or second; one less; one that is split, and two that are one."""
    for moved in _together(case) if all(np.size(x) for x in case.inputs) else ():
        seen: set[str] = set()
        for inputs in _meant(case, moved):
            shapes = _spelled([inputs[k] for k in moved])
            if shapes not in seen:
                yield from _proved(case, base, inputs, moved)
            seen.add(shapes)


def _meant(case: Case, moved: list[int]) -> Iterator[Inputs]:
    """Inputs of other ranks that forward takes for what they are."""
    few = [x[:MOST] if k in moved else fresh(x) for k, x in enumerate(case.inputs)]
    rows = [[x[i] if k in moved else fresh(x) for k, x in enumerate(few)]
            for i in range(min(len(few[k]) for k in moved))]  # fmt: skip
    if rows and _by_slices(case, few, rows):
        yield rows[0]
    lengths = {n for x in case.inputs for n in np.shape(x)}
    count = next(n for n in (2, 3, 5, 7, 11) if n not in lengths)  # none that hides a transpose
    slices = [case.inputs, *(_others(case, moved, 5 + k) for k in range(count - 1))]
    for axis in (0, 1):
        stacked = [_joined(slices, k, axis) if k in moved else fresh(x)
                   for k, x in enumerate(case.inputs)]  # fmt: skip
        if _by_slices(case, stacked, slices):
            yield stacked
        elif axis == 0:
            yield from _channels(case, moved)
    for whole, parted in _regrouped(case, moved, lengths):
        if _by_flattening(case, whole, parted):
            yield parted


def _others(case: Case, moved: list[int], seed: int) -> Inputs:
    """Other values for what is moved; the rest is shared."""
    pairs = enumerate(zip(nearby(case, seed), case.inputs))
    return [near if k in moved else fresh(x) for k, (near, x) in pairs]


def _regrouped(case: Case, moved: list[int], lengths: set[int]) -> Iterator[tuple[Inputs, Inputs]]:
    """Inputs, and these with two axes in the stead of one, or one in that of two."""
    primes = [n for n in (2, 3, 5, 7, 11, 13) if n not in lengths]
    for axis in range(max(np.ndim(case.inputs[k]) for k in moved)):
        deep = [k for k in moved if np.ndim(case.inputs[k]) > axis]
        longer = resized(case, axis, primes[0] * primes[1], case.rng)
        for whole, count in ((longer, primes[0]), (case.inputs, 2)):
            sizes = {0} if whole is None else {whole[k].shape[axis] for k in deep}
            if whole is not None and all(n % count == 0 and n > count for n in sizes):
                yield whole, [_split(x, axis, count) if k in deep else fresh(x)
                              for k, x in enumerate(whole)]  # fmt: skip
        deeper = [k for k in deep if np.ndim(case.inputs[k]) > axis + 1]
        if deeper:
            yield case.inputs, [_merged(x, axis) if k in deeper else fresh(x)
                                for k, x in enumerate(case.inputs)]  # fmt: skip


def _split(x: Array, axis: int, count: int) -> Array:
    return x.reshape(*x.shape[:axis], count, -1, *x.shape[axis + 1 :]).copy()


def _merged(x: Array, axis: int) -> Array:
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :]).copy()


def _channels(case: Case, moved: list[int]) -> Iterator[Inputs]:
    """Samples of a vector as two images: the columns are channels for forward, on the second axis.

    Their places then count as samples do, as for a normalization of each channel.
    """
    flat = resized(case, 0, 6, case.rng) or case.inputs
    if not all(np.ndim(flat[k]) == 2 and len(flat[k]) == 6 for k in moved):
        return
    images = [_as_images(x) if k in moved else fresh(x) for k, x in enumerate(flat)]
    try:
        pairs = list(zip(_outputs(case, images), _outputs(case, flat)))
    except SubjectError:  # not meant
        return
    if all(z.shape[:1] == (6,) and close(y, _as_images(z), 1e-9) for y, z in pairs):
        yield images


def _as_images(x: Array) -> Array:
    return np.swapaxes(x.reshape(2, 3, *x.shape[1:]), 1, -1).copy()


def alike(case: Case, base: Outcome) -> Iterator[Finding]:
    """Two inputs that are equal, where forward takes both in one shape and nothing is singular."""
    for i, j in combinations(differentiable(case), 2):
        a, b = np.asarray(case.inputs[i]), np.asarray(case.inputs[j])
        if a.ndim != b.ndim or not a.size or not b.size or (a.min() < 0) != (b.min() < 0):
            continue  # of another rank, or in another domain
        near = a * np.random.default_rng(case.seed).uniform(0.9999, 1.0001, a.shape)
        inputs, beside = ([y.copy() if k == j else fresh(x) for k, x in enumerate(case.inputs)]
                          for y in (a, near))  # fmt: skip
        try:
            outcome = case.verify(inputs)
            wrong = outcome.mismatches if outcome is not None else []
            there = case.run(beside, outcome.run.upstream).gradients if wrong and outcome else {}
        except SubjectError:  # not meant
            continue
        for m in wrong[:1]:
            right = there[m.name]
            if m.part is None or right is None or right.shape != m.shape:
                continue  # it was stretched, and is not meant to be
            if close(right.reshape(-1)[m.part.index], m.numeric, 1e-2):
                what = f"{case.names[j]} equal to {case.names[i]}"
                yield _told(m, outcome, what, f"With {what}, d{m.name} is wrong.")


def _together(case: Case) -> list[list[int]]:
    """Inputs that get another axis together: those of one batch; all of them."""
    tied, arrays = sorted(batched(case)), [k for k, x in enumerate(case.inputs) if np.ndim(x)]
    return [moved for moved in (tied, arrays) if moved][: 1 + (tied != arrays)]


def _joined(slices: Sequence[Inputs], k: int, axis: int) -> Array:
    return np.stack([np.asarray(s[k]) for s in slices], axis)


def _outputs(case: Case, inputs: Inputs) -> list[Array]:
    return case.forward(case.subject.copy(), [fresh(x) for x in inputs])


def _by_slices(case: Case, whole: Inputs, slices: Sequence[Inputs]) -> bool:
    """Whether forward gives for the whole what it gives for each slice, or their sum or mean."""
    try:
        outputs, apart = _outputs(case, whole), [_outputs(case, s) for s in slices]
    except SubjectError:  # not meant
        return False
    for y, *parts in zip(outputs, *apart):
        if len({z.shape for z in parts}) > 1:
            return False
        alone = np.stack(parts)
        options = [np.moveaxis(alone, 0, axis) for axis in range(alone.ndim)]
        options += [] if y.ndim else [alone.sum(0), alone.mean(0)]
        if not any(close(y, option, 1e-9) for option in options):
            return False
    return True


def _by_flattening(case: Case, whole: Inputs, parted: Inputs) -> bool:
    """Whether the axes that are parted in one of these count as one for forward."""
    try:
        pairs = list(zip(_outputs(case, parted), _outputs(case, whole)))
    except SubjectError:  # not meant
        return False
    return all(y.size == z.size and close(y.reshape(-1), z.reshape(-1), 1e-9) for y, z in pairs)


def _proved(case: Case, base: Outcome, inputs: Inputs, moved: list[int]) -> Iterator[Finding]:
    there, here = (_spelled([x[k] for k in moved]) for x in (inputs, case.inputs))
    is_batch = all(np.ndim(inputs[k]) > 1 for k in moved if np.ndim(case.inputs[k]) > 1)
    try:
        outcome = case.verify(inputs)
    except SubjectError as error:
        if is_batch:
            kind = error.type.__name__ if error.type else error.kind
            case.limits.append(f"shape {there}: {error.phase} raises {kind}")
        return
    if outcome is None or not outcome.mismatches or unset(outcome) or fades(case, inputs):
        return
    wrong = outcome.mismatches
    if any(_misshapen(m, case) for m in wrong) and not _is_meant(case, base, wrong, moved):
        if is_batch:
            case.limits.append(f"shape {there}: d{wrong[0].name} has another shape")
        return
    text = f"d{wrong[0].name} is right for {here}, and wrong for {there}."
    yield _told(wrong[0], outcome, f"inputs of shape {there}", text)


def unset(outcome: Outcome) -> bool:
    """Whether a wrong gradient is none at all: backward does not serve these inputs."""
    return any(outcome.run.gradients[m.name] is None for m in outcome.mismatches)


def _misshapen(mismatch: Mismatch, case: Case) -> bool:
    """Whether a gradient has another shape, or had it and was stretched as it was stored."""
    given, learned = mismatch.analytic, mismatch.name in case.subject.parameters
    stretched = learned and given.ndim > 0 and len(given) > 1 and not np.ptp(given, 0).any()
    return mismatch.part is None or stretched


def _is_meant(case: Case, base: Outcome, wrong: list[Mismatch], moved: list[int]) -> bool:
    """Whether something else tells that backward should know what to do with another rank."""
    given, output = [case.inputs[k] for k in moved], base.run.outputs[0]
    names = {case.names[k] for k in moved}
    shapes = {n: case.shape(n, case.inputs) for n in case.wanted if n not in names}
    if not all(is_real(x) and np.ndim(x) == 2 for x in given):
        return False
    if not shapes:
        swapped = len(given) == 1 and output.shape == given[0].shape[::-1] != given[0].shape
        return swapped or output.ndim > 2
    return bool({n for n, shape in shapes.items() if np.prod(shape) > 1} - {m.name for m in wrong})


def _told(mismatch: Mismatch, outcome: Outcome | None, what: str, text: str) -> Finding:
    where, grade = mismatch.where(), Grade.ELSEWHERE
    return Finding("wrong_axis", text, mismatch.name, where, None, outcome, what, grade)


def _spelled(given: list[Any]) -> str:
    return " and ".join(str(np.shape(x)) for x in given)
