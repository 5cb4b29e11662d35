"""Shapes that forward accepts, found by running it: `x @ W + b` takes (4, 3), (3, 5), (5,).

The axes of all arrays get sizes in every way that makes some of them equal and the others not,
the most different sizes first: the first way that runs shows which sizes belong together. A size
may also be one that the instance holds: the width of its weights, the channels of its filter.
Matrices come before vectors, and vectors before numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.subject.parameters import owners

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
    Where names settle what is a matrix, and what a vector, their ranks alone are tried.
    """
    best: Hit | None = None
    enough = RETURNED if _settled(wanted) else FITS
    ran: dict[Any, tuple[int, ...]] = {}  # of each group the order in which a way ran
    calls, last = 0, None
    for group, order, rank, make in _ways(wanted, tuple(held)):
        if calls > MOST or (group != last and best is not None and best.reached >= enough):
            break
        last, lower = group, best is not None and best.rank > 1 > rank - 1
        if order > ran.get(group, order) or (lower and best and best.reached > FINITE):
            continue
        for inputs in make():
            calls += 1
            hit = _furthest(inputs, reach)
            if hit is None:
                continue
            ran.setdefault(group, order)
            if hit.reached == FITS:
                return Hit(hit.inputs, FITS, refused=lower)
            if best is None or (hit.reached > best.reached and not lower):
                best = hit
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


def _ways(
    wanted: Sequence[Input], held: Shape
) -> Iterator[tuple[Any, tuple[int, ...], int, Callable[[], Iterator[list[Any]]]]]:
    """Ways to give inputs: their group, order in it and largest rank, and what makes them."""
    for kind, kinds in enumerate(_kinds(wanted)):
        for ranks in _ranks(kinds):
            for turn, sizes in enumerate(SIZES if len(ranks) < 3 else SIZES[:1]):
                for order, shapes in _sized(ranks, held, sizes):
                    make = partial(_filled, kinds, shapes)
                    yield (kind, ranks), (turn, *order), max(ranks, default=2), make


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


def _ranks(wanted: Sequence[Input]) -> list[tuple[int, ...]]:
    """The ranks of the inputs whose shape is to be found: matrices, tensors, vectors, numbers."""
    free = [i for i in wanted if i.kind in ("real", "index") and i.shape is None]
    n, settled = len(free), _settled(free)
    named = [1 if settled and i.name in VECTORS else 2 * (i.name in MATRICES) for i in free]
    found = [tuple(fixed or rank for fixed in named) for rank in (2, 3, 4)]
    found += [(4, 4, *[1] * (n - 2))] * (n > 1)  # images and filters
    if not settled:
        found += [(rank,) * n for rank in (2, 3, 4)]
        found += sorted(product((1, 2, 3), repeat=n), key=lambda r: (max(r, default=2), -sum(r)))
    found += [(1,) * n, (0,) * n]
    several = [r for r in found if max(r, default=2) > 1]
    return list(dict.fromkeys(several + [r for r in found if r not in several]))


@lru_cache(maxsize=256)
def _sized(
    ranks: tuple[int, ...], held: Shape, sizes: Shape
) -> list[tuple[tuple[int, int], tuple[Shape, ...]]]:
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
        batch = begin[: rank - 2] if len(ranks) > 1 else ()
        for k in range(min(used + 1, len(fresh))):
            if fresh[k] not in batch:
                yield from axis((*begin, fresh[k]), rank, max(used, k + 1))
        if not any(s in held for s in begin):
            for size in held:
                yield from axis((*begin, size), rank, used)

    if axes < 9:
        grow((), 0)
    found.sort(key=lambda f: f[:2])
    return [(order, shapes) for order, _, shapes in found]


def _filled(wanted: list[Input], shapes: Sequence[Shape]) -> Iterator[list[Any]]:
    """Values of these shapes; labels of each kind."""
    labelled = any(i.kind == "labels" for i in wanted)
    for labels in ("class", "one-hot", "real") if labelled else ("real",):
        rng, free, inputs = np.random.default_rng(0), iter(shapes), list[Any]()
        for i in wanted:
            first = np.shape(inputs[0]) if inputs else (4, 3)
            if i.kind == "given":
                inputs.append(i.value)
            elif i.kind == "labels":
                own = i.shape if i.shape and len(i.shape) > 1 else first
                inputs.append(_labels(own, labels, rng))
            elif i.kind == "mask":
                inputs.append(rng.random(size=i.shape or first) > 0.5)
            elif i.kind == "index":
                inputs.append(rng.integers(0, 3, size=i.shape or next(free)))
            else:
                x = rng.normal(size=i.shape or next(free))  # away from 0, where a kink may be
                inputs.append(np.where(abs(x) < 0.05, 0.05, x) if np.ndim(x) else float(x))
        yield inputs


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
