"""Shapes that forward accepts, found by running it: `x @ W + b` takes (4, 3), (3, 5), (5,).

The axes of all arrays get sizes in every way that makes some of them equal and the others not,
the most different sizes first: the first way that runs shows which sizes belong together. A size
may also be one that the instance holds: the width of its weights, the channels of its filter.
Matrices come before vectors, and vectors before numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.subject.parameters import owners

Shape = tuple[int, ...]

LABELS = {"t", "label", "labels", "target", "targets", "y_true", "t_batch", "truth"}
INDICES = {"idx", "index", "indices", "ids", "tokens", "words", "word_ids"}
MASKS = {"mask", "masks", "keep"}
VECTORS = {"b", "bias", "beta", "gamma", "bx", "bh", "b1", "b2"}
MATRICES = {"W", "weight", "weights", "W1", "W2"}

SIZES = ((4, 3, 5, 6, 2, 7, 9, 8), (2, 4, 6, 8, 12, 16, 10, 14))  # the latter can be divided
FORWARD, FINITE, RETURNED, FITS = 1, 2, 3, 4  # how far inputs get
MOST = 1200  # calls of one search


@dataclass(frozen=True)
class Input:
    """One input of forward: its name, the kind of its values, and its shape where that is known."""

    name: str
    kind: str = "real"  # real, labels, index, mask, or given
    shape: Shape | None = None
    value: Any = None


@dataclass(frozen=True)
class Hit:
    """Inputs that forward accepts, and how far they get."""

    inputs: tuple[Any, ...]
    reached: int
    refused: bool = False  # matrices run through forward too, and stop backward

    @property
    def rank(self) -> int:
        return max((np.ndim(x) for x in self.inputs), default=0)


def search(
    wanted: Sequence[Input], held: Sequence[int], reach: Callable[[Sequence[Any]], int]
) -> Hit | None:
    """The inputs that get furthest, the most telling ones first; None where nothing runs.

    `held`: sizes that the instance holds; `reach`: how far inputs get, 0 where forward fails.
    """
    calls = 0

    def counted(inputs: Sequence[Any]) -> int:
        nonlocal calls
        calls += 1
        return reach(inputs) if calls <= MOST else 0

    best: Hit | None = None
    for kinds in _kinds(wanted):
        for least, ranks in _ranks(kinds):
            if best is not None and best.rank >= 2 > least:
                break
            hit = _at(kinds, ranks, held, counted)
            if hit is not None and (best is None or hit.reached > best.reached):
                best = hit
            if best is not None and best.reached >= (RETURNED if _settled(kinds) else FITS):
                return best
    if best is None or best.rank < 2 or best.reached != FINITE:
        return best
    for kinds in _kinds(wanted):
        for least, ranks in _ranks(kinds):
            hit = _at(kinds, ranks, held, counted) if least < 2 else None
            if hit is not None and hit.reached == FITS:
                return Hit(hit.inputs, FITS, refused=True)
    return best


def sizes_of(thing: Any) -> list[int]:
    """The sizes that an instance holds: of its arrays, and integers."""
    found: dict[int, None] = {}
    for owner in owners(thing):
        for value in vars(owner).values():
            inner = value.values() if isinstance(value, dict) else value
            several = inner if isinstance(value, dict | list | tuple) else [value]
            for v in several:
                sizes = v.shape if isinstance(v, np.ndarray) else (v,) if type(v) is int else ()
                found.update(dict.fromkeys(s for s in sizes if s > 1))
    return list(found)[:6]


def _kinds(wanted: Sequence[Input]) -> Iterator[list[Input]]:
    """What the inputs may be: as their names say; else the last one labels, or all integers."""
    yield list(wanted)
    free = [i.kind == "real" and i.shape is None for i in wanted]
    if len(wanted) > 1 and free[-1]:
        yield [*wanted[:-1], Input(wanted[-1].name, "labels")]
    if any(free):
        yield [Input(i.name, "index") if f else i for i, f in zip(wanted, free)]


def _settled(wanted: Sequence[Input]) -> bool:
    """Whether names say which input is a matrix and which a vector."""
    names = {i.name for i in wanted}
    return bool(names & VECTORS and names - VECTORS - {"a", "A"})


def _ranks(wanted: Sequence[Input]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The largest rank and the ranks of the inputs whose shape is to be found."""
    free = [i for i in wanted if i.kind in ("real", "index") and i.shape is None]
    settled = _settled(free)
    named = [1 if settled and i.name in VECTORS else 2 * (i.name in MATRICES) for i in free]
    tried: set[tuple[int, ...]] = set()
    combinations = [tuple(n or rank for n in named) for rank in (2, 3, 4)]
    combinations += [(4, 4, *[1] * (len(free) - 2))] if len(free) >= 2 else []
    if not settled:
        combinations += [(rank,) * len(free) for rank in (2, 3, 4)]
        combinations += sorted(product((1, 2, 3), repeat=min(len(free), 3)), key=_plainest)
        combinations += [(0,) * len(free)]
    else:
        combinations += [(1,) * len(free), (0,) * len(free)]
    for ranks in combinations:
        if len(ranks) == len(free) and ranks not in tried:
            tried.add(ranks)
            yield (max(ranks, default=2), ranks)


