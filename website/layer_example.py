"""The example of a layer, from its row in the table of samples: forward and backward by hand."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from handgrad.layers import Loss
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT, Sample

MOST = 24  # numbers of an array that are written out
PLAIN = (int, float, str, bool, type(None))


def samples_of(cls: Any) -> list[Sample]:
    """The rows of a class whose arguments can be written down, the shortest first."""
    rows = [s for s in (*SAMPLES, *WITHOUT_GRADIENT) if s.cls is cls]
    return sorted((s for s in rows if all(map(_plain, s.arguments.values()))), key=_length)


def _length(sample: Sample) -> tuple[int, int]:
    arrays = sample.inputs(np.random.default_rng(0), 3)
    return sum(a.size for a in arrays), len(sample.arguments)


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    return isinstance(value, PLAIN)


def literal(array: Any) -> str:
    """An array as code."""
    text = np.array2string(np.asarray(array), separator=", ", precision=2, suppress_small=True)
    rows = " ".join(line.strip() for line in text.splitlines())
    return f"np.array({rows})"


def example_of(name: str, cls: Any) -> str | None:
    """Code that calls forward and backward once; None for a layer without a plain sample."""
    for sample in samples_of(cls):
        inputs = [np.round(a, 2) if a.dtype.kind == "f" else a
                  for a in sample.inputs(np.random.default_rng(3), 3)]  # fmt: skip
        if any(a.size > MOST and a.dtype.kind != "f" for a in inputs):
            continue
        code = _code(name, sample, inputs)
        try:
            with np.errstate(all="raise"):
                exec(code, {"print": lambda *a: None})
        except Exception:
            continue
        return code
    return None


def _code(name: str, sample: Sample, inputs: list[Any]) -> str:
    taken = [p.name for p in inspect.signature(sample.cls.forward).parameters.values()][1:]
    names = [*taken, *(f"x{i}" for i in range(len(inputs)))][: len(inputs)]
    if len(set(names)) < len(inputs) or "args" in names or "xs" in names or "inputs" in names:
        names = [f"x{i}" for i in range(len(inputs))]
    options = ", ".join(f"{k}={v!r}" for k, v in sample.arguments.items())
    lines = ["import numpy as np", f"from handgrad import {name}", ""]
    if any(a.size > MOST for a in inputs):
        lines += ["rng = np.random.default_rng(0)"]
    lines += [f"layer = {name}({options})"]
    for variable, array in zip(names, inputs):
        made = literal(array) if array.size <= MOST else f"rng.standard_normal({array.shape})"
        lines.append(f"{variable} = {made}")
    out = "loss" if issubclass(sample.cls, Loss) else "y"
    lines += [
        f"{out} = layer.forward({', '.join(names)})",
        *_backward(sample, inputs, out, names[0]),
    ]
    return "\n".join(lines) + "\n"


def _backward(sample: Sample, inputs: list[Any], out: str, first: str) -> list[str]:
    """The lines after forward: what it gave, and the gradient of the first input."""
    layer = sample.make()
    y = layer.forward(*inputs)
    if isinstance(y, tuple):
        return [f"print([each.shape for each in {out}])"]
    y = np.asarray(y)
    shown = [f"print(np.round({out}, 2))" if y.size <= MOST else f"print({out}.shape)"]
    if sample in WITHOUT_GRADIENT:
        return shown
    if y.ndim == 0:
        dy, gradient = "1.0", layer.backward(1.0)
    else:
        upstream = np.round(np.random.default_rng(1).standard_normal(y.shape), 1)
        dy = (
            literal(upstream)
            if y.size <= MOST
            else f"np.sin(np.arange({out}.size)).reshape({out}.shape)"
        )
        gradient = layer.backward(upstream)
    several = isinstance(gradient, tuple | list)
    found = gradient[0] if several else gradient
    shown.append(f"d{first} = layer.backward({dy})" + ("[0]" if several else ""))
    if found is not None:
        small = np.asarray(found).size <= MOST
        shown.append(f"print(np.round(d{first}, 2))" if small else f"print(d{first}.shape)")
    return shown
