"""Kernels: the C functions of the folder `kernels`, of which a file gets those that it calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("kernels")
FILES = ("activation", "arithmetic", "product", "recurrent", "convolution", "pooling",
         "normalization", "dropout", "loss", "optimizer")  # fmt: skip


@cache
def sources() -> dict[str, str]:
    """Every function, and every type, with its comment, by its name, in an order in which what is
    used comes before what uses it."""
    found: dict[str, str] = {}
    for file in FILES:
        text = (FOLDER / f"{file}.c").read_text(encoding="ascii")
        for part in re.split(r"\n\n(?=/\*)", text.strip()):
            name = re.search(r"^static [\w ]+ \*?(\w+)\(|^\} (\w+);", part, re.M)
            assert name, part
            found[name[1] or name[2]] = part
    return found


def needed(functions: Iterable[str]) -> list[str]:
    """The sources of these functions and of those that they call."""
    known, left, wanted = sources(), list(functions), set()
    while left:
        name = left.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            left += re.findall(r"\b[A-Za-z]\w*\b", known[name].split("*/", 1)[1])
    return [text for name, text in known.items() if name in wanted]
