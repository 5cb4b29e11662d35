"""Seen: the form of what a run.json says of the trained network, checked before a page shows it."""

from __future__ import annotations

import re
from typing import Any

from handgrad.train import schema

TEXTS: schema.Check = schema.list_of(schema.text)
COUNT: schema.Check = schema.integer(0, 2**62)
NUMBER: schema.Check = schema.kind("a number", int, float, str)  # "NaN", where it is not finite
PERHAPS: schema.Check = schema.optional(NUMBER)
TAGS = {"svg", "title", "desc", "style", "rect", "g", "path", "text"}
PNG = "data:image/png;base64,"


def _graph(value: Any, where: str) -> Any:
    """An SVG of the elements that `draw` makes, which can run nothing and fetch nothing."""
    schema.text(value, where)
    tags = set(re.findall(r"<\s*/?\s*([^\s>/]*)", value))
    if not tags <= TAGS or re.search(r"<[^>]*(\son\w+\s*=|href)|url\(|@import", value, re.I):
        raise schema.refuse(where, f"an SVG of {', '.join(sorted(TAGS))} alone", value)
    return value


def _picture(value: Any, where: str) -> Any:
    if not schema.text(value, where).startswith(PNG):
        raise schema.refuse(where, f"a picture, {PNG}…", value)
    return value


SAMPLE: schema.Check = schema.record(
    {"number": COUNT, "target": schema.text, "output": schema.text, "loss": NUMBER},
    {"picture": _picture, "broken": COUNT, "more": COUNT,
     "row": schema.list_of(schema.list_of(schema.text, 2))},
)  # fmt: skip
HISTOGRAM: schema.Check = schema.optional(
    schema.record({"low": schema.number, "high": schema.number, "counts": schema.list_of(COUNT)})
)
OUTPUT: schema.Check = schema.record(
    {"path": schema.text, "kind": schema.text, "shape": schema.list_of(COUNT), "rms": NUMBER,
     "gradient": PERHAPS},
    {"dead": PERHAPS, "saturated": PERHAPS, "histogram": HISTOGRAM, "moved": PERHAPS},
)  # fmt: skip
PARAMETER: schema.Check = schema.record(
    {"path": schema.text, "shape": schema.list_of(COUNT), "rms": NUMBER, "gradient": NUMBER},
    {"update": PERHAPS, "frozen": schema.anything, "histogram": HISTOGRAM,
     "gradient_histogram": HISTOGRAM},
)  # fmt: skip
READING: schema.Check = schema.record(
    {"step": COUNT, "epoch": COUNT, "samples": COUNT, "loss": NUMBER, "eval_loss": NUMBER,
     "gradient_norm": NUMBER, "lr": NUMBER},
    {"outputs": schema.list_of(OUTPUT), "parameters": schema.list_of(PARAMETER)},
)  # fmt: skip
FINDING: schema.Check = schema.record(
    dict.fromkeys(("name", "title", "grade", "where", "measured", "advice"), schema.text),
    {"step": schema.optional(COUNT), "numbers": schema.anything},
)
DIAGNOSIS: schema.Check = schema.record(
    {"findings": schema.list_of(FINDING), "readings": schema.list_of(READING)},
    {"facts": schema.anything, "seconds": NUMBER},
)
FORM: schema.Check = schema.record(
    {},
    {"graph": schema.optional(_graph), "diagnosis": DIAGNOSIS, "of": schema.text, "samples": COUNT,
     "without": schema.text, "classes": TEXTS, "worst": schema.list_of(SAMPLE),
     "confusion": schema.list_of(schema.list_of(COUNT)),
     "calibration": schema.list_of(schema.list_of(schema.number, 3))},
)  # fmt: skip
