"""What every optimizer keeps to, whatever its formula: one experiment each.

Parameters are twelve numbers, as one array W (4, 3) or as two, W1 and W2 (2, 3). A trace is their
values after each of six updates with random gradients, as rows (T, 12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.optimcheck.causes import Finding
from handgrad.optimcheck.subject import Arrays, Run, Way
from handgrad.subject.sandbox import Sandbox, SubjectError

STEPS = 6
SAVERS = (("state_dict", "load_state_dict"), ("get_state", "set_state"), ("to_dict", "from_dict"))


class Lab:
    """Fresh runs of one rule, and what was learned beside its mistakes."""

    def __init__(self, way: Way, sandbox: Sandbox, seed: int, elementwise: bool | None):
        self.way, self.sandbox, self.elementwise = way, sandbox, elementwise
        self.coupled = elementwise is False  # whether a step may depend on other entries
        self.notes: list[str] = []
        self.rng = np.random.default_rng(seed)
        self.p = self.rng.uniform(0.5, 1.5, (4, 3)) * self.rng.choice([-1, 1], (4, 3))
        self.g = self.rng.normal(size=(STEPS, 4, 3))
        self.several = way.form != "array"  # parameters in one rule

    @cached_property
    def alone(self) -> Array:
        """The trace that the others are held against."""
        return self.trace(self.g)

    @cached_property
    def random(self) -> str:
        """Where another seed leads to other steps; it is asked when no state is shared."""
        usual = self.alone
        self.sandbox.seed += 1
        other = self.trace(self.g)
        self.sandbox.seed -= 1
        return gap(other, usual)

    def start(self, arrays: Arrays) -> Run:
        return Run(self.way, arrays, self.sandbox)

    def parts(self, array: Array, names: str = "W1 W2") -> dict[str, Array]:
        """The array as the rule's parameters: two of them, where it takes several."""
        return dict(zip(names.split(), (array[:2], array[2:]))) if self.several else {"W": array}

    def turned(self, array: Array) -> dict[str, Array]:
        return dict(reversed([*self.parts(array).items()]))

    def trace(self, gradients: Array, split: Any = None, grads: Any = None, p: Any = None) -> Array:
        """split: how an array becomes parameters; grads: and how it becomes gradients."""
        split = split or self.parts
        run = self.start(split(self.p if p is None else p))
        return self.follow(run, map(grads or split, gradients))

    def follow(
        self, run: Run, gradients: Iterable[Arrays], after: Callable[..., Any] = lambda g: 0
    ) -> Array:
        """The trace of a run; `after` is called with the arrays of gradients after each update."""
        rows = []
        for g in gradients:
            own = {name: array.copy() for name, array in g.items()}
            run.step(own)
            after(own)
            rows.append(flat(run))
        return np.array(rows)


def whole(array: Array) -> dict[str, Array]:
    return {"W": array}


def flat(run: Run) -> Array:
    values = run.values()
    return np.concatenate([values[name].ravel() for name in sorted(values)])


def gap(a: Array, b: Array) -> str:
    """Where two traces first differ, with both numbers; "" where they are the same."""
    differs = ~np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
    if not differs.any():
        return ""
    t, e = np.argwhere(differs)[0]
    return f"after step {t + 1} an entry is {a[t, e]:.6g}, and should be {b[t, e]:.6g}"


def in_turns(lab: Lab) -> Array:
    one, other = lab.start(lab.parts(lab.p)), lab.start(lab.parts(lab.p))
    between = lambda g: other.step({name: 1 - 3 * array for name, array in g.items()})  # noqa: E731
    return lab.follow(one, map(lab.parts, lab.g), between)


def refilled(lab: Lab) -> Array:
    """As if the next backward wrote into the same arrays of gradients."""
    run, kept, rows = lab.start(lab.parts(lab.p)), np.empty((4, 3)), []
    for g in lab.g:
        kept[:] = g
        run.step(lab.parts(kept))
        kept[:] = 1e3
        rows.append(flat(run))
    return np.array(rows)


def afresh(lab: Lab) -> Iterator[Finding]:
    """Two instances, one after the other, on parameters of the shape that was tried first."""
    first, second = lab.trace(lab.g, whole), lab.trace(lab.g, whole)
    if found := gap(second, first):
        yield Finding("shared_state", f"With an instance used after another, {found}.")


