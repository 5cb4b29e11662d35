"""Subjects too large to differentiate entry by entry, or to copy often.

One working copy is displaced in place and put back from the original; directions of random
signs are made piece by piece. So a check needs the layer once more, its gradients, and little
else. A gradient is held against the derivative along random signs in all its entries: a wrong
entry shows, and halving finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.compare import compare, misfit, widen
from handgrad.prove.measure.numeric import Derivative, Line, quick
from handgrad.prove.measure.point import DOUBLE, SINGLE, Part, Point, differentiate_at
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import Case, Outcome, Run, close, dout_written, fresh, same
from handgrad.subject.adapt import Subject
from handgrad.subject.sandbox import SubjectError

_PIECE = 1 << 18
_STEPS = (1.0, 0.1, 1e-3, 1e-4)  # relative to the largest entry; the best one counts
_SAMPLE = 8  # entries of a wrong gradient that are differentiated one by one


class Lean(Point):
    """A point whose arguments are displaced in place, on one working copy."""

    def __init__(self, start: Subject, worker: Subject, run: Run, names: Sequence[str]):
        self.start, self.worker, self.names = start, worker, list(names)
        self.original, self.inputs = run.inputs, [fresh(x) for x in run.inputs]
        self.outputs = len(run.upstream)
        self.base = self._evaluated()
        self.steps, self.settled = dict[str, float](), True
        self.noise = SINGLE if self.base.dtype == np.float32 else DOUBLE
        self.base = self.base.astype(np.float64)

    def value(self, name: str) -> Array:
        if name in self.names:
            return np.asarray(self.original[self.names.index(name)])
        return self.start.get(name)

    def _held(self, name: str) -> Array:
        """The array that is displaced."""
        assert self.worker is not None
        if name in self.names:
            return self.inputs[self.names.index(name)]
        return self.worker.get(name)

    def _evaluated(self) -> Array:
        assert self.worker is not None
        outputs = self.worker.forward([fresh(x) for x in self.inputs])[: self.outputs]
        return np.concatenate([np.asarray(y).reshape(-1) for y in outputs])

    def entry(self, name: str, index: Any, scale: Any = 1.0) -> Line:
        held, start = self._held(name), self.value(name).flat[index]

        def line(t: float) -> Array:
            held.flat[index] = start + t * scale
            y = self._evaluated().astype(np.float64)
            held.flat[index] = start
            return y

        return line

    def is_affine(self, name: str) -> bool:
        return False  # not asked: the answer would take whole copies

    def careful(self, name: str, index: int) -> Derivative:
        line, scale = self.entry(name, index), _scale(self.value(name))
        value, error = self._best(name, line, scale)
        return Derivative(value, error, value, value)

    def together(self, part: Part, rows: Array) -> Iterator[Derivative]:
        return (self.careful(part.name, int(part.index[k])) for k in rows)

    def signed(self, name: str, low: int, high: int) -> Line:
        """The line on which the entries low..high move, by random signs."""
        held = self._held(name)
        moved, still = _flat(held), _flat(self.value(name))

        def line(t: float) -> Array:
            for a, b, signs in _pieces(low, high):
                moved[a:b] = still[a:b] + held.dtype.type(t) * signs
            y = self._evaluated().astype(np.float64)
            for a, b, _ in _pieces(low, high):
                moved[a:b] = still[a:b]
            return y

        return line

    def _best(self, name: str, line: Line, scale: float) -> tuple[Array, Array]:
        """Derivative and error with the step that suits the argument, found in the first call."""
        if self.steps.get(name) == _STEPS[0]:  # linear: one difference says all
            step = _STEPS[0] * scale
            high, low = line(step), line(-step)
            rounding = self.noise * np.maximum(abs(high), abs(low)) / step
            return _still((high - low) / (2 * step), 2 * rounding)
        if name in self.steps:
            return _still(*quick(line, self.steps[name] * scale, self.noise))
        tried = {s: _still(*quick(line, s * scale, self.noise)) for s in _STEPS}
        self.steps[name] = min(tried, key=lambda s: float(np.linalg.norm(tried[s][1])))
        return tried[self.steps[name]]

    def agrees(self, name: str, gradient: Array, upstream: Array, low: int, high: int) -> bool:
        """Whether the gradient is right along random signs in the entries low..high."""
        total = size = 0.0
        flat = _flat(gradient)
        for a, b, signs in _pieces(low, high):
            terms = (flat[a:b] * signs).astype(np.float64)
            total, size = total + float(terms.sum()), size + float(terms @ terms)
        line, scale = self.signed(name, low, high), _scale(self.value(name))
        derivative, error = self._best(name, line, scale)
        off, doubt = abs(derivative @ upstream - total), float(np.sqrt(error**2 @ upstream**2))
        tight = 1e-7 if self.noise == DOUBLE else 2e-6
        return bool(off <= tight * np.sqrt(size) + 6 * doubt)

    def wrong_entry(self, name: str, gradient: Array, upstream: Array) -> int:
        """The flat index of a wrong entry, found by halving."""
        low, high = 0, gradient.size
        while high - low > 1:
            middle = (low + high) // 2
            wrong = not self.agrees(name, gradient, upstream, low, middle)
            low, high = (low, middle) if wrong else (middle, high)
        return low


def _scale(value: Array) -> float:
    """The largest size of an entry."""
    return max(float(value.max(initial=0)), -float(value.min(initial=0)), 1e-3)


def _still(value: Array, error: Array) -> tuple[Array, Array]:
    """No error for outputs that a large step leaves as they are: they have no part in it."""
    return value, np.where(value == 0, 0.0, error)


def _flat(array: Array) -> Any:
    """All entries in the order of indices: a view, whatever the layout."""
    return array.reshape(-1) if array.flags.c_contiguous else array.flat


def _pieces(low: int, high: int) -> Iterator[tuple[int, int, Array]]:
    """Random signs for the entries low..high, the same for an entry in every call."""
    for number in range(low // _PIECE, (high - 1) // _PIECE + 1):
        first = number * _PIECE
        signs = np.random.default_rng([17, number]).integers(0, 2, _PIECE, dtype=np.int8) * 2 - 1
        a, b = max(low, first), min(high, first + _PIECE)
        yield a, b, signs[a - first : b - first].astype(np.float32)


def examine_large(case: Case) -> tuple[Outcome, list[Finding]]:
    """A trial of a large subject, and what it found."""
    worker = case.subject.copy()
    run = _one_run(case, worker)
    point = Lean(case.subject, worker, run, case.names)
    outcome, upstream = Outcome(run, point=point), run.flat_upstream
    for name in case.wanted:
        gradient, shape = run.gradients[name], point.value(name).shape
        if gradient is None or gradient.shape != shape:
            gradient = np.zeros(shape) if gradient is None else gradient
            outcome.mismatches.append(misfit(name, shape, gradient))
            continue
        if point.agrees(name, gradient, upstream, 0, gradient.size):
            continue
        sample = np.unique([0, gradient.size - 1, *case.rng.integers(0, gradient.size, _SAMPLE)])
        part = differentiate_at(point, name, sample)
        mismatch, judged = compare(point, part, upstream, gradient)
        if not mismatch.bad.any():
            part = widen(point, part, point.wrong_entry(name, gradient, upstream))
            mismatch, judged = compare(point, part, upstream, gradient)
        outcome.parts[name] = part
        outcome.judged &= judged
        outcome.mismatches += [mismatch] if mismatch.bad.any() else []
    gradient = None  # their memory is needed for the next ones
    findings = case.writes + list(_repeated(case, worker, run))
    run.gradients.update({m.name: m.analytic for m in outcome.mismatches})
    return outcome, findings


def _one_run(case: Case, worker: Subject) -> Run:
    """forward and backward on the working copy itself; gradients are not copied."""
    inputs = [fresh(x) for x in case.inputs]
    outputs = case.forward(worker, inputs)
    upstream = [u.astype(y.dtype) for u, y in zip(case.upstream(outputs), outputs)]
    dout = [fresh(u) for u in upstream]
    returned = worker.backward(dout)
    if not all(map(same, dout, upstream)):
        case.writes.append(dout_written())
    changed = [n for n, x, y in zip(case.names, inputs, case.inputs) if not same(x, y)]
    changed += [n for n in worker.parameters if not same(worker.get(n), case.subject.get(n))]
    for name in changed:
        text = f"forward or backward writes into {name}."
        case.writes.append(Finding("inplace_input", text, name))
    gradients = case.named(worker, returned, copies=False)
    return Run([fresh(x) for x in case.inputs], [y.copy() for y in outputs], upstream, gradients)


def _repeated(case: Case, worker: Subject, run: Run) -> Iterator[Finding]:
    """The same call again gives the same gradients; twice the upstream gradient, twice them."""
    first = {n: _sums(run.gradients[n]) for n in case.wanted}
    for factor in (1.0, 2.0):
        run.gradients.clear()  # the arrays are freed before the next ones are made
        try:
            worker.forward([fresh(x) for x in case.inputs])
            returned = worker.backward([u * u.dtype.type(factor) for u in run.upstream])
        except SubjectError as error:
            yield Finding("stale_state", f"In a second call {error.sentence}.")
            return
        again = {n: _sums(g) for n, g in case.named(worker, returned, copies=False).items()}
        for name, then in first.items():
            if close(again[name], factor * then, 1e-3):
                continue
            if factor == 2.0:
                text = f"d{name} is not doubled when the upstream gradient is."
                yield Finding("upstream_ignored", text, name)
                return
            cause = "accumulates" if close(again[name], 2 * then, 1e-3) else "stale_state"
            yield Finding(cause, f"In a second, equal call d{name} is another.", name)
            return


def _sums(gradient: Array | None) -> Array:
    """A few values that stand for a gradient."""
    flat = np.zeros(4) if gradient is None else gradient.reshape(-1)
    return np.array([float(np.sum(abs(flat[k::4]), dtype=np.float64)) for k in range(4)])
