"""What every optimizer keeps to, whatever its formula: one experiment each.

Parameters are twelve numbers, as one array W (4, 3) or as two, W1 and W2 (2, 3). A trace is their
values after each of some updates with random gradients, as rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.optimizer.causes import Finding
from handgrad.prove.optimizer.subject import Run, Way
from handgrad.prove.sandbox import Sandbox, SubjectError

STEPS = 6
SAVERS = (("state_dict", "load_state_dict"), ("get_state", "set_state"), ("to_dict", "from_dict"),
          ("save_state", "load_state"), ("get_weights", "set_weights"))  # fmt: skip


class Lab:
    """Runs of one rule, and what was learned beside its mistakes."""

    def __init__(self, way: Way, sandbox: Sandbox, seed: int, elementwise: bool | None):
        self.way, self.sandbox, self.elementwise = way, sandbox, elementwise
        self.coupled = elementwise is False
        self.notes: list[str] = []
        self.rng = np.random.default_rng(seed)
        self.p = self.rng.uniform(0.5, 1.5, (4, 3)) * self.rng.choice([-1, 1], (4, 3))
        self.g = self.rng.normal(size=(STEPS, 4, 3))
        self.several = way.form != "array"  # parameters in one rule
        self.alone = self.trace(self.g)

    def start(self, arrays: Mapping[str, Array]) -> Run:
        return Run(self.way, arrays, self.sandbox)

    def parts(self, array: Array, names: str = "W1 W2") -> dict[str, Array]:
        """The array as the rule's parameters: two of them, where it takes several."""
        return dict(zip(names.split(), (array[:2], array[2:]))) if self.several else {"W": array}

    def turned(self, array: Array) -> dict[str, Array]:
        return dict(reversed([*self.parts(array).items()]))

    def trace(self, gradients: Array, split: Any = None, grads: Any = None, p: Any = None) -> Array:
        """The parameters (T, 12) after each update; split: how an array becomes parameters."""
        split = split or self.parts
        run = self.start(split(self.p if p is None else p))
        return self.follow(run, map(grads or split, gradients))

    def follow(self, run: Run, gradients: Iterable[dict[str, Array]]) -> Array:
        rows = []
        for g in gradients:
            run.step({name: array.copy() for name, array in g.items()})
            rows.append(flat(run))
        return np.array(rows)


def flat(run: Run) -> Array:
    values = run.values()
    return np.concatenate([values[name].ravel() for name in sorted(values)])


def gap(a: Array, b: Array) -> str:
    """Where two traces first differ, with both numbers; "" where they are the same."""
    differs = ~np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
    if not differs.any():
        return ""
    t, e = np.argwhere(differs)[0]
    return f"after step {t + 1}, number {e + 1} of {a.shape[1]} is {a[t, e]:.6g} instead of {b[t, e]:.6g}"


def instances(lab: Lab) -> Iterator[Finding]:
    """A fresh rule begins anew, and two of them that are used in turns do not meet."""
    one, other = lab.start(lab.parts(lab.p)), lab.start(lab.parts(lab.p))
    rows = []
    for g in lab.g:
        one.step(lab.parts(g.copy()))
        rows.append(flat(one))
        other.step(lab.parts(1 - 3 * g))
    for how, trace in (("after", lab.trace(lab.g)), ("in turns with", np.array(rows))):
        if found := gap(trace, lab.alone):
            yield Finding("shared_state", f"An instance used {how} another is not alone: {found}.")


def moves(lab: Lab) -> Iterator[Finding]:
    """Every parameter moves, and stays a finite number."""
    trace = lab.alone
    moved = (trace[-1] != lab.p.ravel()).reshape(2, 6).any(axis=1)
    if not np.isfinite(trace).all():
        t, e = np.argwhere(~np.isfinite(trace))[0]
        yield Finding("not_finite", f"After step {t + 1}, number {e + 1} is {trace[t, e]}.")
    elif not moved.any():
        yield Finding("does_not_move", f"After {STEPS} updates with gradients around 1, every "
                      f"parameter is as it was.")  # fmt: skip
    elif not moved.all():
        name = [*lab.parts(lab.p)][int(np.argmin(moved))]
        yield Finding(
            "skipped_parameter", f"Of W1 and W2, {name} is as it was after {STEPS} updates."
        )


def gradients(lab: Lab) -> Iterator[Finding]:
    """A gradient is neither written into nor kept: its array is the next backward's."""
    run, kept, rows = lab.start(lab.parts(lab.p)), np.empty((4, 3)), []
    for g in lab.g:
        kept[:] = g
        run.step(lab.parts(kept))
        if run.wrote:
            e = np.argmax(kept != g)
            yield Finding("writes_gradient", f"An entry of the gradient of {run.wrote} was {g.flat[e]:.6g} "
                          f"before the update, and is {kept.flat[e]:.6g} after it.")  # fmt: skip
            return
        kept[:] = 1e3
        rows.append(flat(run))
    if found := gap(np.array(rows), lab.alone):
        yield Finding("aliased_gradient", f"Where the arrays of gradients are filled anew after "
                      f"each update, {found}.")  # fmt: skip


