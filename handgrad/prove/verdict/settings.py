"""Other settings: a layer that is right for a stride of one may be wrong for a stride of two.

Instances are made by the constructor itself, with arguments near those that made the subject:
values of the same kind, within what they suggest. Where there is no constructor to ask, a number
that forward reads is changed where it is held. What a constructor or forward refuses is not
meant; an exception in backward is not counted; only gradients that are measured wrong are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.subject.adapt import Subject
from handgrad.prove.subject.making import constructed, numbers_held, recipe, strings_known
from handgrad.prove.subject.parameters import attributes
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import resized
from handgrad.prove.verdict.prepare import beside
from handgrad.prove.verdict.trial import Case, Outcome, fresh, same

MOST = 40  # variants that are made


def settings(case: Case, base: Outcome) -> Iterator[Finding]:
    """Each setting in turn at other values, and pairs of integers; inputs fitted where needed."""
    seen: set[str] = set()
    for names, what, subject in _variants(case, base):
        if not names & seen:
            for finding in _proved(case, base, subject, what):
                seen |= names
                yield finding


def _variants(case: Case, base: Outcome) -> Iterator[tuple[set[str], str, Subject]]:
    made = recipe(case.subject)
    if not made:
        yield from _changed(case, base)
        return
    options = {n: list(lawful(v, case)) for n, v in made.items()}
    for change in _changes(made, options)[:MOST]:
        subject = constructed(case.subject, made | change)
        if subject is not None:
            what = ", ".join(f"{n} = {_spelled(v)}" for n, v in change.items())
            yield set(change), what, subject
    for name in [n for n, v in made.items() if isinstance(v, bool)]:
        subject = case.subject.copy()  # a mode is switched after a call in the other one
        if attributes(subject.thing).get(name) is made[name]:
            case.run(start=subject, keep=True)
            setattr(subject.thing, name, not made[name])
            subject.parameters = {}
            yield {name}, f"{name} = {not made[name]} after a call with {made[name]}", subject


def _changes(made: dict[str, Any], options: dict[str, list]) -> list[dict[str, Any]]:
    """Each argument alone; integers and switches in pairs; arrays that grow with an integer."""
    changes = [{n: v} for n, values in options.items() for v in values]
    names = sorted(n for n, v in made.items() if _is_whole(v) or isinstance(v, bool))
    arrays = {n: v for n, v in made.items() if isinstance(v, np.ndarray) and v.ndim}
    for name, times in product(names, (2, 3)):
        for length in sorted({len(v) for v in arrays.values()}) if times in options[name] else ():
            alike = {a: np.repeat(v, times, 0) for a, v in arrays.items() if len(v) == length}
            changes.append({name: times, **alike})
    changes += [{a: x, b: y} for i, a in enumerate(names) for b in names[i + 1 :]
                for x, y in product(options[a][:2], options[b][:2])]  # fmt: skip
    return changes


def _changed(case: Case, base: Outcome) -> Iterator[tuple[set[str], str, Subject]]:
    """Numbers that are changed where they are held, and not what was derived from them.

    Where one is seen by backward alone, it may be derived from another: nothing is learned.
    """
    for name, value, put in (held := list(numbers_held(case.subject))):
        for other in lawful(value, case):
            subject = case.subject.copy()
            put(subject.thing, other)
            if _reads(case, base, subject) == (True, False) and any(
                _reads(case, base, _nudged(case, v, p)) == (False, True)
                for n, v, p in held
                if n != name
            ):
                return
            yield {name}, f"{name} = {other!r}", subject


def _nudged(case: Case, value: Any, put: Any) -> Subject:
    subject = case.subject.copy()
    put(subject.thing, next(iter(lawful(value, case)), value))
    return subject


def _reads(case: Case, base: Outcome, subject: Subject) -> tuple[bool, bool]:
    """Whether forward, and whether backward, gives something else than at the given settings."""
    try:
        run = case.run(upstream=base.run.upstream, start=subject)
    except (SubjectError, ValueError):
        return True, True
    one = all(map(same, run.outputs, base.run.outputs))
    two = all(a is None or b is None or same(a, b)
              for a, b in zip(run.gradients.values(), base.run.gradients.values()))  # fmt: skip
    return not one, not two


def lawful(value: Any, case: Case) -> Iterator[Any]:
    """Other values of the same kind, in the domain that this one suggests."""
    if isinstance(value, bool | np.bool_):
        yield not value
    elif value is None:
        yield from (1, 2, 0.5)
        lengths = {n for x in case.inputs for n in np.shape(x)}
        yield from (np.linspace(0.5, 1.5, n) for n in sorted(lengths))
    elif _is_whole(value):
        value = int(value)
        usual = {-2: (-1, 0, 1), -1: (0, 1, -2), 0: (1, 2), 1: (2, 3, 0)}
        yield from usual.get(value, (value + 1, value - 1, 2 * value))
        if value > 1:
            yield from ((value, value + 1), (value + 1, value))
    elif isinstance(value, float | np.floating):
        yield from _reals(float(value))
    elif isinstance(value, str):
        yield from (s for s in strings_known(case.subject) if s != value)
    elif isinstance(value, tuple | list | np.ndarray) and _permutes(value):
        rolled = np.roll(np.arange(len(value)), 1)
        yield rolled if isinstance(value, np.ndarray) else type(value)(rolled.tolist())
    elif isinstance(value, tuple | list) and value and all(map(_is_whole, value)):
        for k, v in enumerate(value):
            for other in (v + 1, max(v - 1, 0)):
                yield type(value)((*value[:k], other, *value[k + 1 :]))
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
        yield from _arrays(value)


def _reals(value: float) -> Iterator[float]:
    if value == 0:
        yield from (0.3, 0.5)
    elif abs(value) < 1e-2 or not np.isfinite(value):  # a guard: larger, it would be no guard
        return
    elif 0 < value < 1:
        yield from (0.5 * value, 0.5 * (1 + value))
    else:
        yield from (0.5 * value, 1.7 * value, 0.3 * value)


def _arrays(value: Array) -> Iterator[Array]:
    """Without the symmetry that it may have; then, for windows, other lengths of an axis."""
    rng = np.random.default_rng(23)
    yield value * rng.uniform(0.5, 1.5, value.shape)
    if value.ndim > 1 and len(value) == 1:
        yield np.concatenate([value, 0.7 * value])
    for axis in range(value.ndim - 1, -1, -1) if value.ndim > 2 else ():
        for length in (value.shape[axis] + 1, value.shape[axis] - 1):
            if length > 1:
                order = np.arange(length) % value.shape[axis]
                yield np.take(value, order, axis) * rng.uniform(0.8, 1.2)


def _permutes(value: Any) -> bool:
    whole = (
        np.ndim(value) == 1 and value.dtype.kind in "iu"
        if isinstance(value, np.ndarray)
        else (all(map(_is_whole, value)))
    )
    return whole and len(value) > 2 and sorted(value) == list(range(len(value)))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _spelled(value: Any) -> str:
    return f"an array {np.shape(value)}" if isinstance(value, np.ndarray) else f"{value!r}"


def _proved(case: Case, base: Outcome, subject: Subject, what: str) -> Iterator[Finding]:
    enough = 1 if " = an array" in what else 2  # an array's lengths may be the inputs' too
    for inputs in _fitted(case, subject):
        try:
            other = beside(case, subject, inputs, bool(subject.parameters))
            outcome = other.verify(inputs)
        except SubjectError:  # not meant
            continue
        for m in outcome.mismatches if outcome is not None else ():
            if not _left_out(base, outcome.run.gradients[m.name], m.name):
                text, grade = f"With {what} d{m.name} is wrong.", Grade.ELSEWHERE
                yield Finding("wrong_formula", text, m.name, m.where(), None, outcome, what, grade)
                return
        enough -= outcome is not None
        if not enough:
            return


def _left_out(base: Outcome, gradient: Array | None, name: str) -> bool:
    """Whether a setting switched a gradient off, as one that freezes a parameter does."""
    before = base.run.gradients.get(name)
    off = gradient is None or (gradient.size > 0 and not np.any(gradient))
    return off and before is not None and bool(np.any(before))


def _fitted(case: Case, subject: Subject) -> Iterator[list[Any]]:
    """Inputs that forward takes with this setting: the given ones, longer ones, others."""
    for inputs in _candidates(case):
        try:
            outputs = case.forward(subject.copy(), [fresh(x) for x in inputs])
        except SubjectError:
            continue
        if all(np.isfinite(y).all() and y.size for y in outputs):
            yield inputs


def _candidates(case: Case) -> Iterator[list[Any]]:
    yield case.inputs
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray) and x.ndim]
    shape = arrays[0].shape if arrays else ()
    for axis in range(len(shape) - 1, 0, -1):
        for length in (shape[axis] + 1, 2 * shape[axis], shape[axis] + 2):
            inputs = resized(case, axis, length, case.rng)
            if inputs is not None:
                yield inputs
