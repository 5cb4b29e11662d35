"""Trials: forward and backward on a copy, with everything watched that may not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.compare import Mismatch, bisect, compare, probe, widen
from handgrad.prove.measure.effort import effort_of
from handgrad.prove.measure.point import Part, Point, differentiate
from handgrad.prove.verdict.evidence import Finding
from handgrad.subject.adapt import Subject
from handgrad.subject.sandbox import SubjectError
from handgrad.subject.upstream import signed


@dataclass
class Run:
    """One forward and one backward, and what came out."""

    inputs: list[Any]
    outputs: list[Array]
    upstream: list[Array]
    gradients: dict[str, Array | None]
    writes: list[Finding] = field(default_factory=list)
    declared: int = 0  # how many gradients backward returned as a tuple or list

    @property
    def flat_upstream(self) -> Array:
        return np.concatenate([np.asarray(u, dtype=np.float64).reshape(-1) for u in self.upstream])

    def finite(self) -> bool:
        return all(np.isfinite(y).all() for y in self.outputs)


@dataclass
class Outcome:
    """A trial held against numerical differentiation."""

    run: Run
    mismatches: list[Mismatch] = field(default_factory=list)
    point: Point | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    nearest: dict[str, Array] = field(default_factory=dict)  # right values, or subgradients
    judged: bool = True
    case: Any = None  # whose trial it is


class Case:
    """A subject with inputs: everything that experiments need to try it out."""

    def __init__(self, subject: Subject, inputs: Sequence[Any], seed: int = 0):
        self.subject, self.inputs, self.seed = subject, list(inputs), seed
        names = subject.input_names[: len(self.inputs)]
        self.names = names + [f"x{i}" for i in range(len(names), len(self.inputs))]
        self.rng = np.random.default_rng(seed)
        self.wanted: list[str] = []  # arguments that have a gradient
        self.original = subject  # before it was cast to float64, ...
        self.given = self.inputs  # ... and what it was given
        self.large = False  # too large to be copied often
        self.tied: set[int] | None = None  # indices of the inputs that share the batch
        self.casts: dict[Any, Subject] = {}  # the subject in other precisions
        self.dtype: Any = np.float64  # of upstream gradients
        self.worker: Subject | None = None  # a copy whose calls leave no trace
        self.writes: list[Finding] = []  # seen in any run
        self.tried: dict[str, dict[tuple[int, ...], None]] = {}  # shapes that were right
        self.limits: list[str] = []  # kinds of input that were not given and are not served
        self.reason = ""  # why nothing can be told

    def shape(self, name: str, inputs: Sequence[Any]) -> tuple[int, ...]:
        """The shape of an argument, among these inputs."""
        held = inputs[self.names.index(name)] if name in self.names else self.subject.get(name)
        return np.shape(held)

    def tried_at(self) -> str:
        """Where the gradients were right, for people: shapes of the inputs, and precisions."""
        parts = []
        for name, shapes in self.tried.items():
            order = list({len(s): s for s in reversed(shapes)}.values())[::-1]
            first = ", ".join(map(str, [*order, *(s for s in shapes if s not in order)][:5]))
            more = f" and {len(shapes) - 5} more" if len(shapes) > 5 else ""
            parts.append(f"{name} {first}{more}")
        kinds = dict.fromkeys(map(np.dtype, (self.dtype, *self.casts)))
        text = f"tried: {'; '.join(parts)}; {', '.join(k.name for k in kinds if k.itemsize <= 8)}"
        if all(len(shape) < 2 for shapes in self.tried.values() for shape in shapes):
            text += "; no matrix, for none was given and forward takes none: give one"
        return text

    def upstream(self, outputs: Sequence[Array]) -> list[Array]:
        """Random upstream gradients, of both signs, away from zero."""
        if self.subject.upstream_count(1) == 0:  # a loss whose backward takes nothing
            return [np.ones(np.shape(y)) for y in outputs]
        return [signed(self.rng, np.shape(y)) for y in outputs]

    def measure(self) -> None:
        """Find the effort of one call, from one forward like those before."""
        subject = self.subject.copy()
        arrays = [*self.inputs, *(subject.get(n) for n in subject.parameters)]
        call = partial(self.forward, subject, [fresh(x) for x in self.inputs])
        with suppress(SubjectError):  # it is met again, and told, where it matters
            subject.sandbox.effort = effort_of(call, arrays)

    def forward(self, subject: Subject, inputs: Sequence[Any]) -> list[Array]:
        """Outputs that have an upstream gradient."""
        outputs = subject.forward(inputs)
        return outputs[: max(subject.upstream_count(len(outputs)), 1)]

    def run(
        self,
        inputs: Sequence[Any] | None = None,
        upstream: Sequence[Array] | None = None,
        start: Subject | None = None,
        *,
        keep: bool = False,
        seed: int = 1,
        between: Callable[[Subject], None] | None = None,
        copies: bool = True,
        dtype: Any = None,
    ) -> Run:
        """forward and backward on a copy of `start`, or on itself with `keep`.

        dtype: of upstream gradients that are not given; the case's own at first.
        """
        given = self.inputs if inputs is None else inputs
        given = [fresh(x) for x in given] if copies else list(given)
        subject = start if keep and start is not None else (start or self.subject).copy()
        before = [fresh(x) for x in given]
        held = {n: subject.get(n).copy() for n in subject.parameters}
        raw = self.forward(subject, given)
        outputs = [y.copy() for y in raw]
        writes = self._written("forward", given, before, subject, held)
        if upstream is None:
            upstream = [u.astype(dtype or self.dtype) for u in self.upstream(outputs)]
        dout = [fresh(u) for u in upstream] if copies else list(upstream)
        if between is not None:
            between(subject)
        returned = subject.backward(dout, seed=seed)
        writes += self._written("backward", given, before, subject, held)
        if not all(map(same, dout, upstream)):
            writes.append(dout_written())
        if not all(map(same, outputs, raw)):
            text = "backward changes the output that forward had returned."
            writes.append(Finding("aliasing", text))
        self.writes += writes
        gradients = self.named(subject, returned)
        return Run(before, outputs, list(upstream), gradients, writes, subject.declared)

    def named(
        self, subject: Subject, returned: list[Array | None], copies: bool = True
    ) -> dict[str, Array | None]:
        """The gradients, or copies of them, by the name of their argument."""
        found: dict[str, Array | None] = dict.fromkeys(self.names)
        found.update(zip(self.names, returned))
        unset = [n for n, p in subject.parameters.items() if p.gradient is None]
        extra = returned[len(self.names) :]
        by_hand = dict(zip(unset, extra)) if len(extra) == len(unset) else {}
        for name in subject.parameters:
            found[name] = by_hand[name] if name in by_hand else subject.gradient(name)
        for name in self.names:  # a gradient that is left on the object instead of returned
            if found[name] is None and name not in subject.parameters:
                left = getattr(subject.thing, f"d{name}", None)
                if isinstance(left, np.ndarray) and left.dtype.kind == "f":
                    found[name] = left
        if not copies:
            return found
        return {n: None if g is None else np.array(g) for n, g in found.items()}

    def _written(self, phase, given, before, subject: Subject, held) -> list[Finding]:
        found = []
        for name, now, then in zip(self.names, given, before):
            if isinstance(then, np.ndarray) and not same(now, then):
                text = f"{phase} writes into its input {name}."
                found.append(Finding("inplace_input", text, name))
                now[...] = then
        for name, then in held.items():
            now = subject.get(name)
            if now.shape == then.shape and not same(now, then):  # of another shape: made anew
                sentence = f"{phase} changes the parameter {name}."
                found.append(Finding("inplace_input", sentence, name))
                held[name] = now.copy()
        return found

    def verify(
        self,
        inputs: Sequence[Any] | None = None,
        start: Subject | None = None,
        run: Run | None = None,
        effort: float = 0.0,
    ) -> Outcome | None:
        """A run held against differentiation from the same start.

        None where the question does not arise: forward raises or is not finite. With `effort`
        every argument is differentiated at once, else only where a random direction disagrees.
        """
        start = start or self.subject
        inputs = self.inputs if inputs is None else list(inputs)
        try:
            run = run or self.run(inputs, start=start)
        except SubjectError as error:
            if error.phase == "backward" and self._is_finite(start, inputs):
                raise
            return None
        if not run.finite():
            return None
        outcome = Outcome(run, case=self)
        try:
            self._differentiate(outcome, start, inputs, effort)
        except SubjectError:  # forward fails in the neighbourhood
            return None
        if not outcome.mismatches:
            for name, x in zip(self.names, inputs):
                self.tried.setdefault(name, {})[np.shape(x)] = None
        return outcome

    def _is_finite(self, start: Subject, inputs: Sequence[Any]) -> bool:
        outputs = self.forward(start.copy(), [fresh(x) for x in inputs])
        return all(np.isfinite(y).all() for y in outputs)

    def _differentiate(self, outcome: Outcome, start: Subject, inputs, effort: float) -> None:
        run = outcome.run
        worker = self.worker if start is self.subject else None
        point = outcome.point = Point(
            start, self.names, inputs, len(run.upstream), worker, run.outputs
        )
        wanted: dict[str, Array] = {}
        for name in self.wanted:
            gradient = run.gradients[name]
            shape = point.value(name).shape
            if gradient is None:
                gradient = np.zeros(shape)
            if gradient.shape != shape and not (gradient.size == 1 and not shape):
                none = np.empty(0)
                outcome.mismatches.append(Mismatch(name, shape, gradient, None, none, none))
            else:
                wanted[name] = gradient.reshape(shape).astype(np.float64)
        flat = run.flat_upstream
        if not effort and (not wanted or probe(point, flat, wanted, self.rng)):
            return
        if not effort and len(wanted) > 1:  # which of them disagree
            wanted = {n: g for n, g in wanted.items() if not probe(point, flat, {n: g}, self.rng)}
        top = max((float(abs(g).max(initial=0)) for g in wanted.values()), default=0.0)
        looks = 24 if effort else 8
        for name, gradient in wanted.items():
            part = differentiate(point, name, effort or 5e4, self.rng, (flat, gradient))
            mismatch, judged = compare(point, part, flat, gradient, top, looks)
            if not mismatch.bad.any() and len(part.index) < gradient.size:
                entry = bisect(point, name, flat, gradient, self.rng)
                if entry is not None:
                    part = widen(point, part, entry)
                    mismatch, judged = compare(point, part, flat, gradient, top, looks)
            if start is self.subject:
                self.worker = point.worker
            outcome.parts[name], outcome.nearest[name] = part, mismatch.numeric
            outcome.judged &= judged
            if mismatch.bad.any():
                outcome.mismatches.append(mismatch)


def dout_written() -> Finding:
    return Finding("inplace_dout", "backward writes into the gradient it was given.")


def vanishing(gradients: dict[str, Array | None]) -> set[str]:
    """Names whose gradient is zero but for rounding: that of a bias before BatchNorm."""
    sizes = {n: abs(g).max(initial=0) for n, g in gradients.items() if g is not None}
    least = 1e-12 * max(sizes.values(), default=0)
    return {n for n, size in sizes.items() if 0 < size <= least}


def same(a: Array, b: Array) -> bool:
    """Equal bit for bit, or nearly: NaN equals NaN."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    equal = np.asarray(a == b)
    return bool(equal.all() or (equal | ((a != a) & (b != b))).all())


def close(a: Any, b: Any, tolerance: float = 1e-9) -> bool:
    """Equal up to rounding, measured by the largest entry; NaN equals NaN."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    size = max(abs(a).max(initial=0), abs(b).max(initial=0))
    if np.isfinite(size):
        return bool(abs(a - b).max(initial=0) <= tolerance * size + 1e-300)
    both = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~both], b[~both], equal_nan=True):
        return False
    size = max(abs(a[both]).max(initial=0), abs(b[both]).max(initial=0))
    return bool(abs(a[both] - b[both]).max(initial=0) <= tolerance * size + 1e-300)


def fresh(x: Any) -> Any:
    """A copy of an array in its own memory layout; anything else as it is."""
    return x.copy(order="K") if isinstance(x, np.ndarray) else x
