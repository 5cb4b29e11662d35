"""Explanations by a factor: zero, a sign, a constant, in all of a gradient or a part of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import nearby


def absent(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is zero, or was never given."""
    cause = "missing_param_grad" if hypothesis.is_parameter else "missing_term"
    if hypothesis.gradient is None:
        what = "is never set" if hypothesis.is_parameter else "is None, and forward depends on it"
    elif not np.any(hypothesis.mismatch.analytic):
        what = "is zero everywhere"
    else:
        return
    sure = hypothesis.is_parameter and not hypothesis.elsewhere
    yield (hypothesis.finding if sure else hypothesis.guess)(cause, f"the gradient {what}")


def constant(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is a constant times the right one, here and at other inputs."""
    given, right = hypothesis.given, hypothesis.numeric
    square = float(right @ right)
    if not square or not np.any(given):
        return
    ratio = float(given @ right) / square
    if not hypothesis.explains(ratio * right) or not _holds_elsewhere(hypothesis, ratio):
        return
    if abs(ratio + 1) < 1e-3:
        yield hypothesis.finding("wrong_sign", "every entry has the opposite sign")
    else:
        text = f"every entry is {named(ratio, lengths(hypothesis))} times what it should be"
        yield hypothesis.finding("wrong_scale", text)


def partial(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Some entries are right, and all others are off by the same factor."""
    bad = hypothesis.bad & (abs(hypothesis.numeric) > 1e-9 * abs(hypothesis.numeric).max(initial=0))
    if bad.all() or bad.sum() < 2 or (hypothesis.bad & ~bad).any():
        return
    ratios = hypothesis.given[bad] / hypothesis.numeric[bad]
    ratio = float(np.median(ratios))
    if not np.all(abs(ratios - ratio) <= 2e-3 * abs(ratio - 1)):
        return
    count = f"{int(bad.sum())} of {bad.size} entries"
    if abs(ratio) < 1e-9:
        yield hypothesis.guess("missing_term", f"{count} are zero and should not be")
    elif abs(ratio + 1) < 1e-3:
        yield hypothesis.guess("wrong_sign", f"{count} have the opposite sign")
    else:
        text = f"{count} are {named(ratio, lengths(hypothesis))} times what they should be"
        yield hypothesis.guess("wrong_scale", text)


def _holds_elsewhere(hypothesis: Hypothesis, ratio: float) -> bool:
    """Whether the same factor explains the gradient at other inputs of the same shapes."""
    case, here = hypothesis.case, hypothesis.base.run.inputs
    if case.large:
        return True
    alike = [np.shape(x) for x in here] == [np.shape(x) for x in case.inputs]
    outcome = case.verify(
        case.inputs if hypothesis.elsewhere and alike else nearby(case, inputs=here), effort=1e5
    )
    if outcome is None or outcome.point is None or hypothesis.name not in outcome.parts:
        return True
    part = outcome.parts[hypothesis.name]
    right = part.expected(outcome.run.flat_upstream)
    gradient = outcome.run.gradients[hypothesis.name]
    assert gradient is not None
    given = gradient.reshape(-1)[part.index]
    return hypothesis.near(given, ratio * right, abs(given - right))


def lengths(hypothesis: Hypothesis) -> dict[str, int]:
    """Lengths of axes, and their products, by a name for them."""
    sizes: dict[str, int] = {}
    arrays: list[tuple[str, Array]] = [("output", y) for y in hypothesis.base.run.outputs]
    inputs = zip(hypothesis.case.names, hypothesis.base.run.inputs)
    arrays += [(n, x) for n, x in inputs if isinstance(x, np.ndarray)]
    for name, array in arrays:
        for axis, length in enumerate(array.shape):
            sizes.setdefault(f"the length of axis {axis} of {name}", length)
        if array.ndim > 1:
            sizes.setdefault(f"the size of {name}", array.size)
            sizes.setdefault(f"the size of an image of {name}", int(np.prod(array.shape[2:])))
            sizes.setdefault(f"the size of a row of {name}", int(np.prod(array.shape[1:])))
    sizes["the number of outputs"] = len(hypothesis.base.run.outputs)
    return {name: size for name, size in sizes.items() if size > 1}


def named(ratio: float, sizes: dict[str, int]) -> str:
    """A factor with what it may be."""
    for name, size in sizes.items():
        for value, text in ((size, name), (1 / size, f"1 / {name}")):
            if abs(abs(ratio) - value) < 2e-3 * value:
                return f"{ratio:.6g} ({'-' if ratio < 0 else ''}{text})"
    return f"{ratio:.6g}"
