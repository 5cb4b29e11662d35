"""The data of a run: their checksums, and the name, path or file that they are found by."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.report.sums import sum_of_array
from handgrad.train import read_table, schema
from handgrad.train.dataset import Dataset
from handgrad.train.loading import NAMES, load_data
from handgrad.train.npz import read_npz
from handgrad.train.tables.table import SUFFIXES
from handgrad.train.write import write_whole

KEPT = "data.npz"
TEXTS: schema.Check = schema.list_of(schema.text)
TARGETS: schema.Check = schema.list_of(schema.kind("a column", str, int))
SOURCE: schema.Check = schema.record(
    {"name": schema.text},
    {"seed": schema.integer(0, schema.WORD), "folder": schema.optional(schema.text),
     "targets": TARGETS, "header": schema.optional(schema.kind("a truth value", bool)),
     "separator": schema.optional(schema.text), "task": schema.optional(schema.text),
     "columns": schema.mapping(TEXTS), "at": schema.text},
)  # fmt: skip
SUM: schema.Check = schema.record(
    {"shape": schema.list_of(schema.integer(0, 2**48)), "dtype": schema.text,
     "sha256": schema.text}
)  # fmt: skip
FORM: schema.Check = schema.record(
    {"source": schema.optional(SOURCE), "kept": schema.optional(schema.text),
     "arrays": schema.mapping(SUM)}
)  # fmt: skip
Arrays = dict[str, Array]


def arrays_of(trainer: Any) -> Arrays:
    """What a training learns from and is validated on, as it is after all preparation."""
    x_val, t_val = trainer.validation or (None, None)
    named = {"x": trainer.x, "t": trainer.t, "x_val": x_val, "t_val": t_val,
             "weights": trainer.weights}  # fmt: skip
    return {name: np.asarray(a) for name, a in named.items() if a is not None}


def describe_data(trainer: Any, source: Any, folder: Path, keep: bool) -> dict[str, Any]:
    """Checksums, and where the data are: `source`, or a file that is written into the folder."""
    arrays = arrays_of(trainer)
    if keep:
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **arrays)
        write_whole(folder / KEPT, content.getvalue())
    return {"source": source, "kept": KEPT if keep else None,
            "arrays": {name: sum_of_array(a) for name, a in arrays.items()}}  # fmt: skip


def check_source(source: Any) -> dict[str, Any] | None:
    """A source as plain data, from a name or path, or what the command gives."""
    if source is None:
        return None
    if isinstance(source, str | Path):
        source = {"name": str(source)}
    SOURCE(source, "data")
    if Path(source["name"]).exists():
        source = source | {"at": str(Path(source["name"]).resolve())}
    return dict(source)


def load_source(source: Mapping[str, Any], folder: Path, other: Path | None = None) -> Arrays:
    """The arrays of a data set by its name or path, or of `other` in its stead.

    A path is looked for as it was given, beside `run.json`, and where it was.
    """
    name: str | Path = source["name"]
    if other is not None:
        name = other
    elif name not in NAMES:
        spots = (Path(name), folder / Path(name).name, Path(source.get("at", name)))
        name = next((spot for spot in spots if spot.exists()), name)
    dataset = _dataset(name, source)
    return {"x": dataset.x_train, "t": dataset.t_train, "x_val": dataset.x_test,
            "t_val": dataset.t_test}  # fmt: skip


def _dataset(name: str | Path, source: Mapping[str, Any]) -> Dataset:
    seed = source.get("seed", 0)
    if Path(name).suffix.lower() not in SUFFIXES:
        return load_data(name, source.get("folder"), seed=seed)
    table = read_table(
        name, source.get("targets") or -1, header=source.get("header"),
        separator=source.get("separator"), task=source.get("task"), **source.get("columns", {}),
    )  # fmt: skip
    return table.split(seed=seed)


def load_kept(path: Path) -> Arrays:
    """The arrays that a run kept beside it."""
    return read_npz(path)


def shaped(arrays: Arrays, sums: Mapping[str, Any]) -> Arrays:
    """Inputs in the shape that samples had: of pictures, a data set has rows."""
    found = dict(arrays)
    for name in ("x", "x_val"):
        shape = sums.get(name, {}).get("shape", [0])[1:]
        if name in found and math.prod(found[name].shape[1:]) == math.prod(shape):
            found[name] = found[name].reshape(len(found[name]), *shape)
    return found


def check_sums(arrays: Arrays, sums: Mapping[str, Any]) -> None:
    """Raise ValueError, saying which, where the data are not those of the run."""
    for name in sorted({*arrays, *sums}):
        now = sum_of_array(arrays[name]) if name in arrays else None
        if now != sums.get(name):
            raise ValueError(
                f"the data are not those of the run: {name} was {_said(sums.get(name))}, "
                f"is {_said(now)}"
            )


def _said(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "not there"
    return f"{'×'.join(map(str, one['shape']))} {one['dtype']} ({one['sha256'][:12]})"
