"""Other settings: a layer that is right for a stride of one may be wrong for a stride of two.

Instances are made as the subject was made, with arguments near those that made it: values of the
same kind, within what they suggest. What the constructor, forward or backward refuses is not
meant. A setting that leaves forward as it is and changes backward alone (frozen parameters,
truncation, clipping) is meant to; only where forward follows it has backward to follow.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.compare import Mismatch
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import resized, resized_alike
from handgrad.prove.verdict.lawful import is_whole, lawful
from handgrad.prove.verdict.prepare import beside
from handgrad.prove.verdict.trial import Case, Outcome, close, fresh
from handgrad.subject.adapt import Subject
from handgrad.subject.making import (
    Recipe,
    call_settings,
    constructed,
    recipe,
)
from handgrad.subject.sandbox import SubjectError

MOST = 50  # instances that are made
EFFORT = 1e6  # after which no more are

Inputs = list[Any]


class Variant(NamedTuple):
    """What was changed, in words too, and the subject and inputs that came of it."""

    names: set[str]
    what: str
    subject: Subject
    inputs: Inputs
    numbers: tuple[tuple[int, int], ...] = ()  # integers that were changed, and what they are now
    made: Recipe | None = None
    grown: tuple[tuple[int, int], ...] = ()  # lengths of arrays that were changed


def settings(case: Case, base: Outcome) -> Iterator[Finding]:
    """Each setting in turn at other values; inputs fitted where needed."""
    seen: set[str] = set()
    limit = case.subject.sandbox.spent + EFFORT
    for variant in (*_made(case), *_called(case)):
        if case.subject.sandbox.spent > limit:
            return
        for outcome, wrong in () if variant.names & seen else _proved(case, base, variant):
            seen |= variant.names
            text, where = f"With {variant.what} d{wrong.name} is wrong.", wrong.where()
            yield Finding("wrong_formula", text, wrong.name, where, None, outcome, variant.what,
                          Grade.ELSEWHERE)  # fmt: skip


def _made(case: Case) -> Iterator[Variant]:
    """Instances that are made with other arguments."""
    how = recipe(case.subject)
    if how is None:
        return
    for change in _changes(case, how)[:MOST]:
        made = Recipe(how.make, how.given | change)
        subject = constructed(case.subject, made)
        if subject is not None and _is_alike(case.subject, subject):
            what = ", ".join(f"{n} = {_spelled(v)}" for n, v in change.items())
            whole = [n for n, v in change.items() if is_whole(v) and is_whole(how.given[n])]
            numbers = tuple((how.given[n], change[n]) for n in whole)
            arrays = [n for n, v in change.items() if isinstance(v, np.ndarray)]
            grown = tuple(pair for n in arrays for pair in _grown(how.given[n], change[n]))
            yield Variant(set(change), what, subject, case.inputs, numbers, made, grown)


def _is_alike(one: Subject, two: Subject) -> bool:
    """Whether the parameters have as many axes as before."""
    return all(one.get(n).ndim == two.get(n).ndim for n in one.parameters)


def _called(case: Case) -> Iterator[Variant]:
    """Other values of what forward takes beside arrays, given or by default."""
    given = [*case.inputs, *call_settings(case.subject, case.inputs)]
    for k, (name, value) in enumerate(zip(case.subject.input_names, given)):
        # What is on in training is not switched off: a layer in use needs no backward.
        plain = isinstance(value, int | float) and value is not True
        if plain and name not in case.wanted:
            for other in lawful(value, case):
                inputs = [other if j == k else fresh(x) for j, x in enumerate(given)]
                inputs = inputs[: max(k + 1, len(case.inputs))]
                yield Variant({name}, f"{name} = {other!r}", case.subject.copy(), inputs)


def _changes(case: Case, how: Recipe) -> list[dict[str, Any]]:
    """Each argument alone; arrays that grow with an integer; two integers or switches at once."""
    options = {n: how.choices(n) or list(lawful(v, case)) for n, v in how.given.items()}
    changes = [{n: v} for n, values in options.items() for v in values]
    arrays = {n: v for n, v in how.given.items() if isinstance(v, np.ndarray) and v.ndim}
    whole = sorted(n for n, v in how.given.items() if is_whole(v) or isinstance(v, bool))
    for name, times in product(whole, (2, 3)):
        for old in sorted({len(v) for v in arrays.values()}) if times in options[name] else ():
            alike = {a: np.repeat(v, times, 0) for a, v in arrays.items() if len(v) == old}
            changes.append({name: times, **alike})
    pairs = combinations([n for n in whole if options[n]], 2)
    return changes + [{a: options[a][0], b: options[b][0]} for a, b in pairs]


def _grown(old: Any, new: Array) -> list[tuple[int, int]]:
    """Lengths of an array that have changed."""
    pairs = zip(np.shape(old), new.shape) if np.ndim(old) == new.ndim else ()
    return [(a, b) for a, b in pairs if a != b]


def _spelled(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {np.shape(value)}"
    return str(value) if isinstance(value, enum.Enum) else f"{value!r}"


def _proved(case: Case, base: Outcome, variant: Variant) -> Iterator[tuple[Outcome, Mismatch]]:
    """The first trial in which a gradient is wrong, if there is one."""
    subject = variant.subject
    for inputs in _fitted(case, variant):
        try:
            other = beside(case, subject, inputs)
            other.names = (case.names + subject.input_names[len(case.names) :])[: len(inputs)]
            outcome = other.verify()
        except SubjectError:  # not meant
            continue
        if outcome is None:
            continue
        wrong = [m for m in outcome.mismatches if not _is_meant(base, outcome, m)]
        meant = wrong and _is_known(case, other, outcome, variant)
        meant = meant and _fits(other, outcome, variant.numbers)
        if meant and (variant.grown or _is_right(case, inputs)):
            yield outcome, wrong[0]
            return


def _is_known(case: Case, other: Case, outcome: Outcome, variant: Variant) -> bool:
    """Whether no other word gives this forward and is right: then this one is not meant."""
    made = variant.made or Recipe(type(case.subject.thing), {})
    words = [n for n in variant.names if isinstance(made.given.get(n), str)]
    how = recipe(case.subject) if words else None
    options = [] if how is None else [{n: w} for n in words if not how.choices(n)
                                      for w in lawful(how.given[n], case)]  # fmt: skip
    for option in options:
        subject = constructed(case.subject, Recipe(made.make, made.given | option))
        try:
            there = None if subject is None else beside(case, subject, other.inputs).verify()
        except SubjectError:
            continue
        right = there is not None and not there.mismatches
        if there is not None and right and all(map(close, there.run.outputs, outcome.run.outputs)):
            return False
    return True


def _is_right(case: Case, inputs: Inputs) -> bool:
    """Whether the subject as it is makes no mistake there, which no setting would explain."""
    try:
        outcome = case.verify(_as_given(case, inputs))
    except SubjectError:
        return False
    return outcome is None or not outcome.mismatches


def _as_given(case: Case, inputs: Inputs) -> Inputs:
    """These inputs with the settings among them as they were given."""
    return [x if isinstance(x, np.ndarray) else given for x, given in zip(inputs, case.inputs)]


def _unfit(outcome: Outcome) -> bool:
    """Whether parameters got gradients of other shapes: they do not go with this setting."""
    learned = outcome.case.subject.parameters
    return any(m.part is None and m.name in learned and sorted(m.shape) != sorted(m.analytic.shape)
               for m in outcome.mismatches)  # fmt: skip


def _fits(case: Case, outcome: Outcome, numbers: tuple[tuple[int, int], ...]) -> bool:
    """Whether the inputs and parameters that there are go with the setting.

    Equal lengths hide that they do not: so the batch is made longer; and where the setting was a
    length of the inputs, what is wrong is wrong too when they follow it.
    """
    rows = np.shape(case.inputs[0])[:1] if case.inputs else ()
    others = [resized(case, 0, rows[0] + 1, case.rng) if rows else None]
    lengths, given = {n for x in case.inputs for n in np.shape(x)}, case.inputs
    for old, new in numbers:
        if 1 < old in lengths and new > 0:
            case.inputs = resized_alike(case, old, new, case.rng)
    if case.inputs is not given:
        others, case.inputs = [*others, case.inputs], given
    for k, inputs in enumerate(others):
        try:
            there = case.verify(inputs) if inputs is not None else None
        except SubjectError:
            continue
        if there is not None and (_unfit(there) or (k and not there.mismatches)):
            return False
    return not _unfit(outcome)


def _is_meant(base: Outcome, outcome: Outcome, mismatch: Mismatch) -> bool:
    """Whether a setting switched a gradient off, or gives one to what is a step by its values."""
    gradient, before = outcome.run.gradients[mismatch.name], base.run.gradients.get(mismatch.name)
    off = gradient is None or (gradient.size > 0 and not np.any(gradient))
    step = mismatch.part is not None and not np.any(mismatch.numeric)
    return step or (off and before is not None and bool(np.any(before)))


def _fitted(case: Case, variant: Variant) -> Iterator[Inputs]:
    """Inputs that forward takes with this setting, and for which it makes a difference."""
    taken, subject = 0, variant.subject
    for inputs in _candidates(case, variant):
        try:
            outputs = case.forward(subject.copy(), [fresh(x) for x in inputs])
        except SubjectError:
            continue
        if all(np.isfinite(y).all() and y.size for y in outputs):
            taken += 1
            if not _same_without(case, subject, inputs, outputs):
                yield inputs
        if taken == 2:
            return


def _same_without(case: Case, subject: Subject, inputs: Inputs, outputs: list[Array]) -> bool:
    """Whether forward gives the same with the settings that the subject has."""
    one, other = ({n: s.get(n).shape for n in s.parameters} for s in (subject, case.subject))
    if one != other:
        return False
    try:
        own = case.forward(case.subject.copy(), _as_given(case, [fresh(x) for x in inputs]))
    except SubjectError:
        return False
    return len(own) == len(outputs) and all(map(close, own, outputs))


def _candidates(case: Case, variant: Variant) -> Iterator[Inputs]:
    given = variant.inputs
    for old, new in variant.grown:
        if any(old in np.shape(x) for x in case.inputs):
            yield resized_alike(case, old, new, case.rng)
    yield given
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray) and x.ndim]
    shape = arrays[0].shape if arrays else ()
    for axis in range(len(shape) - 1, 0, -1):
        for length in (shape[axis] + 1, 2 * shape[axis], shape[axis] + 2):
            inputs = resized(case, axis, length, case.rng)
            if inputs is not None:
                yield [*inputs, *given[len(inputs) :]]
