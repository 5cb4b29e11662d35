"""Draw: the graph behind a tensor, a layer, a network or a trace, with all its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.compile.program import Program
from handgrad.compile.trace import Trace
from handgrad.explain.picture import Picture
from handgrad.explain.record import record
from handgrad.explain.running import run
from handgrad.explain.traced import graph_of_trace
from handgrad.explain.use import behind
from handgrad.inside import is_layer
from handgrad.tensor import Tensor

SMALL = 40  # calls that a notebook shows unasked


def draw(
    subject: Any, *inputs: Any, t: Any = None, loss: Any = None, dy: Any = None,
    open: int | str | Sequence[str] = 0,
) -> Picture:  # fmt: skip
    """The graph of a tensor, of a layer or network on these inputs, of a trace or a program.

    Each edge has its value above and its gradient below, each node its local derivatives with
    the numbers in them; where a value is copied, by broadcasting or to several uses, is a node
    whose backward is the sum.
    A tensor shows the gradients that a backward() left; "not computed" before. A layer or a
    network is run, in the mode that it is in, and nothing of it changes but that it is built:
    with targets `t` (and a `loss`, as in `evaluate`), or with the gradient `dy` of the output,
    its gradients are computed.
    open: the layers to show the inside of, by path ("0", "body.1") or class ("Affine"), or how
    many levels; for a layer whose code runs on tensors.
    Raises ValueError for what cannot be drawn or opened.
    """
    levels = _levels(open)
    if isinstance(subject, Tensor | Trace | Program):
        given = {"inputs": inputs or None, "t": t, "loss": loss, "dy": dy}
        for name in (name for name, value in given.items() if value is not None):
            kind = type(subject).__name__.lower()
            raise ValueError(f"draw: {name} is for layers and networks; a {kind} is drawn as it is")
        if isinstance(subject, Program):
            subject = subject.trace
        if isinstance(subject, Trace):
            return Picture(graph_of_trace(subject))
        return Picture(record(subject.name or "Tensor", [subject], open=levels))
    if isinstance(subject, type) or not is_layer(subject):
        raise ValueError(
            "draw: a tensor, a layer or a network with its inputs, a trace or a program is needed, "
            "got "
            f"{subject.__name__ if isinstance(subject, type) else type(subject).__name__}"
        )
    if not inputs:
        name = type(subject).__name__
        raise ValueError(f"draw: {name} is drawn with its inputs, an array each: draw(layer, x)")
    if t is not None and dy is not None:
        raise ValueError("draw: either t or dy, not both: a loss starts from the gradient 1")
    with run(subject, inputs, t, loss, dy) as ran:
        return Picture(record(ran.title, ran.outputs, open=levels, paths=ran.paths))


def small_picture(tensor: Tensor) -> str | None:
    """A tensor as SVG, if it came from a few calls."""
    count = len(behind([tensor]))
    return draw(tensor).svg if 0 < count <= SMALL else None


def _levels(wanted: Any) -> int | list[str]:
    """What is to be opened, as names or a number. Raises ValueError for anything else."""
    if isinstance(wanted, int | np.integer) and wanted >= 0:
        return int(wanted)
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return list(names)
    raise ValueError(f"draw: open is names of layers or a number of levels ≥ 0, got {wanted!r}")
