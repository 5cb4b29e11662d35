"""Draw: the graph behind a tensor, a layer, a network or a trace, with all its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.compile.trace import Trace
from handgrad.explain.graph import Graph
from handgrad.explain.picture import Picture
from handgrad.explain.record import record
from handgrad.explain.traced import graph_of_trace
from handgrad.explain.use import argument_names, behind
from handgrad.inside import is_layer, untouched, walk
from handgrad.layer import Parameter, apply, as_input, shallow_clone, slots
from handgrad.layers import meant
from handgrad.layers.recurrent.state import forgetting
from handgrad.network import Network
from handgrad.tensor import Tensor, learning

SMALL = 40  # calls that a notebook shows unasked


def draw(
    subject: Any, *inputs: Any, t: Any = None, loss: Any = None, dy: Any = None,
    open: int | str | Sequence[str] = 0,
) -> Picture:  # fmt: skip
    """The graph of a tensor, of a layer or network on these inputs, or of a trace.

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
    if isinstance(subject, Tensor | Trace):
        given = {"inputs": inputs or None, "t": t, "loss": loss, "dy": dy}
        for name in (name for name, value in given.items() if value is not None):
            kind = type(subject).__name__.lower()
            raise ValueError(f"draw: {name} is for layers and networks; a {kind} is drawn as it is")
        if isinstance(subject, Trace):
            return Picture(graph_of_trace(subject))
        return Picture(record(subject.name or "Tensor", [subject], open=levels))
    if isinstance(subject, type) or not is_layer(subject):
        raise ValueError(
            "draw: a tensor, a layer or a network with its inputs, or a trace is needed, got "
            f"{subject.__name__ if isinstance(subject, type) else type(subject).__name__}"
        )
    if not inputs:
        name = type(subject).__name__
        raise ValueError(f"draw: {name} is drawn with its inputs, an array each: draw(layer, x)")
    if t is not None and dy is not None:
        raise ValueError("draw: either t or dy, not both: a loss starts from the gradient 1")
    return Picture(_graph_of(subject, inputs, t, loss, dy, levels))


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


def _graph_of(
    subject: Any, inputs: Sequence[Any], t: Any, loss: Any, dy: Any, levels: Any
) -> Graph:
    """Run a copy, send gradients back if there are any, and record."""
    if isinstance(subject, Network):
        with np.errstate(all="ignore"):  # not finite is no error in a picture
            subject.build(*inputs)
    layer = shallow_clone(subject)
    with untouched(layer), _own_gradients(layer), forgetting(layer), np.errstate(all="ignore"):
        with learning():
            outputs = _run(layer, inputs)
        if t is not None:
            last = subject.members[-1] if isinstance(subject, Network) and subject.members else None
            rule, t = meant(t, outputs[0].data, loss, last)
            with learning():
                outputs = [apply(shallow_clone(rule), outputs[0], t)]
        if t is not None or dy is not None:
            several = [dy] if len(outputs) == 1 else dy
            for y, g in zip(outputs, [None] if t is not None else several):
                y.backward(g, retain=True)
        paths = {id(inner): path for path, inner in walk(layer)}
        paths |= {id(getattr(slot.owner, slot.name)): slot.path for slot in slots(layer)}
        shapes = " ".join("×".join(map(str, np.shape(x))) or "scalar" for x in inputs)
        return record(f"{type(subject).__name__} on {shapes}", outputs, open=levels, paths=paths)


def _run(layer: Any, inputs: Sequence[Any]) -> list[Tensor]:
    """The outputs as tensors. Raises ValueError where they did not come from the inputs."""
    cls: Any = type(layer)
    names = argument_names(cls, "__call__" if isinstance(layer, Network) else "forward")
    arrays = [x.data if isinstance(x, Tensor) else None if x is None else np.asarray(x)
              for x in inputs]  # fmt: skip
    if isinstance(layer, Network):
        arrays = [as_input(x, layer.dtype) for x in arrays]
    tensors = [
        Tensor(x, name=names[i] if i < len(names) else f"x{i + 1}")
        if x is not None and x.dtype.kind == "f" else x
        for i, x in enumerate(arrays)
    ]  # fmt: skip
    outputs = layer(*tensors) if isinstance(layer, Network) else apply(layer, *tensors)
    if not isinstance(layer, Network) and not _made(outputs):  # integers meant as real numbers
        tensors = [Tensor(x, name=n) for x, n in zip(arrays, names)]
        outputs = apply(layer, *tensors)
    if not _made(outputs):
        raise ValueError(
            f"draw: the output of {type(layer).__name__} does not come from layers on its inputs"
        )
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def _made(outputs: Any) -> bool:
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    return all(isinstance(y, Tensor) and y.creator is not None for y in several)


@contextmanager
def _own_gradients(layer: Any) -> Iterator[None]:
    """Inside, backward() may set `grad` of the network's Parameters; afterwards it is as before."""
    held = [(v, v.grad) for _, inner in walk(layer) for v in getattr(inner, "__dict__", {}).values()
            if isinstance(v, Parameter)]  # fmt: skip
    try:
        yield
    finally:
        for parameter, before in held:
            parameter.grad = before
