"""What was understood of a table, as lines of at most 80 columns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

WIDTH = 80
MANY = 40  # columns above which like ones are shown together


@dataclass(frozen=True)
class Line:
    """One column."""

    name: str
    kind: str
    missing: int
    use: str


def shown(lines: list[Line]) -> str:
    """A table: column, kind, missing, use."""
    if len(lines) > MANY:
        lines = [one for _, group in groupby(lines, lambda line: (line.kind, line.use))
                 for one in _together(list(group))]  # fmt: skip
    if len(lines) > MANY:
        lines = [
            *lines[: MANY - 2],
            Line("…", "", 0, f"and {len(lines) - MANY + 1} more"),
            lines[-1],
        ]
    names = max(6, min(24, max(len(line.name) for line in lines)))
    kinds = max(4, min(14, max(len(line.kind) for line in lines)))
    missing = max(7, max(len(f"{line.missing:,}") for line in lines))
    rest = WIDTH - names - kinds - missing - 6
    text = [f"{'column'.ljust(names)}  {'kind'.ljust(kinds)}  {'missing'.rjust(missing)}  use"]
    for line in lines:
        text.append(
            f"{cut(line.name, names).ljust(names)}  {cut(line.kind, kinds).ljust(kinds)}  "
            f"{f'{line.missing:,}'.rjust(missing)}  {cut(line.use, rest)}".rstrip()
        )
    return "\n".join(text)


def _together(lines: list[Line]) -> list[Line]:
    """Columns that follow each other and are alike, as one line."""
    if len(lines) < 4:
        return lines
    first, last = lines[0], lines[-1]
    name = f"{cut(first.name, 9)} … {cut(last.name, 9)}"
    use = f"{len(lines)} columns, each {first.use}"
    return [Line(name, first.kind, sum(line.missing for line in lines), use)]


def cut(text: str, width: int) -> str:
    """A text of at most so many characters, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
