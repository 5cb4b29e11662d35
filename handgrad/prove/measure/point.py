"""The function that a subject computes, near one point of its inputs and parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import sublayers
from handgrad.prove.measure.numeric import (
    Derivative,
    Line,
    careful,
    complex_step,
    extrapolated,
    quick,
)
from handgrad.subject.adapt import Subject
from handgrad.subject.sandbox import SubjectError

_MEMORY = 4_000_000  # elements of a Jacobian that are held at once
_AGREES = 1e-7  # of the terms that are added up: not by chance
SINGLE, DOUBLE = 2e-7, 1e-15  # rounding of an output, by the precision it has

Given = tuple[Array, Array]  # an upstream gradient, flat, and the gradient that belongs to it


class Point:
    """Outputs of a subject, as one flat array, with arguments displaced from where they are.

    An argument is an input, by forward's name for it, or a parameter. Every evaluation starts
    from the same state: on a fresh copy, or, when the subject is seen to keep nothing from one
    call to the next, on one that is used again.
    """

    def __init__(
        self, start: Subject, names: Sequence[str], inputs: Sequence[Any], outputs: int,
        worker: Subject | None = None, known: Sequence[Array] | None = None,
    ):  # fmt: skip
        """known: the outputs here, where they have been computed before."""
        self.start, self.names, self.inputs = start, list(names), list(inputs)
        self.outputs = outputs
        self.worker: Subject | None = None
        self.base = self({}) if known is None else flat(known[:outputs])
        self.noise = SINGLE if _is_single(self.base) else DOUBLE
        self.worker = self._still_reusable(worker)
        self.settled = self.worker is not None

    @functools.cached_property
    def is_network(self) -> bool:
        """Whether there are layers inside.

        Where the kinks of several meet, each may take a subgradient of its own, and what comes of
        it need not be a subgradient of the whole: no gradient there is called wrong. Points
        beside it, where nothing jumps, are looked at by another experiment.
        """
        return next(sublayers(self.start.thing), None) is not None

    @functools.cached_property
    def has_ties(self) -> bool:
        """Whether zeros or equal values stand among the inputs."""
        real = [self.value(n).reshape(-1) for n in self.names if self.is_real(n)]
        return any((x == 0).any() or len(np.unique(x)) < x.size for x in real)

    def value(self, name: str) -> Array:
        """An argument where it is."""
        if name in self.names:
            return np.asarray(self.inputs[self.names.index(name)], dtype=np.float64)
        return self.start.get(name)

    def __call__(self, moved: dict[str, Array]) -> Array:
        """The outputs with some arguments at other values."""
        subject = self.worker or self.start.copy()
        given = [_like(moved[n], x) if n in moved else _fresh(x)
                 for n, x in zip(self.names, self.inputs)]  # fmt: skip
        held = {n: subject.get(n).copy() for n in moved if n not in self.names}
        try:
            for name in held:
                subject.put(name, moved[name])
            return flat(subject.forward(given)[: self.outputs])
        except SubjectError:
            if not moved:
                raise
            return np.full(self.base.shape, np.nan)  # outside the domain
        finally:
            for name, value in held.items():
                subject.put(name, value)

    def along(self, directions: dict[str, Array]) -> Line:
        """The line through the point in which several arguments move at once."""
        values = {name: self.value(name) for name in directions}
        return lambda t: self({n: values[n] + t * v for n, v in directions.items()})

    def entry(self, name: str, index: Any, scale: Any = 1.0) -> Line:
        """The line on which one entry of one argument moves, or several at their own scales."""
        value = self.value(name)

        def line(t: float) -> Array:
            moved = value.astype(np.result_type(value, t), copy=True)
            moved.flat[index] += t * scale
            return self({name: moved})

        return line

    def each(self, name: str, index: Array, scale: Array, touched: Array) -> Callable[[Any], Array]:
        """The outputs where each of these entries moves alone, (entries, outputs).

        They move together, and what each touches shows what it does; where an output moves that
        none has touched so far, they are moved one by one.
        """

        def lines(t: Any) -> Array:
            moved = self.entry(name, index, scale)(t)
            if len(index) == 1:
                return moved[None]
            if _differ(moved, self.base)[~touched.any(0)].any():
                return np.array([self.entry(name, i, s)(t) for i, s in zip(index, scale)])
            return np.where(touched, moved, self.base)

        return lines

    def together(self, part: Part, rows: Array) -> Iterator[Derivative]:
        """Careful derivatives for some entries, at once for those that touch different outputs."""
        index, found = part.index[rows], dict[int, Derivative]()
        scale = np.maximum(abs(self.value(part.name).reshape(-1)[index]), 0.1)
        for group in _apart(part.touched[rows]):
            lines = self.each(part.name, index[group], scale[group], part.touched[rows[group]])
            best = careful(lines, 1.0, self.noise)
            for k, i in enumerate(group):
                parts = (best.value, best.error, best.left, best.right)
                found[i] = Derivative(*(p[k] / scale[i] for p in parts))
        return (found[i] for i in range(len(rows)))

    def beside(self, shift: dict[str, Array], name: str, index: int) -> Line:
        """The line on which one entry moves, with all arguments shifted by a little."""
        values = {n: self.value(n) + s for n, s in shift.items()}
        unit = np.zeros(values[name].shape)
        unit.flat[index] = 1.0
        return lambda t: self(values | {name: values[name] + t * unit})

    def careful(self, name: str, index: int) -> Derivative:
        """The derivative with respect to one entry, at any cost; exact where complex steps work."""
        line = functools.cache(self.entry(name, index))
        scale = max(abs(float(self.value(name).reshape(-1)[index])), 0.1)
        exact = complex_step(line) if name in self.names and self.noise == DOUBLE else None
        if exact is not None:
            sides = (quick(line, step * scale, self.noise) for step in (1e-4, 1e-6))
            if all(np.all(abs(exact - v) <= 20 * e + 1e-9 * abs(v)) for v, e in sides):
                return Derivative(exact, 1e-14 * abs(exact) + 1e-30, exact, exact)
        return careful(line, scale, self.noise)

    def step(self) -> float:
        """A first step, by the precision of the outputs."""
        return 1e-3 if self.noise == DOUBLE else 3e-2

    def is_affine(self, name: str) -> bool:
        """Whether the outputs are linear in an argument, so that any step is exact."""
        value = self.value(name)
        signs = np.random.default_rng(1).choice([-1.0, 1.0], value.shape)
        move = signs * (1.0 + abs(value))
        up, down, far = (self({name: value + t * move}) for t in (1.0, -1.0, 2.0))
        size = 1e-9 * (abs(up) + abs(down) + abs(far) + 1e-30) * (self.noise / DOUBLE)
        bent = abs(up + down - 2 * self.base) + abs(far - 2 * up + self.base)
        return bool(np.all(bent <= size))

    def _still_reusable(self, worker: Subject | None) -> Subject | None:
        """A copy that was found reusable elsewhere, if it gives what a fresh one does here."""
        if worker is None:
            return None
        self.worker = worker
        return worker if _equal(self({}), self.base) else None

    def settle(self) -> None:
        """Find out, before many evaluations, whether one copy can serve them all."""
        if not self.settled:
            self.settled, self.worker = True, self._reusable()

    def _reusable(self) -> Subject | None:
        self.worker, worker = None, self.start.copy()
        nearby = {n: self.value(n) * 1.25 + 0.1 for n in self.names if self.is_real(n)}
        try:
            elsewhere = self(nearby)
            self.worker = worker
            runs = self({}), self(nearby), self({})
        finally:
            self.worker = None
        same = all(_equal(a, b) for a, b in zip(runs, (self.base, elsewhere, self.base)))
        return worker if same else None

    def is_real(self, name: str) -> bool:
        """Whether an input holds real numbers."""
        return np.asarray(self.inputs[self.names.index(name)]).dtype.kind == "f"


@dataclass
class Part:
    """Some columns of the Jacobian: derivatives of all outputs by entries of one argument."""

    name: str
    index: Array  # flat indices of the entries
    value: Array  # (entries, outputs)
    error: Array
    touched: Array  # which outputs change at all
    trouble: dict[int, Derivative] = field(default_factory=dict)  # entries looked at carefully

    def expected(self, upstream: Array) -> Array:
        """The gradient at the entries for an upstream gradient."""
        return self.value @ upstream

    def doubt(self, upstream: Array) -> Array:
        """The error of `expected`."""
        return 3 * np.sqrt(self.error**2 @ upstream**2)

    def size(self, upstream: Array) -> Array:
        """How large the terms are that `expected` adds up."""
        return abs(self.value) @ abs(upstream)


def differentiate(
    point: Point, name: str, effort: float, rng: np.random.Generator, given: Given | None = None
) -> Part:
    """Columns of the Jacobian for one argument: all of them if that takes less than `effort`."""
    size = point.value(name).size
    affine = point.is_affine(name)
    count = int(effort / point.start.sandbox.effort / (1 if affine else 4))
    count = max(8, min(size, count, _MEMORY // max(point.base.size, 1)))
    if size <= count:
        index = np.arange(size)
    else:
        edges = np.array([0, size - 1])
        index = np.unique(np.concatenate([edges, rng.integers(0, size, count - 2)]))
    return differentiate_at(point, name, index, affine, given)


def differentiate_at(
    point: Point, name: str, index: Array, affine: bool = False, given: Given | None = None
) -> Part:
    """Columns of the Jacobian for these entries of one argument.

    given: an upstream gradient, and what backward gave for it: where two points agree with that,
    no others are asked. Outputs that do not change when an entry moves are left to other entries,
    which then move together with it.
    """
    point.settle()
    base, noise = point.base, point.noise
    scale = np.maximum(1.0, abs(point.value(name).reshape(-1)[index]))
    step = 1.0 if affine else point.step() / 2
    highs = [point.entry(name, i, s)(step) for i, s in zip(index, scale)]
    high, size = np.reshape(highs, (len(index), base.size)), (step * scale)[:, None]
    if affine:
        error = 2 * noise * (abs(high) + abs(base)) / size
        return Part(name, index, (high - base) / size, error, high != base)
    touched = _differ(high, base)

    def at(t: float, rows: Array) -> Array:
        y = np.empty((len(rows), base.size))
        for group in _apart(touched[rows]):
            mine = rows[group]
            y[group] = point.each(name, index[mine], scale[mine], touched[mine])(t)
        return y

    low = at(-step, np.arange(len(index)))
    touched |= _differ(low, base)
    value = (high - low) / (2 * size)
    error = noise * np.maximum(abs(high), abs(low)) / size
    rest = np.arange(len(index))
    if given is not None:
        off = abs(value @ given[0] - given[1].reshape(-1)[index])
        rest = np.flatnonzero(~(off <= _AGREES * (abs(value) @ abs(given[0]))))
    if rest.size:
        far, size = (at(2 * step, rest), at(-2 * step, rest)), 2 * size[rest]
        value[rest], error[rest] = extrapolated(*far, high[rest], low[rest], size, noise)
    return Part(name, index, value, error, touched)


def _apart(touched: Array) -> list[list[int]]:
    """Groups of rows that touch different columns: what moves them all tells them apart."""
    if 2 * touched.sum(0).max(initial=0) > len(touched):  # most touch one: each goes alone
        return [[k] for k in range(len(touched))]
    rows = np.packbits(touched, axis=1)
    groups: list[list[int]] = []
    taken = np.zeros_like(rows)  # by each group
    for k, row in enumerate(rows):
        free = ~(taken[: len(groups)] & row).any(1)
        g = int(free.argmax()) if free.any() else len(groups)
        if g == len(groups):
            groups.append([])
        groups[g].append(k)
        taken[g] |= row
    return groups


def _differ(a: Array, b: Array) -> Array:
    """Where they differ; NaN equals NaN."""
    return np.asarray((a != b) & ~(np.isnan(a) & np.isnan(b)))


def flat(outputs: Sequence[Array]) -> Array:
    """Outputs as one new array."""
    return np.concatenate([np.reshape(y, -1) for y in outputs])


def _fresh(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _like(moved: Array, x: Any) -> Any:
    """A displaced input in the precision of the input itself; complex numbers stay complex."""
    if np.iscomplexobj(moved) or not isinstance(x, np.ndarray | np.floating):
        return moved
    return np.asarray(moved, dtype=x.dtype).copy(order="K")


def _equal(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def _is_single(y: Array) -> bool:
    """Whether every number fits in 32 bits, as no result of 64-bit arithmetic would by chance."""
    finite = y[np.isfinite(y)]
    rounded = finite.astype(np.float32).astype(np.float64)
    telling = finite != np.round(finite * 64) / 64
    return y.dtype == np.float32 or bool(telling.sum() > 2 and np.all(rounded == finite))
