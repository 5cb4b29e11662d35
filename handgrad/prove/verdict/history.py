"""What was called before may not change what a call gives now.

Every history ends in one forward and one backward, whose gradients are held against those of a
fresh instance; where forward itself gives something else, as a layer with a state does, against
differences from that state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import length, nearby, resized, shuffled
from handgrad.prove.verdict.trial import Case, Outcome, Run, close, fresh, same
from handgrad.prove.verdict.values import equal_values
from handgrad.subject.adapt import Pair, Subject
from handgrad.subject.copying import duplicate
from handgrad.subject.making import sibling
from handgrad.subject.parameters import attributes, owners, reach
from handgrad.subject.sandbox import SubjectError


@dataclass
class History:
    """What an instance has been through, the inputs of its last call, what comes before backward.

    `past` returns the call before, where that was a complete one.
    """

    what: str
    inputs: list[Any]
    past: Callable[[Subject, Run], Run | None] = lambda used, alone: None
    between: Callable[[Subject, Run], Any] | None = None
    alone: Subject | None = None  # what a fresh instance is, where it is no copy, ...
    used: Subject | None = None  # ... and the one that is used
    own: bool = False  # whether the very arrays are handed over, not copies of them
    cause: str = "stale_state"
    optional: bool = False  # whether a failure is a refusal
    seed: int = 1
    parts: tuple[History, ...] = ()  # of which it is made: the one that shows the mistake is told


def histories(case: Case, base: Outcome) -> Iterator[Finding]:
    """The first mistake that each kind of history shows."""
    wrong = {mismatch.name for mismatch in base.mismatches}  # in the first call too
    known = {id(case.inputs): (case.inputs, base.run)}  # runs of fresh instances
    for kind in (_backward_alone, _in_turn, _same_arrays, _instances):
        for history in kind(case):
            finding = _held_against(case, history, wrong, known)
            if finding is not None:
                alone = (_held_against(case, part, wrong, known) for part in history.parts)
                yield next((f for f in alone if f is not None), finding)
                break


def _in_turn(case: Case) -> Iterator[History]:
    """Two full calls on one instance; and two forwards before the backward."""

    def whole(used: Subject, alone: Run) -> Run:
        return case.run(start=used, keep=True)

    def half(used: Subject, alone: Run) -> None:
        case.forward(used, [fresh(x) for x in case.inputs])

    def both(used: Subject, alone: Run) -> None:
        whole(used, alone)
        half(used, alone)

    for inputs in _second_batches(case):
        parts = (History("the second call", inputs, whole),
                 History("backward, after two forwards,", inputs, half))  # fmt: skip
        yield History("a later call", inputs, both, parts=parts)


def _second_batches(case: Case) -> Iterator[list[Any]]:
    yield from (shuffled(case, case.rng), nearby(case))
    for axis in () if keeps_state(case) else (0, 1):  # the batch, and the steps of time
        for other in (length(case, axis) + 1, max(length(case, axis) - 1, 1)):
            inputs = resized(case, axis, other, case.rng)
            if inputs is not None:
                yield inputs


def keeps_state(case: Case) -> bool:
    """Whether the same input gives another output a later time, as in a stateful layer.

    A few draws may be equal by chance.
    """
    used = case.subject.copy()
    first = [y.copy() for y in case.forward(used, [fresh(x) for x in case.inputs])]
    later = (case.forward(used, [fresh(x) for x in case.inputs]) for _ in range(5))
    return any(not all(map(close, first, again)) for again in later)


def _same_arrays(case: Case) -> Iterator[History]:
    """The very arrays of the last call, with other numbers in them."""
    given = nearby(case, 31)

    def past(used: Subject, alone: Run) -> None:
        arrays = [x for x in (*given, *alone.upstream) if isinstance(x, np.ndarray)]
        now = [x.copy() for x in arrays]
        for x, then in zip(given, case.inputs):
            if isinstance(x, np.ndarray):
                x[...] = then
        for u in alone.upstream:
            u *= 0.8
        case.forward(used, given)
        used.backward(alone.upstream)
        for x, then in zip(arrays, now):
            x[...] = then

    what = "a call with the same arrays, and other numbers in them,"
    yield History(what, given, past, own=True, optional=True)


def _backward_alone(case: Case) -> Iterator[History]:
    """backward after all generators have moved on; and a second one for the same forward."""

    def twice(used: Subject, alone: Run) -> None:
        used.backward([fresh(u) for u in alone.upstream])

    for seed in range(2, 6):
        yield History("backward, called again from the same state,", case.inputs,
                      between=lambda used, _: move_on(used), cause="nondeterministic",
                      seed=seed)  # fmt: skip
    equal = equal_values(case)
    yield History("backward, called again where all values are equal,", equal,
                  between=lambda used, _: move_on(used), cause="nondeterministic",
                  seed=6)  # fmt: skip
    what = "a second backward for the same forward"
    yield History(what, case.inputs, between=twice, optional=True)


def move_on(subject: Subject) -> None:
    """Draw from every generator that a subject can reach."""
    for generator in subject.outside.generators(subject.thing):
        generator.random(7) if isinstance(generator, np.random.Generator) else generator.random()


def _instances(case: Case) -> Iterator[History]:
    """Two instances used in turn do not disturb each other."""
    for one, other in instances(case):
        for inputs in (shuffled(case, case.rng), resized(case, 0, length(case) + 2, case.rng)):
            if inputs is not None:
                pair = duplicate([one.thing, other.thing])  # in one: what they share stays so
                use = partial(_use, case, other.around(pair[1]), inputs)
                yield History("backward, after another instance was used,", case.inputs,
                              between=use, alone=one, used=one.around(pair[0]))  # fmt: skip


def _use(case: Case, other: Subject, inputs: list[Any], *_: Any) -> None:
    with suppress(SubjectError):  # it need not take these inputs
        case.forward(other, inputs)


def instances(case: Case) -> Iterator[tuple[Subject, Subject]]:
    """Pairs of instances: two copies, and two that the constructor makes."""
    if isinstance(case.subject.thing, Pair) or case.subject.outside.made_by_factory:
        return
    yield case.subject.copy(), case.subject.copy()
    one, other = sibling(case.subject), sibling(case.subject)
    if one is None or other is None:
        return
    if all(one.get(n).dtype.kind == "f" for n in one.parameters):  # else they are still to be made
        yield one, other


def _held_against(
    case: Case, history: History, wrong: set[str], known: dict[int, tuple[list[Any], Run]]
) -> Finding | None:
    """The finding when an instance with a past gives other gradients than a fresh one."""
    inputs, what = history.inputs, history.what
    try:
        if history.alone is None and id(inputs) not in known:
            known[id(inputs)] = inputs, case.run(inputs)
        alone = case.run(inputs, start=history.alone) if history.alone else known[id(inputs)][1]
        if history.own:  # the same past, and other arrays
            other = case.subject.copy()
            case.run(upstream=[0.8 * u for u in alone.upstream], start=other, keep=True)
            alone = case.run(inputs, alone.upstream, other, keep=True)
        used = history.used or case.subject.copy()
        first = history.past(used, alone)
    except SubjectError:  # it does not take these inputs
        return None
    state, kept = used.around(duplicate(used.thing)), dict[str, tuple[Array, Array]]()

    def between(subject: Subject) -> None:
        kept.update(_kept(subject.thing))
        if history.between is not None:
            history.between(subject, alone)

    try:
        after = case.run(inputs, alone.upstream, used, keep=True, between=between,
                         seed=history.seed, copies=not history.own)  # fmt: skip
    except SubjectError as error:
        if error.refused or history.optional:
            return None
        return Finding(history.cause, f"{error.sentence}, in {what} though not alone.",
                       line=error.line)  # fmt: skip
    if not all(map(close, after.outputs, alone.outputs)):
        if history.own:
            text = f"In {what} forward gives another result than for other arrays."
            return Finding("stale_state", text)
        return _stateful(case, state, after, alone, what, wrong)
    tolerance = 1e-9 if history.cause == "nondeterministic" else 1e-7
    for name in case.wanted:
        a, b = after.gradients[name], alone.gradients[name]
        if a is None and b is not None:
            return Finding("stale_state", f"In {what} d{name} is missing.", name)
        if a is not None and b is not None and not close(a, b, tolerance):
            return _named(case, name, a, b, history, first, kept)
    return None


def _named(
    case: Case, name: str, after: Array, alone: Array, history: History, first: Run | None,
    kept: dict[str, tuple[Array, Array]],
) -> Finding:  # fmt: skip
    """What another gradient is: the sum with the last one, the last one, or just another."""
    what = history.what
    before = first.gradients[name] if first else alone if history.optional else None
    if before is not None and before.shape == after.shape == alone.shape:
        learned = name in case.subject.parameters or first is not None
        if learned and close(after, alone + before, 1e-7):
            text = f"In {what} d{name} is the sum of this gradient and the last one."
            return Finding("accumulates", text, name)
        if first is not None and close(after, before, 1e-7):
            text = f"In {what} d{name} is still that of the first."
            return Finding("stale_state", text, name)
    written = [n for n, (v, then) in kept.items() if not same(v, then)]
    text = f"In {what} d{name} is another than in a fresh instance with the same inputs."
    if history.between is not None and history.optional and written:
        text += f" The first backward wrote into {written[0]}, which forward had kept."
        return Finding("aliasing", text, name)
    return Finding(history.cause, text, name)


def _kept(thing: Any) -> dict[str, tuple[Array, Array]]:
    """Arrays that an object keeps, other than gradients, by name, with copies."""
    held = [(n, v) for owner in owners(thing) for n, v in attributes(owner).items()]
    held += [(n, w) for n, v in held if isinstance(v, list | tuple) for w in v]
    return {n: (v, v.copy()) for n, v in held
            if isinstance(v, np.ndarray) and not n.startswith(("d", "grad"))}  # fmt: skip


def _stateful(
    case: Case, state: Subject, after: Run, alone: Run, what: str, wrong: set[str]
) -> Finding | None:
    """It keeps a state: the differences are asked; a loss has none, and depends on this batch."""
    outcome = case.verify(after.inputs, state, after)
    for m in outcome.mismatches if outcome is not None else ():
        if m.name not in wrong:
            text = f"In {what} d{m.name} does not fit what forward computes."
            return Finding("stale_state", text, m.name, m.where())
    loss = all(y.size == 1 for y in alone.outputs)
    if not loss or case.subject.parameters or keeps_state(case):
        return None
    then, now = (float(run.outputs[0].reshape(-1)[0]) for run in (alone, after))
    text = f"After another batch the loss is {now:.6g}, and {then:.6g} without: something was kept."
    return Finding("stale_state", text)


def new_parameters(case: Case, base: Outcome) -> Iterator[Finding]:
    """Parameters that change, as in training, or that another array is assigned to.

    One that forward then does not follow is there to be changed in place.
    """
    for change in (_put, _assigned) if case.subject.parameters and not base.mismatches else ():
        for early in (True, False) if change is _assigned else (False,):
            used = case.subject.copy()
            if not early:
                case.run(start=used, keep=True)
            if not all(change(used, k, name) for k, name in enumerate(used.parameters)):
                break
            state = used.around(duplicate(used.thing))
            outcome = case.verify(start=state, run=case.run(start=used, keep=True))
            wrong = outcome.mismatches if outcome is not None else []
            for m in [m for m in wrong if m.name in case.names or np.any(m.numeric)]:
                if change is _put and _wrong_at_once(case, m.name):
                    return
                text = f"After the parameters have changed d{m.name} is wrong: old ones are in use."
                yield Finding("stale_state", text, m.name, m.where())
                return


def _wrong_at_once(case: Case, wrong: str) -> bool:
    """Whether a new instance whose parameters are changed in place is wrong there too, which keeps
    no other array that could be of the old ones."""
    new = case.subject.copy()
    parameters = [id(new.get(name)) for name in new.parameters]
    arrays = [v for v, _ in _kept(new.thing).values()]
    for name, held in (item for owner in owners(new.thing) for item in attributes(owner).items()):
        if isinstance(held, dict) and not name.startswith(("d", "grad")):
            arrays += held.values()
    if any(isinstance(v, np.ndarray) and id(v) not in parameters for v in arrays):
        return False
    for k, name in enumerate(new.parameters):
        _put(new, k, name)
    outcome = case.verify(start=new)
    return outcome is not None and any(m.name == wrong for m in outcome.mismatches)


def _put(used: Subject, k: int, name: str) -> bool:
    used.put(name, used.get(name) * (1.1 + 0.05 * k) + 0.01)
    return True


def _assigned(used: Subject, k: int, name: str) -> bool:
    """Whether another array could be assigned."""
    path = used.parameters[name].path
    owner, (kind, key) = reach(used.thing, path[:-1]), path[-1]
    value = reach(used.thing, path) * (1.1 + 0.05 * k) + 0.01
    if not np.ndim(value) or type(owner).__module__.startswith("handgrad."):
        return False
    try:
        setattr(owner, key, value) if kind == "." else owner.__setitem__(key, value)
    except AttributeError:  # it may not be assigned to
        return False
    return True
