"""History: what training recorded, epoch by epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any


class History:
    """One list of numbers per name ("loss", "accuracy", "val_loss", …), one entry per epoch.

    history["loss"] is a list; `best(name)` is the epoch, counted from 1, where it was best.
    `stopped` says why training ended before its last epoch, or is None. `diagnosis` is what the
    training doctor saw, where it watched.
    """

    diagnosis: Any = None

    def __init__(self, columns: dict[str, list[float]] | None = None, stopped: str | None = None):
        self.columns = {name: list(values) for name, values in (columns or {}).items()}
        self.stopped = stopped

    def add(self, **numbers: float) -> None:
        """Record one epoch."""
        for name, value in numbers.items():
            self.columns.setdefault(name, []).append(float(value))

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.columns:
            raise KeyError(f"{name!r} was not recorded; there are {', '.join(self.columns)}")
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        """Number of epochs."""
        return max(map(len, self.columns.values()), default=0)

    def last(self) -> dict[str, float]:
        """The numbers of the last epoch."""
        return {name: values[-1] for name, values in self.columns.items()}

    def best(self, name: str) -> int:
        """The epoch (from 1) with the lowest loss, or the highest of any other number."""
        values = self[name]
        return 1 + values.index((min if is_lower_better(name) else max)(values))

    def to_csv(self) -> str:
        """A table with one line per epoch."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *self.columns])
        for i in range(len(self)):
            writer.writerow([i + 1, *(repr(values[i]) for values in self.columns.values())])
        return text.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `History(**data)` is the same again."""
        return {"columns": self.columns, "stopped": self.stopped}

    def __repr__(self) -> str:
        last = ", ".join(f"{k} {v:.4g}" for k, v in self.last().items())
        why = f", stopped: {self.stopped}" if self.stopped else ""
        return f"History({len(self)} epochs; last: {last}{why})"


def is_lower_better(name: str) -> bool:
    """Whether less of this number is better: losses and errors, but not scores."""
    return "loss" in name or "error" in name
