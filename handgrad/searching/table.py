"""The table of a search: a row for each candidate, ranked; in a file, so that it can go on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handgrad.searching.grid import draw_grid
from handgrad.searching.trial import Trial
from handgrad.train.history import is_lower_better
from handgrad.train.write import write_whole


@dataclass
class Row:
    """A candidate: its number and parameters, its last round, and what came of it there.

    scores: on the held-out data, by name. curves: of the history, one number per epoch.
    error: of a candidate that failed.
    """

    number: int
    params: Mapping[str, Any]
    rung: int = 0
    epochs: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    stopped: str | None = None
    error: str | None = None

    def merit(self, score: str) -> float:
        """The score, higher for better; -∞ for a failure."""
        value = self.scores.get(score, math.nan)
        value = -value if is_lower_better(score) else value
        return value if value == value else -math.inf


class SearchResult:
    """What a search found.

    rows: ranked, the best first: those of later rounds before earlier ones, failures last.
    best: the parameters of the best; score: its score; model: the network or estimator with them,
    trained as in the search. print() shows the table, `plot` the learning curves.
    """

    def __init__(self, rows: Iterable[Row], score_name: str, model: Any = None):
        self.score_name, self.model = score_name, model
        self.rows = sorted(
            rows, key=lambda r: (r.error is not None, -r.rung, -r.merit(score_name), r.number)
        )

    @property
    def best(self) -> Mapping[str, Any]:
        """The parameters of the best candidate."""
        return self.rows[0].params

    @property
    def score(self) -> float:
        """The score of the best candidate."""
        return self.rows[0].scores[self.score_name]

    def plot(self, path: str | Path, count: int = 20) -> Path:
        """Draw the learning curves of the best candidates, one small picture each."""
        return draw_grid(self.rows[:count], self.score_name, path)

    def __str__(self) -> str:
        names = list(self.rows[0].params) if self.rows else []
        scores = [self.score_name, *(n for n in (self.rows[0].scores if self.rows else ())
                                     if n != self.score_name)]  # fmt: skip
        lines = [["rank", *names, *scores, "epochs", "seconds"]]
        for rank, row in enumerate(self.rows, 1):
            found = [_short(row.scores.get(name, "")) for name in scores]
            lines.append([
                str(rank), *(_short(row.params[name]) for name in names), *found,
                _short("" if row.epochs is None else row.epochs), f"{row.seconds:.2f}",
            ])  # fmt: skip
        widths = [max(map(len, column)) for column in zip(*lines)]
        text = ["  ".join(c.rjust(w) for c, w in zip(line, widths)).rstrip() for line in lines]
        errors = (row.error for row in self.rows)
        return "\n".join(
            [text[0], *(f"{t}  {e[:80]}" if e else t for t, e in zip(text[1:], errors))]
        )

    __repr__ = __str__


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return getattr(value, "__name__", None) or str(value)


class Store:
    """The file of a search: what it is a search of, and the rows that are done."""

    def __init__(self, path: str | Path | None, key: dict[str, Any]):
        self.path, self.key = None if path is None else Path(path), key
        self.found: dict[tuple[int, int], dict[str, Any]] = {}
        if self.path is not None and self.path.exists():
            self._read(self.path)
        elif self.path is not None and not self.path.parent.is_dir():
            raise ValueError(f"search: {self.path}: there is no folder {self.path.parent}")

    def _read(self, path: Path) -> None:
        try:
            held = json.loads(path.read_bytes())
            had, rows = held["search"], held["rows"]
            self.found = {(row["rung"], row["number"]): row for row in rows}
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise ValueError(f"search: {path} is not the file of a search ({error})") from None
        for name, value in self.key.items():
            if had.get(name) != value:
                raise ValueError(
                    f"search: {path} is of a search with another {name}: {had.get(name)!s:.60}, "
                    f"here {value!s:.60}; give another path"
                )

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows that another process has found and written."""
        self.path, self.found = None, {(row["rung"], row["number"]): dict(row) for row in rows}

    def add(self, trial: Trial, found: dict[str, Any]) -> None:
        """Enter a row, and write the file as a whole."""
        self.found[trial.rung, trial.number] = {
            "rung": trial.rung, "number": trial.number, **found
        }  # fmt: skip
        if self.path is not None:
            rows = [self.found[place] for place in sorted(self.found)]
            text = json.dumps({"search": self.key, "rows": rows}, indent=0)
            write_whole(self.path, text.encode())

    def row(self, trial: Trial) -> Row | None:
        """The row of a trial that is done."""
        found = self.found.get((trial.rung, trial.number))
        if found is None:
            return None
        try:
            return Row(params=trial.params, **found)
        except TypeError as error:
            raise ValueError(f"search: {self.path} is not the file of a search ({error})") from None
