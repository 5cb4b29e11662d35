"""Use: a call of a layer as a picture needs it, also after backward() has freed it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from handgrad.derivative import on_tensors
from handgrad.explain.formula import local_lines, shape_line, terms
from handgrad.inside import untouched, walk
from handgrad.layer import Parameter, apply, slots
from handgrad.layers import Broadcast
from handgrad.tensor import CallRecord, Faded, Tensor, arrays_refused, learning

# What a layer's code raises where it does not run on tensors.
NOT_ON_TENSORS = (AttributeError, IndexError, TypeError, ValueError, NotImplementedError)


def given(call: CallRecord) -> tuple[Any, ...]:
    """The inputs of a call: tensors, arrays, and `Faded` where backward() let go of them."""
    past: tuple[Any, ...] = call.past if call.layer is None else call.given
    return past


def behind(outputs: Iterable[Any]) -> list[CallRecord]:
    """The calls that these tensors came from, freed ones too, in the order of computing."""
    found: set[CallRecord] = set()
    waiting = [getattr(y, "creator", None) for y in outputs]
    while waiting:
        call = waiting.pop()
        if call is not None and call not in found:
            found.add(call)
            waiting += [x.creator for x in given(call) if isinstance(x, Tensor | Faded)]
    return sorted(found, key=lambda call: call.order)


def parameters_of(call: CallRecord) -> list[tuple[Any, str]]:
    """(layer, name) of each parameter that took part, in the order of `backward`'s."""
    if call.layer is None:
        return [(slot.owner, slot.name) for slot in slots(call.original)]
    return [(original, name) for _, original, name in call.owners]


def again(call: CallRecord) -> CallRecord | None:
    """The call with its state: one that was freed is made again, unless it is large or random."""
    if call.layer is not None:
        return call
    inner = [layer for _, layer in walk(call.original)]
    if any(isinstance(x, Faded) for x in call.past) or any(
        getattr(layer, "stateful", False) for layer in inner
    ):
        return None
    fresh = [Tensor(x.data, x.requires_grad) if isinstance(x, Tensor) else x for x in call.past]
    streams = [s for layer in inner if (s := getattr(layer, "stream", None)) is not None]
    steps = [stream.step for stream in streams]
    with untouched(call.original), learning(), np.errstate(all="ignore"):
        outputs = apply(call.original, *fresh)
        random = steps != [stream.step for stream in streams]
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    made: CallRecord | None = None if random else getattr(first, "creator", None)
    return made


def upstream(call: CallRecord) -> list[Any] | None:
    """The gradient of each output; None where no backward() has come."""
    found = [t.grad if (t := reference()) is not None else None for reference in call.outputs]
    return None if all(g is None for g in found) else found


def sent_back(call: CallRecord, gradients: Sequence[Any]) -> tuple[Sequence[Any], list[Any]]:
    """What the call's backward gives for these gradients: of its inputs, of its parameters."""
    copies = [None if g is None else np.array(g) for g in gradients]
    with np.errstate(all="ignore"):
        return call.backward(copies)


@lru_cache(maxsize=512)
def argument_names(cls: Any, method: str = "forward") -> tuple[str, ...]:
    """The names of a method's inputs, but for *inputs."""
    try:
        parameters = list(inspect.signature(getattr(cls, method)).parameters.values())[1:]
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.kind is not inspect.Parameter.VAR_POSITIONAL)


def name_of_input(call: CallRecord, i: int) -> str:
    """What forward calls its input i."""
    cls: Any = type(call.original)
    names = argument_names(cls)
    return names[i] if i < len(names) else f"x{i + 1}"


def lines_of(call: CallRecord, live: CallRecord | None) -> tuple[list[str], str]:
    """The local derivatives with numbers; the shapes in letters and numbers."""
    cls, inputs = type(call.original), given(call)
    names = [name_of_input(call, i) for i in range(len(inputs))]
    arrays = {n: x.data if isinstance(x, Tensor) else x for n, x in zip(names, inputs)
              if not isinstance(x, Faded)}  # fmt: skip
    parameters = [(n, getattr(owner, n, None)) for owner, n in parameters_of(call)]
    output = call.outputs[0]() if len(call.outputs) == 1 else None
    values = {k: v for k, v in vars(live.layer if live else call.original).items() if _plain(v)}
    values |= {n: _array(v) for n, v in (*parameters, *arrays.items()) if v is not None}
    y = "loss" if "y" in names else "y"
    if output is not None:
        values[y] = output.data
    found = upstream(call)
    values["d" + y] = found[0] if found and len(found) == 1 else None
    wanted = ["d" + n for n, x in zip(names, inputs) if getattr(x, "requires_grad", False)]
    wanted += ["d" + n for n, _ in parameters]
    lines = local_lines(cls, values, wanted, lambda: _slopes(live, names), "d" + y)
    if isinstance(call.original, Broadcast) and lines and values["dy"] is not None:
        lines[0] += terms(values["dy"], np.shape(values["x"]))
    shapes = {n: np.shape(v) for n, v in (*parameters, *arrays.items()) if v is not None}
    shapes |= {n: x.shape for n, x in zip(names, inputs) if isinstance(x, Faded)}
    shapes[y] = call.shapes[0]
    return lines, shape_line(cls, shapes)


def _plain(value: Any) -> bool:
    return isinstance(value, float | int | np.number) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
    )


def _array(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _slopes(call: CallRecord | None, names: Sequence[str]) -> dict[str, float]:
    """The derivative of a number by each number that went in."""
    if call is None or [int(np.prod(shape)) for shape in call.shapes] != [1]:
        return {}
    gradients, parameters = sent_back(call, [np.ones(call.shapes[0])])
    found = [*zip(names, gradients), *((n, g) for (_, _, n), g in zip(call.owners, parameters))]
    return {f"d{n}": np.asarray(g).item() for n, g in found if g is not None and np.size(g) == 1}


def opened(
    call: CallRecord, *, strict: bool = False
) -> tuple[list[Tensor], list[tuple[Any, Tensor]]] | None:
    """What the layer's code does with tensors: its outputs, and (parameter or input, its tensor).

    None where the code does not run on tensors, or is a single step anyway; where `strict`, also
    where it compares tensors, since for other numbers it would do something else.
    """
    live = again(call)
    if live is None:
        return None
    stand_ins: list[tuple[Any, Tensor]] = []

    def parameter(owner: Any, original: Any, name: str) -> Tensor:
        stand_ins.append(((original, name), Parameter(getattr(owner, name))))
        return stand_ins[-1][1]

    inputs = [Tensor(x.data, x.requires_grad) if isinstance(x, Tensor) else x for x in live.given]
    stand_ins += [(x, y) for x, y in zip(given(call), inputs) if isinstance(y, Tensor)]
    try:
        with (
            untouched(call.original),
            arrays_refused(comparisons=strict),
            learning(),
            np.errstate(all="ignore"),
        ):
            copy, _ = on_tensors(live, parameter)
            outputs = copy.forward(*inputs)
    except NOT_ON_TENSORS:
        return None
    several = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    if not all(isinstance(y, Tensor) and y.creator is not None for y in several):
        return None
    gradients = upstream(call)
    for y, dy in zip(several, gradients or []):
        if dy is not None:
            with np.errstate(all="ignore"):
                y.backward(dy, retain=True)
    return several, stand_ins
