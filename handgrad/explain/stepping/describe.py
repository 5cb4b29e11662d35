"""Describe: a tape as data for the page: numbers, formulas, code, and what the page computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Stream
from handgrad.explain.formula import (
    forward_formula,
    gradients_of,
    section_of,
    shape_line,
)
from handgrad.explain.stepping.arithmetic import arithmetic
from handgrad.explain.stepping.arrays import encoded, marks
from handgrad.explain.stepping.source import Ran, watched
from handgrad.explain.stepping.tape import COMPUTED, Tape, Use, Value
from handgrad.inside import walk
from handgrad.layer import shallow_clone
from handgrad.tensor import Tensor

STEP = 1e-5  # of numerical differentiation


def described(tape: Tape, folded: tuple[int, int] | None) -> dict[str, Any]:
    """The whole tape. folded: the uses from one to another that are one step together."""
    methods: dict[Any, int] = {}
    hidden = range(*folded) if folded else range(0)
    nodes = [_node(use, tape, methods, quiet=i in hidden) for i, use in enumerate(tape.uses)]
    return {
        "values": [_value(value) for value in tape.values],
        "nodes": nodes,
        "outputs": tape.outputs,
        "seeds": [encoded(np.zeros(tape.values[number].array.shape) if seed is None else seed)
                  for number, seed in zip(tape.outputs, tape.seeds)],
        "backward": any(seed is not None for seed in tape.seeds),
        "folded": folded,
        "methods": [
            {"name": m.name, "file": m.file, "first": m.first, "text": m.text} for m in methods
        ],
    }  # fmt: skip


def _value(value: Value) -> dict[str, Any]:
    return {
        "name": value.name, "kind": value.kind, "shape": list(np.shape(value.array)),
        "wanted": value.wanted, "marks": marks(value.array),
        "data": None if value.kind == COMPUTED else encoded(value.array),
        "whole": np.asarray(value.array).dtype.kind in "iub",
    }  # fmt: skip


def _node(use: Use, tape: Tape, methods: dict[Any, int], *, quiet: bool) -> dict[str, Any]:
    """A use of a layer. quiet: without words, for one that is not a step of its own."""
    call, cls = use.call, _class(use)
    known = arithmetic(call)
    node: dict[str, Any] = {
        "title": use.title, "path": use.path, "args": use.arguments, "names": use.names,
        "wanted": use.wanted, "out": use.outputs, "op": None, "k": None,
        "sent": [None if g is None else marks(g) for g in use.back],
    }  # fmt: skip
    if known is not None:
        node["op"], node["k"] = known
    if known is None or known[0] == "Own":  # Python's numbers, in case that the page fails
        node["given"] = [encoded(tape.values[number].array) for number in use.outputs]
        node["back"] = [None if g is None else encoded(g) for g in use.back]
        node["checks"] = _checks(use)
    if quiet:
        return node
    shapes = {name: np.shape(tape.values[n].array) for name, n in zip(use.names, use.arguments)
              if n is not None}  # fmt: skip
    y = "loss" if "y" in shapes else "y"
    shapes[y] = call.shapes[0]
    forward, backward = _code(use)
    return node | {
        "y": y, "formula": forward_formula(cls), "shapes": shape_line(cls, shapes),
        "gradients": dict(gradients_of(cls)), "words": section_of(cls),
        "forward": _listed(forward, methods), "backward": _listed(backward, methods),
    }  # fmt: skip


def _listed(runs: list[Ran], methods: dict[Any, int]) -> list[Any]:
    """[number of the method, [[first line, last line, what it set], …]] for each method."""
    return [
        [methods.setdefault(ran.method, len(methods)),
         [[first, last, note] for first, (last, note) in ran.lines.items()]]
        for ran in runs
    ]  # fmt: skip


def _class(use: Use) -> Any:
    return type(use.call.original)


def _fresh(use: Use) -> Any:
    """The layer as it was before this use."""
    copy = shallow_clone(use.call.layer)
    inner = {id(old): new for (_, old), (_, new) in zip(walk(use.call.layer), walk(copy))}
    for old, step in use.call.steps:
        stream = old.stream
        inner[id(old)].stream = Stream(stream.seed, stream.layer, step)
    return copy


def _arrays(use: Use) -> list[Any]:
    return [x.data if isinstance(x, Tensor) else x for x in use.call.given]


def _code(use: Use) -> tuple[list[Ran], list[Ran]]:
    """What ran in forward, and in backward if it has been."""
    layer = _fresh(use)
    with np.errstate(all="ignore"):
        _, forward = watched(layer, lambda: layer.forward(*_arrays(use)))
        gradients = _upstream(use)
        if gradients is None:
            return forward, []
        _, backward = watched(layer, lambda: layer.backward(*gradients))
    return forward, backward


def _upstream(use: Use) -> list[Any] | None:
    found = [t.grad if (t := reference()) is not None else None for reference in use.call.outputs]
    if all(g is None for g in found):
        return None
    return [np.zeros(s) if g is None else np.array(g) for g, s in zip(found, use.call.shapes)]


def _checks(use: Use) -> list[Any]:
    """For each argument: the spot where the most is sent back, that number, and differences."""
    gradients, checks = _upstream(use), list[Any]()
    for j, g in enumerate(use.back):
        if g is None or gradients is None or j >= len(use.call.given) or not np.size(g):
            checks.append(None)
            continue
        spot = int(np.argmax(np.abs(np.nan_to_num(g))))
        numeric = _difference(use, j, spot, gradients)
        sent = float(np.asarray(g).flat[spot])
        fine = np.isfinite([numeric, sent]).all()
        checks.append([spot, sent, numeric] if fine else None)
    return checks


def _difference(use: Use, j: int, spot: int, gradients: list[Any]) -> float:
    """Σ dy · y by differences at one element of an input."""

    def at(move: float) -> float:
        arrays = _arrays(use)
        arrays[j] = np.array(arrays[j])
        arrays[j].flat[spot] += move
        ys = _fresh(use).forward(*arrays)
        several = ys if isinstance(ys, tuple | list) else [ys]
        return float(sum((g * y).sum() for g, y in zip(gradients, several)))

    with np.errstate(all="ignore"):
        return (at(STEP) - at(-STEP)) / (2 * STEP)