def kinds(lab: Lab) -> Iterator[Finding]:
    """float32 stays float32, and a shape a shape, for arrays of several shapes."""
    run = lab.start(lab.parts(lab.p.astype(np.float32)))
    for g in lab.g[:3]:
        run.step(lab.parts(g.astype(np.float32)))
    for name, value in run.values().items():
        if value.dtype != np.float32:
            yield Finding("dtype", f"{name} was float32, and is {value.dtype} after {3} updates.")
    shapes = {"W": (2, 3), "b": (3,), "c": (1, 3)} if lab.several else {"W": (1, 3)}
    run = lab.start({name: np.ones(shape) for name, shape in shapes.items()})
    for _ in range(2):
        run.step({name: np.full(shape, 0.1) for name, shape in shapes.items()})
    for name, value in run.values().items():
        if value.shape != shapes[name]:
            yield Finding(
                "shape", f"{name} was {shapes[name]}, and is {value.shape} after 2 updates."
            )


def at_rest(lab: Lab) -> Iterator[Finding]:
    """At p = 0, no gradient moves nothing, and the first gradient moves against itself."""
    still = lab.trace(0 * lab.g, p=0 * lab.p)
    if not np.isfinite(still).all():
        yield Finding("not_finite", f"A gradient of 0 makes the parameter {still[-1, 0]}.")
    elif still.any():
        yield Finding("moves_without_gradient", f"With a gradient of 0, a parameter at 0 moves to "
                      f"{still[-1, np.argmax(abs(still[-1]))]:.6g} in {STEPS} updates.")  # fmt: skip
    step, g = lab.trace(lab.g[:1], p=0 * lab.p)[0], lab.g[0].ravel()
    if step @ g > 0 if lab.coupled else (step * g > 0).any():
        e = int(np.argmax(step * g))
        yield Finding("wrong_sign", f"Where the gradient is {g[e]:.6g}, the first step is "
                      f"{step[e]:+.6g}: up the loss.")  # fmt: skip


def apart(lab: Lab) -> Iterator[Finding]:
    """Neither other entries, nor other parameters, nor their number and order, change a step."""
    signed = np.concatenate([-lab.g[:, 1::-1], lab.g[:, 2:]], axis=1)  # of the same norm
    other = np.concatenate([3 * lab.g[:, 2:], lab.g[:, 2:]], axis=1)
    for split in (lab.parts, _whole):
        right = lab.trace(lab.g, split)[:, 6:]
        if not (found := gap(lab.trace(other, split)[:, 6:], right)):
            continue
        if split != _whole and lab.several and gap(lab.trace(signed, split)[:, 6:], right):
            yield Finding("shared_state", f"With other gradients of W1, W2 changes: {found}.")
        lab.coupled = True
    if lab.coupled and lab.elementwise is None:
        lab.notes.append("an entry's step depends on other entries, as if by their norm; if this is "
                         "meant, say elementwise=False")  # fmt: skip
    if not lab.several:
        return
    if not lab.coupled and (found := gap(lab.alone, lab.trace(lab.g, _whole))):
        yield Finding("counter_per_parameter", f"As two arrays, equal parameters with equal "
                      f"gradients are treated otherwise than as one: {found}.")  # fmt: skip
    if found := gap(lab.trace(lab.g, lab.turned), lab.alone):
        yield Finding("order_dependent", f"With the parameters in another order, {found}.")
    if lab.way.form == "dict":
        if found := gap(lab.trace(lab.g, grads=lab.turned), lab.alone):
            yield Finding("order_dependent", f"With the gradients in another order, {found}.")
        if gap(lab.trace(lab.g, lambda a: lab.parts(a, "a z")), lab.alone):
            lab.notes.append("the steps depend on the names of the parameters")


def _whole(array: Array) -> dict[str, Array]:
    return {"W": array}


def absent(lab: Lab) -> Iterator[Finding]:
    """A parameter without a gradient is left alone or refused, and disturbs no other."""
    if not lab.several:
        return
    run, without = lab.start(lab.parts(lab.p)), {"W1": None}
    for t, g in enumerate(lab.g):
        try:
            run.step(lab.parts(g) | (without if t in (0, 3) else {}))
        except SubjectError as error:
            if t not in (0, 3):
                yield Finding("missing_gradient", f"After an update in which W1 had no gradient, "
                              f"{error.sentence}.")  # fmt: skip
            elif not isinstance(error.__cause__, ValueError):
                lab.notes.append(f"if a parameter has no gradient, {error.sentence}")
            return
    if not np.isfinite(flat(run)).all():
        yield Finding("missing_gradient", f"Once W1 has no gradient, it becomes {flat(run)[0]}.")
    elif not lab.coupled and (found := gap(flat(run)[None, 6:], lab.alone[-1:, 6:])):
        yield Finding("missing_gradient", f"Because W1 had no gradient twice, W2 changes: {found}.")


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
        yield Finding("lost_state", f"Saved after {half} steps and loaded into a new optimizer, "
                      f"it goes on differently: {found}.")  # fmt: skip


EXPERIMENTS = (instances, moves, gradients, apart, at_rest, kinds, absent, saved)