SAME = (  # traces that have to be the plain one, and the sentence for one that is not
    ("shared_state", "With two instances used in turns", in_turns),
    ("aliased_gradient", "With gradients in arrays that are filled anew after each step", refilled),
)
REARRANGED = (
    ("counter_per_parameter", "With the same numbers as one array, not as two",
     lambda lab: lab.alone if lab.coupled else lab.trace(lab.g, whole)),
    ("order_dependent", "With the parameters in another order",
     lambda lab: lab.trace(lab.g, lab.turned)),
    ("order_dependent", "With the gradients in another order",
     lambda lab: lab.trace(lab.g, grads=lab.turned)),
)  # fmt: skip


def compared(lab: Lab, table: Any) -> Iterator[Finding]:
    for cause, sentence, trace in table:
        if found := gap(trace(lab), lab.alone):
            yield Finding(cause, f"{sentence}, {found}.")


def moves(lab: Lab) -> Iterator[Finding]:
    """Every parameter moves, and stays a finite number; the gradient stays as it is."""
    moved = (lab.alone[-1] != lab.p.ravel()).reshape(2, 6).any(axis=1)
    if not np.isfinite(lab.alone).all():
        t, e = np.argwhere(~np.isfinite(lab.alone))[0]
        yield Finding("not_finite", f"After step {t + 1} an entry is {lab.alone[t, e]}.")
    elif not moved.any():
        yield Finding("does_not_move", f"{STEPS} updates leave every parameter as it was.")
    elif not moved.all():
        yield Finding("skipped_parameter", f"Of two parameters, W{np.argmin(moved) + 1} is as it "
                      f"was after {STEPS} updates.")  # fmt: skip
    run = lab.start(lab.parts(lab.p))
    lab.follow(run, map(lab.parts, lab.g))
    if run.wrote:
        before, after = run.wrote
        yield Finding("writes_gradient", f"An entry of a gradient was {before:.6g} before the "
                      f"update, and is {after:.6g} after it.")  # fmt: skip


def apart(lab: Lab) -> Iterator[Finding]:
    """Neither other entries, nor other parameters, nor their number and order, change a step."""
    signed = np.concatenate([-lab.g[:, 1::-1], lab.g[:, 2:]], axis=1)  # of the same norm
    other = np.concatenate([3 * lab.g[:, 2:], lab.g[:, 2:]], axis=1)
    for split in (lab.parts, whole):
        right = lab.trace(lab.g, split)[:, 6:]
        if not (found := gap(lab.trace(other, split)[:, 6:], right)):
            continue
        by_norm = not gap(lab.trace(signed, split)[:, 6:], right)
        if lab.elementwise or (split != whole and lab.several and not by_norm):
            yield Finding("shared_state", f"With other gradients elsewhere, {found}.")
        if lab.elementwise is None and not lab.coupled:
            lab.notes.append("a step depends on other entries; if meant, say elementwise=False")
        lab.coupled = True
    if lab.several:
        yield from compared(lab, REARRANGED)
    if lab.way.form == "dict" and gap(lab.trace(lab.g, lambda a: lab.parts(a, "a z")), lab.alone):
        lab.notes.append("the steps depend on the names of the parameters")


def at_rest(lab: Lab) -> Iterator[Finding]:
    """At p = 0, no gradient moves nothing, and the first gradient moves against itself."""
    still = lab.trace(0 * lab.g, p=0 * lab.p)[-1]
    if not np.isfinite(still).all():
        yield Finding("not_finite", f"A gradient of 0 makes a parameter {still[0]}.")
    elif still.any():
        yield Finding("moves_without_gradient", f"With a gradient of 0, a parameter goes from 0 to "
                      f"{still[np.argmax(abs(still))]:.6g} in {STEPS} updates.")  # fmt: skip
    step, g = lab.trace(lab.g[:1], p=0 * lab.p)[0], lab.g[0].ravel()
    if step @ g > 0 if lab.coupled else (step * g > 0).any():
        e = int(np.argmax(step * g))
        yield Finding("wrong_sign", f"Where the gradient is {g[e]:.6g}, the first step is "
                      f"{step[e]:+.6g}: up the loss.")  # fmt: skip


