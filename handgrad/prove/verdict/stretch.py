"""Shapes that broadcast: is what is stretched summed back, where backward means to?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.prove.subject.parameters import attributes
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import differentiable
from handgrad.prove.verdict.sizes import elsewhere
from handgrad.prove.verdict.trial import Case, Outcome

Shape = tuple[int, ...]


def broadcasting(case: Case, base: Outcome) -> Iterator[Finding]:
    """Two inputs that are combined elementwise, one of them stretched.

    A layer for equal shapes, or for a row of biases, is a layer too. One means to broadcast if it
    returns gradients of the right shapes for stretches of more than one kind.
    """
    if len(differentiable(case)) != 2 or len(case.inputs) != 2 or case.subject.parameters:
        return
    a, b = (np.asarray(x) for x in case.inputs)
    output = base.run.outputs[0]
    if not output.ndim or output.shape != _stretched(a.shape, b.shape) or output.size < 2:
        return
    kinds, tried = set(), []
    for one, two in _shapes(output.shape):
        inputs = [_like(case, a, one), _like(case, b, two)]
        try:
            run = case.run(inputs)
        except SubjectError:  # not meant
            continue
        if run.outputs[0].shape != _stretched(one, two):
            continue
        gradients = [run.gradients[n] for n in case.names]
        given = [() if g is None else g.shape for g in gradients]
        if given == [one, two]:
            kinds.add(_kind(one, two))
        tried.append((inputs, f"inputs of shapes {one} and {two}"))
    if len(kinds) > 1 or _keeps_shapes(case, a.shape, b.shape):
        for inputs, what in tried:
            yield from elsewhere(case, inputs, "broadcasting", what)


def _stretched(a: Shape, b: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def _shapes(full: Shape) -> Iterator[tuple[Shape, Shape]]:
    """Pairs of shapes that broadcast to this one, or to one axis more."""
    narrow = [full[1:], (1,) * len(full), ()]
    narrow += [(*full[:k], 1, *full[k + 1 :]) for k in range(len(full))]
    narrow += [(*full[1:k], 1, *full[k + 1 :]) for k in range(1, len(full))]
    for shape in dict.fromkeys(s for s in narrow if s != full):
        yield full, shape
        yield shape, full
    if 1 < len(full) < 4:
        wide, column = (2, *full), (*full[:-1], 1)
        yield from ((wide, column), (column, wide), (column, (1, *full[1:])))


def _kind(one: Shape, two: Shape) -> str:
    """Which input is stretched, and how: along leading axes, along others, or from a number."""
    if one == two:
        return "none"
    small, side = (one, "first") if len(one) < len(two) or 1 in one else (two, "second")
    inner = small[next((k for k, n in enumerate(small) if n > 1), len(small)) :]
    return side + (" number" if not inner else " inside" if 1 in inner else " leading")


def _keeps_shapes(case: Case, a: Shape, b: Shape) -> bool:
    """Whether forward leaves the shapes of both inputs on the object."""
    used = case.subject.copy()
    case.forward(used, [np.array(x) for x in case.inputs])
    held: list[Any] = list(attributes(used.thing).values())
    held += [w for v in held if isinstance(v, list | tuple) for w in v]
    shapes = [v for v in held if isinstance(v, tuple) and all(isinstance(n, int) for n in v)]
    return sum(v in (a, b) for v in shapes) > 1


def _like(case: Case, original: Any, shape: Shape) -> np.ndarray:
    """Values of the original in another shape: each input keeps its own domain."""
    return np.resize(original, shape) * case.rng.uniform(0.9, 1.1, shape)
