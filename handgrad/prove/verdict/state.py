"""State: what one call leaves behind may not change what the next one gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.subject.adapt import Pair, Subject
from handgrad.prove.subject.copying import duplicate
from handgrad.prove.subject.making import sibling
from handgrad.prove.subject.parameters import attributes, owners, reach
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.chance import another, close
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import nearby, resized, shuffled
from handgrad.prove.verdict.trial import Case, Outcome, Run, fresh, same


def calls_in_turn(case: Case, base: Outcome) -> Iterator[Finding]:
    """Two full calls on one instance; and two forwards before the backward."""
    wrong = {mismatch.name for mismatch in base.mismatches}  # in the first call too
    for inputs in _second_batches(case):
        for complete in (True, False):
            finding = _second(case, inputs, complete, wrong)
            if finding:
                yield finding
                return


def _second_batches(case: Case) -> list[list[Any]]:
    batches = [shuffled(case, case.rng), nearby(case)]
    if _keeps_state(case):
        return batches  # what it keeps has the batch's length
    for axis in (0, 1):  # the batch, and the steps of time
        length = _length(case, axis)
        for other in (length + 1, max(length - 1, 1)):
            inputs = resized(case, axis, other, case.rng)
            if inputs is not None:
                batches.append(inputs)
    return batches


def _length(case: Case, axis: int = 0) -> int:
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray) and x.ndim > axis]
    return arrays[0].shape[axis] if arrays else 1


def _second(case: Case, inputs: list[Any], complete: bool, wrong: set[str]) -> Finding | None:
    """The finding when an instance that was used before gives wrong gradients for new inputs."""
    how = "the second call" if complete else "backward, after two forwards,"
    try:
        alone = case.run(inputs)
    except SubjectError:  # it does not take these inputs
        return None
    used, first = case.subject.copy(), None
    if complete:
        first = case.run(start=used, keep=True)
    else:
        case.forward(used, [fresh(x) for x in case.inputs])
    state = used.around(duplicate(used.thing))
    try:
        after = case.run(inputs, alone.upstream, used, keep=True)
    except SubjectError as error:
        if error.refused:
            return None
        text = f"{error.sentence}, in {how} though not alone."
        return Finding("stale_state", text, line=error.line)
    if not all(close(a, b) for a, b in zip(after.outputs, alone.outputs)):
        outcome = case.verify(inputs, state, after)  # it keeps a state: ask the differences
        found = [] if outcome is None else outcome.mismatches
        mismatches = [m for m in found if m.name not in wrong]
        if outcome is not None and mismatches:
            name = mismatches[0].name
            text = f"In {how} d{name} does not fit what forward computes."
            return Finding("stale_state", text, name, mismatches[0].where())
        return _first_kept(case, after, alone)
    for name in case.wanted:
        a, b = after.gradients[name], alone.gradients[name]
        if a is not None and b is not None and not close(a, b, 1e-7):
            return _named(name, a, b, first, how)
        if a is None and b is not None:
            return Finding("stale_state", f"In {how} d{name} is missing.", name)
    return None


def _first_kept(case: Case, after: Run, alone: Run) -> Finding | None:
    """A loss has no memory: it depends on this batch alone, not on an earlier one."""
    loss = all(y.size == 1 for y in alone.outputs)
    if not loss or case.subject.parameters or _keeps_state(case):
        return None
    text = f"After another batch the loss is {float(after.outputs[0].reshape(-1)[0]):.6g}, "
    text += f"and {float(alone.outputs[0].reshape(-1)[0]):.6g} without: something was kept."
    return Finding("stale_state", text)


def _keeps_state(case: Case) -> bool:
    """Whether the same input gives another output the second time, as in a stateful layer."""
    used = case.subject.copy()
    first = [y.copy() for y in case.forward(used, [fresh(x) for x in case.inputs])]
    again = case.forward(used, [fresh(x) for x in case.inputs])
    return not all(map(close, first, again))


def backward_twice(case: Case, base: Outcome) -> Iterator[Finding]:
    """A second backward for the same forward gives the same again, or is refused."""
    used = case.subject.copy()
    first = case.run(upstream=base.run.upstream, start=used, keep=True)
    kept = _kept(used.thing)
    try:
        second = case.named(used, used.backward([fresh(u) for u in first.upstream]))
    except SubjectError:  # it has let go of what it kept
        return
    for name in case.wanted:
        a, b = first.gradients[name], second[name]
        if a is not None and b is not None and not close(a, b, 1e-7):
            doubled = close(b, 2 * a, 1e-7) and name in case.subject.parameters
            written = [n for n, (v, then) in kept.items() if not same(v, then)]
            cause = "accumulates" if doubled else "aliasing" if written else "stale_state"
            text = f"A second backward for the same forward gives another d{name}."
            if cause == "aliasing":
                text += f" The first one wrote into {written[0]}, which forward had kept."
            yield Finding(cause, text, name)
            return


def _kept(thing: Any) -> dict[str, tuple[Array, Array]]:
    """Arrays that an object keeps, other than gradients, by name, with copies."""
    held = [(n, v) for owner in owners(thing) for n, v in attributes(owner).items()]
    held += [(n, w) for n, v in held if isinstance(v, list | tuple) for w in v]
    return {n: (v, v.copy()) for n, v in held
            if isinstance(v, np.ndarray) and not n.startswith(("d", "grad"))}  # fmt: skip


def _named(name: str, after: Array, alone: Array, first: Run | None, how: str) -> Finding:
    before = first.gradients[name] if first else None
    if before is not None and before.shape == after.shape == alone.shape:
        if close(after, alone + before, 1e-7):
            text = f"In {how} d{name} is the sum of this gradient and the last one."
            return Finding("accumulates", text, name)
        if close(after, before, 1e-7):
            text = f"In {how} d{name} is still that of the first."
            return Finding("stale_state", text, name)
    text = f"In {how} d{name} is another than in a fresh instance with the same inputs."
    return Finding("stale_state", text, name)


def new_parameters(case: Case, base: Outcome) -> Iterator[Finding]:
    """After the parameters change, as in training, the gradients are those of the new ones."""
    if not case.subject.parameters:
        return
    used, alone = case.subject.copy(), case.subject.copy()
    case.run(start=used, keep=True)
    for subject in (used, alone):
        for k, name in enumerate(subject.parameters):
            value = subject.get(name)
            subject.put(name, value * (1.1 + 0.05 * k) + 0.01)
    fresh_run = case.run(start=alone)
    state = used.around(duplicate(used.thing))
    run = case.run(upstream=fresh_run.upstream, start=used, keep=True)
    outcome = case.verify(start=state, run=run)
    for mismatch in outcome.mismatches if outcome and not base.mismatches else ():
        text = f"After the parameters have changed, d{mismatch.name} is wrong: old ones are in use."
        yield Finding("stale_state", text, mismatch.name, mismatch.where())
        return


def two_instances(case: Case, base: Outcome) -> Iterator[Finding]:
    """Two instances used in turn do not disturb each other."""
    if isinstance(case.subject.thing, Pair) or case.subject.outside.made_by_factory:
        return
    makers: tuple[Callable[[], Subject | None], ...]
    makers = (case.subject.copy, lambda: sibling(case.subject))
    for make in makers:
        one, other = make(), make()
        if one is None or other is None:
            continue
        if any(one.get(n).dtype.kind != "f" for n in one.parameters):
            return  # parameters still to be made
        yield from _interleaved(case, one, other)


def held_by_class(case: Case, base: Outcome) -> Iterator[Finding]:
    """Gradients lie in the instance, not in an array or list that the class holds for all."""
    kinds = {type(owner) for owner in owners(case.original.thing)}
    shared = [v for c in kinds for v in vars(c).values() if isinstance(v, list | dict | np.ndarray)]
    subject = case.original.around(duplicate(case.original.thing, {id(v): v for v in shared}))
    case.run(case.given, start=subject, keep=True)
    mine = [v for owner in owners(subject.thing) for v in attributes(owner).values()]
    held = {id(v) for v in shared} & {id(v) for v in mine}
    for name, parameter in case.subject.parameters.items():
        path = parameter.gradient or ()
        if any(id(reach(subject.thing, path[:k])) in held for k in range(1, len(path) + 1)):
            text = f"d{name} lies in what the class holds: every instance writes over it."
            yield Finding("aliasing", text, name)


def _interleaved(case: Case, one: Subject, other: Subject) -> Iterator[Finding]:
    for inputs in (shuffled(case, case.rng), resized(case, 0, _length(case) + 2, case.rng)):
        if inputs is not None:
            try:
                alone = case.run(start=one)
                elsewhere = case.run(inputs, start=other)
            except SubjectError:
                continue
            pair = duplicate([one.thing, other.thing])  # in one, so that what they share stays so
            first, second = one.around(pair[0]), other.around(pair[1])
            yield from _in_between(case, first, second, alone, elsewhere)


def _in_between(
    case: Case, one: Subject, other: Subject, alone: Run, elsewhere: Run
) -> Iterator[Finding]:
    outputs = one.forward([fresh(x) for x in alone.inputs])[: len(alone.upstream)]
    kept = [y.copy() for y in outputs]
    other.forward([fresh(x) for x in elsewhere.inputs])
    try:
        returned = one.backward([fresh(u) for u in alone.upstream])
    except SubjectError as error:
        text = f"When another instance is used in between, {error.sentence}."
        yield Finding("stale_state", text, line=error.line)
        return
    gradients = case.named(one, returned)
    name = another(case, gradients, alone.gradients)
    if name is not None:
        text = f"When another instance is used in between, d{name} is wrong: they share state."
        yield Finding("stale_state", text, name)
        return
    other.backward([fresh(u) for u in elsewhere.upstream])
    later = case.named(one, returned)
    changed = [n for n in case.wanted if _changed(gradients[n], later[n])]
    if changed or not all(map(same, kept, outputs)):
        what = f"d{changed[0]}" if changed else "the output"
        text = f"Another instance's call changes {what} of this one."
        yield Finding("aliasing", text)


def _changed(a: Array | None, b: Array | None) -> bool:
    return a is not None and b is not None and not same(a, b)


def results_last(case: Case, base: Outcome) -> Iterator[Finding]:
    """A result that was returned stays as it is, whatever is called later."""
    used = case.subject.copy()
    outputs = case.forward(used, [fresh(x) for x in case.inputs])
    kept = [y.copy() for y in outputs]
    returned = used.backward(case.upstream(outputs))
    gradients = [None if g is None else g.copy() for g in returned]
    after = [("output", y, k) for y, k in zip(outputs, kept)]
    for name, g, k in zip(case.names, returned, gradients):
        if g is not None and k is not None:
            after.append((f"d{name}", g, k))
    again = case.forward(used, nearby(case))
    changed = next((n for n, now, then in after if not same(now, then)), None)
    if changed is None:
        used.backward(case.upstream(again))
        changed = next((n for n, now, then in after if not same(now, then)), None)
    if changed:
        text = f"A later call changes the {changed} that was returned before."
        yield Finding("aliasing", text)
