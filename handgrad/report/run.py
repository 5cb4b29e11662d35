"""run.json: what a run was, in one file of plain data, checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handgrad.report import data, seen, start
from handgrad.report.objects import plain
from handgrad.train import schema
from handgrad.train.history import History
from handgrad.train.write import write_whole

FORMAT = "handgrad run 1"
NAME = "run.json"
COUNT: schema.Check = schema.integer(0, 2**62)
TEXTS: schema.Check = schema.list_of(schema.text)
FLAG: schema.Check = schema.kind("a truth value", bool)
TRAINING: schema.Check = schema.record(
    {"optimizer": schema.anything, "loss": schema.anything, "augment": schema.anything,
     "average": schema.anything, "callbacks": schema.list_of(schema.anything), "steps": COUNT,
     "batch": COUNT, "accumulate": COUNT, "shuffle": FLAG, "weighting": schema.text,
     "seed": schema.integer(0, schema.WORD), "metrics": TEXTS,
     "threads": schema.optional(COUNT), "engine": schema.one_of("native", "numpy")},
    {"shards": schema.optional(COUNT), "batch_norm": schema.text,
     "gradients": schema.optional(schema.text)},
)  # fmt: skip
RESULT: schema.Check = schema.record(
    {"steps": COUNT, "epochs": COUNT, "stopped": schema.optional(schema.text),
     "interrupted": FLAG, "weights": schema.text,
     "columns": schema.mapping(schema.list_of(schema.anything))}
)  # fmt: skip
RUN: schema.Check = schema.record(
    {"format": schema.one_of(FORMAT), "versions": schema.mapping(schema.text),
     "machine": schema.mapping(schema.anything), "refused": TEXTS, "beside": TEXTS,
     "data": data.FORM, "start": schema.optional(start.FORM),
     "training": schema.optional(TRAINING), "engine": schema.text, "shown": schema.text,
     "result": schema.optional(RESULT), "seen": seen.FORM}
)  # fmt: skip


def run_path(path: str | Path) -> Path:
    """The file that a folder or a path means. ValueError for another file."""
    path = Path(path)
    if path.is_file() and path.suffix != ".json":
        raise ValueError(f"{path}: the folder of a run, or its {NAME}, is needed")
    return path if path.suffix == ".json" else path / NAME


def read_run(path: str | Path) -> dict[str, Any]:
    """The content of run.json, or of the one in a folder.

    Raises ValueError, in one line, for what is no such file, FileNotFoundError where there is none.
    """
    path = run_path(path)
    try:
        run: dict[str, Any] = RUN(schema.parse(path.read_bytes(), "it"), "it")
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a run of handgrad: {error}") from None
    return run


def write_run(path: Path, run: Mapping[str, Any]) -> None:
    """Write run.json whole, or leave what is there as it is."""
    text = json.dumps(plain(run), ensure_ascii=False, indent=1, allow_nan=False)
    write_whole(path, text.encode())


def history_of(run: Mapping[str, Any]) -> History:
    """The history of a run that has ended; an empty one before."""
    result = run["result"] or {"columns": {}, "stopped": None}
    columns = {k: [float(v) for v in values] for k, values in result["columns"].items()}
    return History(columns, result["stopped"])
