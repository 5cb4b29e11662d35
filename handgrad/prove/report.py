"""What a check found, for people (`str`), for programs (`to_dict`) and for browsers (`to_html`)."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handgrad.prove.show.html import report_html

RIGHT, WRONG, UNKNOWN = "right", "wrong", "cannot tell"

# Causes that cannot always be told apart from outside.
FAMILIES = (
    ("wrong_formula", "missing_term"),
    ("wrong_sign", "wrong_scale"),
    ("upstream_ignored",),
    ("missing_batch_sum", "wrong_axis"),
    ("transpose", "swapped_outputs", "shape"),
    ("inplace_dout", "inplace_input", "aliasing"),
    ("stale_state", "accumulates", "missing_param_grad"),
    ("nondeterministic",),
    ("broadcasting", "layout", "boundary"),
    ("dtype", "numeric_instability"),
    ("forward_bug",),
)
CAUSES = tuple(cause for family in FAMILIES for cause in family)


def family(cause: str | None) -> tuple[str, ...]:
    """The causes that count as the same mistake."""
    return next((f for f in FAMILIES if cause in f), ())


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
    others: dict[str, float] = field(default_factory=dict)  # other causes and their weight
    notes: list[str] = field(default_factory=list)
    layer: str | None = None  # in a network: the first wrong layer, ...
    blame: Report | None = None  # ... and its own report
    entries: list[dict[str, Any]] = field(default_factory=list)  # see show/arrays.py

    def __bool__(self) -> bool:
        return self.verdict == RIGHT

    @property
    def paragraph(self) -> str:
        """The verdict, what it rests on, and what to do, in a few sentences."""
        parts = [self._headline(), *self.evidence]
        if self.where and str(self.where) not in " ".join(parts):
            parts.insert(1, f"{self.where}.")
        crashed = not self.table and self.cause != "forward_bug"  # backward gave nothing to judge
        if self.cause in ADVICE and not crashed:
            parts.append(ADVICE[self.cause])
        if self.line:
            line, _, code = self.line.partition(": ")
            parts.append(f"Look at {Path(line).name}: {code}")
        return " ".join(parts)

    def __str__(self) -> str:
        lines = [textwrap.fill(self.paragraph, 92)]
        if self.others:
            rest = ", ".join(f"{c} ({w:.2f})" for c, w in self.others.items())
            lines.append(f"Less likely: {rest}.")
        if self.blame is not None:
            lines.append(textwrap.indent(str(self.blame), "  "))
        lines += [f"Note: {note}." for note in self.notes]
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
            "others": dict(self.others),
            "notes": list(self.notes),
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


@dataclass(frozen=True)
class Found:
    """One subject of a file: its report, or the reason why there is none."""

    name: str
    report: Report | None = None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """The report's, or "not checked"."""
        return "not checked" if self.report is None else self.report.verdict


def _spell(row: Row) -> str:
    shape = "x".join(map(str, row.shape)) or "scalar"
    return f"  {row.gradient:<12} {shape:<14} error {row.error:<10.3g} {row.verdict}"


ADVICE = {
    "wrong_formula": "The derivative is another function: derive it again from the forward.",
    "missing_term": "A part of the derivative is left out: every path from the input to the "
    "output adds one term.",
    "wrong_sign": "A sign is wrong.",
    "wrong_scale": "A constant factor is wrong.",
    "upstream_ignored": "By the chain rule every gradient is the local derivative times the "
    "upstream gradient, and so linear in it.",
    "missing_batch_sum": "What is used by every row of the batch gets the sum of the gradients "
    "of all rows.",
    "wrong_axis": "A sum or an index runs along another axis than in the forward.",
    "transpose": "The values are right but lie transposed.",
    "swapped_outputs": "The gradients are exchanged: return them in the order of "
    "forward's inputs.",
    "shape": "A gradient has the shape of what it is the gradient of.",
    "inplace_dout": "The array belongs to the caller, who may use it again (a skip connection "
    "does): make a new one.",
    "inplace_input": "The array belongs to the caller: make a new one.",
    "aliasing": "Two things that should be apart share memory: return a new array.",
    "stale_state": "backward uses something left over from an earlier call.",
    "accumulates": "backward sets gradients; it does not add to the last ones.",
    "missing_param_grad": "backward has to set the gradient of every parameter, every time.",
    "nondeterministic": "Draw random numbers in forward alone, and keep them for backward.",
    "broadcasting": "An input that was stretched by broadcasting gets the sum over the "
    "stretched axes.",
    "layout": "Equal values in another memory layout have to give the same answer.",
    "boundary": "Look at the edges: zeros, ties, padding, the rest that a stride leaves, the "
    "last element.",
    "dtype": "Keep real numbers in the precision they came in, and integers out.",
    "numeric_instability": "Rewrite the expression so that no intermediate overflows or "
    "cancels.",
    "forward_bug": "The forward itself is not what it should be.",
}  # fmt: skip
