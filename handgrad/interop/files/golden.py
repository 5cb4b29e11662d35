"""Golden vectors: what every layer gives in numbers, for ports to test themselves by."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import adopt, slots, walk
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT, Sample
from handgrad.train.describe import describe
from handgrad.train.npz import read_npz
from handgrad.train.write import write_whole

FORMAT = "handgrad golden 1"
DTYPES = ("float64", "float32")
TOLERANCE = {"float64": 1e-9, "float32": 2e-4}  # of the largest entry, between machines
BATCH, SEED = 3, 20150901


def write_golden(folder: str | Path) -> list[Path]:
    """Write index.json, float64.npz and float32.npz into a folder; the files.

    For each row of the table of samples: the arguments, inputs, parameters and buffers before the
    call, outputs, random upstream gradients, and all gradients. docs/golden.md has the format.
    Raises OSError where the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cases, files = [], []
    for dtype in DTYPES:
        arrays: dict[str, Array] = {}
        cases = [_case(name, sample, dtype, arrays) for name, sample in _named()]
        memory = io.BytesIO()
        np.savez_compressed(memory, **arrays)  # type: ignore[arg-type]
        files.append(write_whole(folder / f"{dtype}.npz", memory.getvalue()))
    index = {"format": FORMAT, "library": _version(), "tolerance": TOLERANCE, "cases": cases}
    text = json.dumps(index, indent=1, ensure_ascii=False)
    return [write_whole(folder / "index.json", text.encode()), *files]


def check_golden(folder: str | Path) -> list[str]:
    """What differs between the vectors in a folder and this library: a line each, empty if none.

    Raises ValueError for a folder without such files, or of another format.
    """
    folder = Path(folder)
    try:
        index = json.loads((folder / "index.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}: no golden vectors ({error})") from None
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ValueError(f"{folder}: index.json is not of the format {FORMAT!r}")
    wrong: list[str] = []
    for dtype in DTYPES:
        ours: dict[str, Array] = {}
        cases = [_case(name, sample, dtype, ours) for name, sample in _named()]
        if dtype == DTYPES[0]:
            wrong += _differing(cases, index["cases"])
        wrong += [f"{dtype}: {line}" for line in _compare(ours, read_npz(folder / f"{dtype}.npz"),
                                                          TOLERANCE[dtype])]  # fmt: skip
    return wrong


def _named() -> Iterator[tuple[str, Sample]]:
    """Every row of the table under the layer's name and a number."""
    count: dict[str, int] = {}
    for sample in (*SAMPLES, *WITHOUT_GRADIENT):
        name = sample.cls.__name__
        count[name] = count.get(name, -1) + 1
        yield f"{name}-{count[name]}", sample


def _case(name: str, sample: Sample, dtype: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """Run one row, put its arrays under `name/…`, and describe it."""
    rng, layer = np.random.default_rng(SEED), sample.make()
    adopt(layer, SEED, dtype)
    inputs = [_cast(x, dtype) for x in sample.inputs(rng, BATCH)]
    outputs = _listed(layer.forward(*[x.copy() for x in inputs]))
    upstream = [_cast(rng.standard_normal(np.shape(y)), dtype) for y in outputs]
    gradients: dict[str, Array] = {}
    if sample not in WITHOUT_GRADIENT:
        found = _listed(layer.backward(*[g if g.ndim else g[()] for g in upstream]))
        gradients = {str(k): g for k, g in enumerate(found) if g is not None}
        gradients |= {slot.path: slot.grad for slot in slots(layer) if slot.grad is not None}
    parts: dict[str, dict[Any, Array]] = {
        "input": dict(enumerate(inputs)),
        "parameter": {slot.path: slot.value for slot in slots(layer)},
        "output": dict(enumerate(outputs)),
        "upstream": dict(enumerate(upstream)),
        "gradient": gradients,
        "buffer": _buffers(layer),
    }
    for part, held in parts.items():
        arrays |= {f"{name}/{part}/{key}": np.array(array) for key, array in held.items()}
    again = _listed(layer.forward(*[x.copy() for x in inputs]))
    draws = not all(map(np.array_equal, map(np.asarray, outputs), map(np.asarray, again)))
    described = {"name": name, "layer": describe(sample.make()), "draws": draws}
    return described | {part: list(map(str, held)) for part, held in parts.items()}


def _buffers(layer: Any) -> dict[str, Array]:
    """The buffers of a layer and those inside, as the call has left them."""
    return {
        f"{where}.{name}" if where else name: array.copy()
        for where, inner in walk(layer)
        for name in getattr(inner, "buffers", ())
        if isinstance(array := getattr(inner, name, None), np.ndarray)
    }


def _cast(x: Any, dtype: str) -> Array:
    array = np.asarray(x)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, tuple | list) else [values]


def _compare(ours: dict[str, Array], theirs: dict[str, Array], rtol: float) -> Iterator[str]:
    """A line for each array that is missing, too many, of another shape, or differs."""
    for name in sorted(set(ours) ^ set(theirs)):
        yield f"{name} is {'missing' if name in ours else 'not one of ours'}"
    for name in sorted(set(ours) & set(theirs)):
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            yield f"{name} is {b.dtype} of shape {b.shape}, ours {a.dtype} of {a.shape}"
        elif a.size and not np.allclose(a, b, rtol, rtol * np.abs(a).max(), equal_nan=True):
            worst = np.unravel_index(np.argmax(np.abs(a - b)), a.shape)
            at = tuple(map(int, worst))
            yield f"{name} differs most at {at}: {b[worst].item()!r}, ours {a[worst].item()!r}"


def _differing(ours: list[dict[str, Any]], theirs: Any) -> Iterator[str]:
    """A line for each case that is described otherwise."""
    named = {case["name"]: case for case in theirs}
    for case in ours:
        if case["name"] in named and named[case["name"]] != json.loads(json.dumps(case)):
            yield f"{case['name']} is described otherwise in index.json"


def _version() -> str:
    return str(getattr(sys.modules["handgrad"], "__version__", "unknown"))
