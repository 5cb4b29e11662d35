"""Running: a layer or network is run on its inputs, and gradients are sent back, to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from handgrad.explain.use import argument_names
from handgrad.inside import untouched, walk
from handgrad.layer import Parameter, apply, as_input, shallow_clone, slots
from handgrad.layers import meant
from handgrad.layers.recurrent.state import forgetting
from handgrad.network import Network
from handgrad.tensor import Tensor, learning


class Run(NamedTuple):
    """What came out, as tensors that know their past; paths: where layers stand, by identity."""

    title: str
    outputs: list[Tensor]
    paths: dict[int, str]


@contextmanager
def run(
    subject: Any, inputs: Sequence[Any], t: Any, loss: Any, dy: Any, *, who: str = "draw"
) -> Iterator[Run]:
    """A copy is run on the inputs; with targets `t` or an upstream `dy` gradients are sent back.

    Inside, what the run left can be looked at; afterwards the subject is as before, but built.
    Raises ValueError, in the name of `who`, where the output does not come from the inputs.
    """
    if isinstance(subject, Network):
        with np.errstate(all="ignore"):  # not finite is no error in a picture
            subject.build(*inputs)
    layer = shallow_clone(subject)
    with untouched(layer), _own_gradients(layer), forgetting(layer), np.errstate(all="ignore"):
        with learning():
            outputs = _outputs(layer, inputs, who)
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
        yield Run(f"{type(subject).__name__} on {shapes}", outputs, paths)


def _outputs(layer: Any, inputs: Sequence[Any], who: str) -> list[Tensor]:
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
            f"{who}: the output of {type(layer).__name__} does not come from layers on its inputs"
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