def _plainest(ranks: tuple[int, ...]) -> tuple[bool, int, int]:
    return max(ranks, default=2) < 2, max(ranks, default=2), -sum(ranks)


def _at(
    wanted: list[Input], ranks: tuple[int, ...], held: Sequence[int], reach: Callable
) -> Hit | None:
    """The furthest of the first ways to give sizes that run."""
    best: Hit | None = None
    for sizes in SIZES:
        least = None
        for order, shapes in _sized(ranks, tuple(held), sizes):
            if least is not None and order > least:
                break
            for inputs in _filled(wanted, shapes):
                hit = _furthest(inputs, reach)
                if hit is not None:
                    least = order
                    if best is None or hit.reached > best.reached:
                        best = hit
                    if hit.reached == FITS:
                        return best
        if best is not None:
            return best
    return best


@lru_cache(maxsize=256)
def _sized(
    ranks: tuple[int, ...], held: Shape, sizes: Shape
) -> list[tuple[tuple[bool, int], tuple[Shape, ...]]]:
    """Every way to give sizes to axes, in order: the most different sizes first.

    Axes in front of the last two are shared; of each array one axis has a size that is held.
    Where sizes are held, a batch that is shared by all arrays comes before anything else.
    """
    axes = sum(ranks) - sum(r - 2 for r in ranks[1:] if r > 2)
    held = held if axes < 8 else ()
    fresh = [s for s in sizes if s not in held] or list(sizes)
    found: list[tuple[tuple[bool, int], int, tuple[Shape, ...]]] = []

    def grow(done: tuple[Shape, ...], used: int) -> None:
        if len(done) == len(ranks):
            flat = [s for shape in done for s in shape]
            batch = [shape[0] for shape in done if len(shape) > 1]
            apart = len(set(batch)) != 1 or flat.count(batch[0]) != len(batch)
            order = (bool(held) and (apart or batch[0] in held), -len(set(flat)))
            found.append((order, sum(s in held for s in flat), done))
            return
        rank = ranks[len(done)]
        shared = done[0][: rank - 2] if done and 2 < rank == len(done[0]) else ()
        if held and axes > 4 and rank > 1:
            shared = shared or (fresh[0],)  # one batch: else there are too many ways
        for shape, more in axis(shared, rank, used):
            grow((*done, shape), more)

    def axis(begin: Shape, rank: int, used: int) -> Iterator[tuple[Shape, int]]:
        if len(begin) == rank:
            yield begin, used
            return
        for k in range(min(used + 1, len(fresh))):
            yield from axis((*begin, fresh[k]), rank, max(used, k + 1))
        if not any(s in held for s in begin):
            for size in held:
                yield from axis((*begin, size), rank, used)

    if axes < 9:
        grow((), 0)
    found.sort(key=lambda f: f[:2])
    return [(order, shapes) for order, _, shapes in found]


def _filled(wanted: list[Input], shapes: Sequence[Shape]) -> Iterator[list[Any]]:
    """Values of these shapes: labels of each kind, real numbers of each range."""
    labelled = any(i.kind == "labels" for i in wanted)
    for labels in ("class", "one-hot", "real") if labelled else ("real",):
        rng, free, inputs = np.random.default_rng(0), iter(shapes), list[Any]()
        for i in wanted:
            first = np.shape(inputs[0]) if inputs else (4, 3)
            if i.kind == "given":
                inputs.append(i.value)
            elif i.kind == "labels":
                fits = i.shape is not None and len(i.shape) == len(first)
                inputs.append(_labels(i.shape if fits else first, labels, rng))
            elif i.kind == "mask":
                inputs.append(rng.random(size=i.shape or first) > 0.5)
            elif i.kind == "index":
                inputs.append(rng.integers(0, 3, size=i.shape or next(free)))
            else:
                inputs.append(_real(rng.normal(size=i.shape or next(free))))
        yield inputs


def _real(x: Array) -> Any:
    """Away from 0, where a kink may be."""
    return float(x) if x.ndim == 0 else np.where(abs(x) < 0.05, 0.05, x)


def _labels(shape: Shape, kind: str, rng: np.random.Generator) -> Array:
    if kind == "real" or not shape:
        return rng.uniform(0.1, 0.9, size=shape)
    rows = np.arange(int(np.prod(shape[:-1]))).reshape(shape[:-1])
    classes = rows * 2 % 5 % shape[-1]
    return classes if kind == "class" else np.eye(shape[-1])[classes]


_RANGES: tuple[Callable[[Any], Any], ...] = (
    lambda x: abs(x) + 0.5, lambda x: 1 / (1 + np.exp(x)), lambda x: -abs(x) - 0.5
)  # fmt: skip


def _furthest(inputs: Sequence[Any], reach: Callable[[Sequence[Any]], int]) -> Hit | None:
    """How far inputs get; where results are not finite, with numbers > 0, in (0, 1), and < 0."""
    reached, first = reach(inputs), inputs
    for change in _RANGES:
        if reached != FORWARD:
            break
        inputs = [change(x) if np.asarray(x).dtype.kind == "f" else x for x in first]
        reached = max(reach(inputs), FORWARD)
    return Hit(tuple(inputs), reached) if reached else None
