"""What a check found, for people (`str`), for programs (`to_dict`) and for browsers (`to_html`)."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handgrad.findings.causes import CAUSES, FAMILIES, family
from handgrad.findings.html import report_html

__all__ = ["CAUSES", "FAMILIES", "Report", "Row", "Where", "family"]

RIGHT, WRONG, UNKNOWN = "right", "wrong", "cannot tell"


def wrapped(text: str) -> str:
    """A paragraph in the lines of a narrow terminal; -0.5 and 1e-05 stay whole."""
    return textwrap.fill(text, 77, break_long_words=False, break_on_hyphens=False)


def gradient_of(name: str) -> str:
    """What the gradient of an argument is called: dx for x, 0.dW for 0.W."""
    path, dot, last = name.rpartition(".")
    return f"{path}{dot}d{last}"


@dataclass(frozen=True)
class Where:
    """The worst entry of a wrong gradient: what backward says and what differences say."""

    gradient: str
    index: tuple[int, ...]
    analytic: float
    numeric: float

    @property
    def ratio(self) -> float:
        """analytic / numeric."""
        return self.analytic / self.numeric if self.numeric else float("inf")

    def __str__(self) -> str:
        position = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        text = f"{self.gradient}{position} is {self.analytic:.6g}, and should be {self.numeric:.6g}"
        return text + (f" (ratio {self.ratio:.6g})" if self.numeric else "")


@dataclass(frozen=True)
class Row:
    """One gradient in the table: its shape, its largest error, and whether it is right."""

    gradient: str
    shape: tuple[int, ...]
    error: float
    verdict: str
    method: str


@dataclass
class Report:
    """The verdict on a subject, and what it rests on."""

    subject: str
    verdict: str
    cause: str | None = None
    where: Where | None = None
    evidence: list[str] = field(default_factory=list)
    line: str | None = None  # path:number: code
    table: list[Row] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # causes that were seen beside it
    notes: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)  # what was not given, and is not served
    layer: str | None = None  # in a network: the first wrong layer, ...
    blame: Report | None = None  # ... and its own report
    entries: list[dict[str, Any]] = field(default_factory=list)  # see arrays.py

    def __bool__(self) -> bool:
        return self.verdict == RIGHT

    @property
    def paragraph(self) -> str:
        """The verdict, what it rests on, and what to do, in a few sentences."""
        parts = [self._headline(), *self.evidence]
        if self.where and str(self.where) not in " ".join(parts):
            parts.insert(1, f"{self.where}.")
        crashed = not self.table and self.cause != "forward_bug"  # backward gave nothing to judge
        if self.cause and not crashed:
            parts.append(CAUSES[self.cause].advice)
        if self.line:
            line, _, code = self.line.partition(": ")
            parts.append(f"Look at {Path(line).name}: {code}")
        return " ".join(parts)

    @property
    def boundaries(self) -> list[str]:
        """A sentence for each limit."""
        return [f"Right for what was given; not for {limit}." for limit in self.limits]

    def __str__(self) -> str:
        lines = [wrapped(self.paragraph)]
        if self.others:
            lines.append(wrapped(f"Also seen: {', '.join(self.others)}."))
        if self.blame is not None:
            lines.append(textwrap.indent(str(self.blame), "  "))
        lines += map(wrapped, self.boundaries)
        lines += [wrapped(f"Note: {note}.") for note in self.notes]
        if self.verdict == WRONG and self.table:
            lines += [_spell(row) for row in self.table]
        return "\n".join(lines)

    __repr__ = __str__

    def _headline(self) -> str:
        if self.verdict == RIGHT:
            return f"{self.subject}: right. backward agrees with numerical differentiation."
        if self.verdict == UNKNOWN:
            return f"{self.subject}: cannot tell."
        if self.layer is not None:
            return f"{self.subject}: wrong, and the first wrong layer is {self.layer}."
        return f"{self.subject}: wrong ({self.cause})."

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        where = self.where
        return {
            "subject": self.subject,
            "verdict": self.verdict,
            "cause": self.cause,
            "where": None if where is None else {
                "gradient": where.gradient, "index": list(where.index),
                "analytic": where.analytic, "numeric": where.numeric, "ratio": where.ratio,
            },
            "evidence": list(self.evidence),
            "line": self.line,
            "table": [vars(row) | {"shape": list(row.shape)} for row in self.table],
            "others": list(self.others),
            "notes": list(self.notes),
            "limits": list(self.limits),
            "layer": self.layer,
            "blame": None if self.blame is None else self.blame.to_dict(),
            "entries": list(self.entries),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Report:
        """The report of which `to_dict` made these values."""
        where, blame = values["where"], values["blame"]
        if where is not None:
            where = {k: v for k, v in where.items() if k != "ratio"}
            where = Where(**where | {"index": tuple(where["index"])})
        rows = [Row(**row | {"shape": tuple(row["shape"])}) for row in values["table"]]
        blame = None if blame is None else cls.from_dict(blame)
        return cls(**values | {"where": where, "table": rows, "blame": blame})

    def to_html(self) -> str:
        """A page that needs no other file."""
        return report_html(self)


def _spell(row: Row) -> str:
    shape = "x".join(map(str, row.shape)) or "scalar"
    return f"  {row.gradient:<12} {shape:<14} error {row.error:<10.3g} {row.verdict}"