def kinds(lab: Lab) -> Iterator[Finding]:
    """A dtype stays a dtype, also for arrays of several shapes."""
    shapes = {"W": (2, 3), "b": (3,), "c": (1, 3)} if lab.several else {"W": (1, 3)}
    for dtype in (np.float32, np.float64):
        try:
            run = lab.start({name: np.ones(shape, dtype) for name, shape in shapes.items()})
            for _ in range(3):
                run.step({name: np.full(shape, 0.1, dtype) for name, shape in shapes.items()})
        except SubjectError as error:
            if not error.refused:
                raise
            lab.notes.append(f"with parameters {[*shapes.values()]}, {error.sentence}")
            return
        for value in run.values().values():
            if value.dtype != dtype:
                yield Finding("dtype", f"{np.dtype(dtype)} parameters become {value.dtype}.")


def absent(lab: Lab) -> Iterator[Finding]:
    """A parameter without a gradient is left alone or refused, and disturbs no other."""
    if not lab.several:
        return
    run = lab.start(lab.parts(lab.p))
    for t, g in enumerate(lab.g):
        try:
            run.step({**lab.parts(g), **({"W1": None} if t in (0, 3) else {})})
        except SubjectError as error:
            if t not in (0, 3):
                yield Finding("missing_gradient", "One step after W1 had no gradient, "
                              f"{error.sentence}.")  # fmt: skip
            elif not error.refused:
                lab.notes.append(f"if a parameter has no gradient, {error.sentence}")
            return
    if not np.isfinite(flat(run)).all():
        yield Finding("missing_gradient", f"Once W1 has no gradient, it becomes {flat(run)[0]}.")
    elif not lab.coupled and (found := gap(flat(run)[None, 6:], lab.alone[-1:, 6:])):
        yield Finding("missing_gradient", f"Because W1 had no gradient twice, in W2 {found}.")


def saved(lab: Lab) -> Iterator[Finding]:
    """A new rule with the saved state goes on as the old one would have."""
    run, half = lab.start(lab.parts(lab.p)), STEPS // 2
    names = next((n for n in SAVERS if all(callable(getattr(run.rule, x, None)) for x in n)), None)
    if names is None:
        lab.notes.append("it has no state_dict and load_state_dict: its state cannot be saved")
        return
    lab.follow(run, map(lab.parts, lab.g[:half]))
    later = lab.start(run.values())
    state = lab.sandbox.call(names[0], getattr(run.rule, names[0]))
    new = lab.sandbox.call(names[1], getattr(later.rule, names[1]), state)
    later.rule = new if isinstance(new, type(later.rule)) else later.rule  # a class method
    if found := gap(lab.follow(later, map(lab.parts, lab.g[half:])), lab.alone[half:]):
        yield Finding("lost_state", f"Saved and loaded into a new optimizer after step {half}, "
                      f"{found}.".replace("step 1", f"step {half + 1}"))  # fmt: skip


def descends(lab: Lab) -> Iterator[Finding]:
    """½ Σ cᵢ pᵢ², with 1/c and distance in the rule's own steps, falls in 120 of them."""
    far = 20 * abs(lab.trace(np.ones((6, 4, 3)), p=0 * lab.p)[-1]).mean() / 6
    start, c = far * np.sign(lab.p), np.linspace(0.3, 1, 12) / far
    run, losses = lab.start(lab.parts(start)), [1.0]
    while len(losses) <= 120 and losses[-1] < 1e3:
        run.step(lab.parts((c * flat(run)).reshape(4, 3)))
        losses.append(float((c * flat(run) ** 2).sum() / c.sum() / far**2))
    if not np.mean(losses[-20:]) < 0.5:
        yield Finding("does_not_converge", f"A quadratic, begun 20 steps from its minimum, is at "
                      f"{losses[-1]:.3g} of its first value after {len(losses) - 1}.")  # fmt: skip


EXPERIMENTS: tuple[Callable[[Lab], Iterator[Finding]], ...] = (
    afresh, lambda lab: compared(lab, SAME), moves, apart, at_rest, kinds, absent, saved,
)  # fmt: skip
