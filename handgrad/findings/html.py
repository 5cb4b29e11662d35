"""Reports as one web page that needs no other file, in light and in dark."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterable, Iterator
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

from handgrad.findings.arrays import side_by_side

LONGEST = 60  # lines of source that are shown around the marked one


def report_html(reports: Any, title: str = "handgrad check") -> str:
    """The page of one report or of several, the wrong ones first."""
    several = [reports] if hasattr(reports, "verdict") else list(reports)
    order = ("wrong", "cannot tell", "right")
    several.sort(key=lambda report: order.index(report.verdict))
    sections = "\n".join(_section(report, f"r{i}") for i, report in enumerate(several))
    return PAGE.format(
        title=escape(title),
        style=Path(__file__).with_name("report.css").read_text(),
        summary=_summary(several),
        contents=_contents(several) if len(several) > 1 else "",
        sections=sections,
    )


def _summary(reports: list[Any]) -> str:
    """How many of each verdict, in a sentence."""
    verdicts = [report.verdict for report in reports]
    counts = [(v, verdicts.count(v)) for v in ("right", "wrong", "cannot tell")]
    chips = [f'<span class="chip {_kind(v)}">{n} {v}</span>' for v, n in counts if n]
    subjects = "1 subject" if len(reports) == 1 else f"{len(reports)} subjects"
    return f"{subjects} {' '.join(chips)}"


def _contents(reports: list[Any]) -> str:
    """A line per subject with a link to its section."""
    rows = "".join(
        f'<tr><td><a href="#r{i}">{escape(r.subject)}</a></td>'
        f'<td><span class="chip {_kind(r.verdict)}">{r.verdict}</span></td>'
        f"<td><code>{escape(r.cause or '')}</code></td>"
        f'<td class="quiet">{escape(_place(r))}</td></tr>'
        for i, r in enumerate(reports)
    )
    return f'<table class="contents">{rows}</table>'


def _place(report: Any) -> str:
    if report.layer is not None:
        return f"in {report.layer}"
    return str(report.where) if report.where is not None else ""


def _section(report: Any, anchor: str) -> str:
    """Everything about one subject."""
    cause = f"<code>{escape(report.cause)}</code>" if report.cause else ""
    parts = [
        f"<header><h2>{escape(report.subject)}</h2>"
        f'<span class="chip {_kind(report.verdict)}">{report.verdict}</span>{cause}</header>',
        f"<p>{escape(report.paragraph)}</p>",
        _where(report.where),
        side_by_side(report.entries),
        _source(report.line),
        _table(report.table),
        _list("Also seen", report.others),
        _list("Right for what was given; not for", report.limits),
        _list("Notes", report.notes),
    ]
    if report.blame is not None:
        blamed = _section(report.blame, f"{anchor}b")
        parts.append(f"<h3>The first wrong layer: {escape(report.layer or '')}</h3>{blamed}")
    return f'<section id="{anchor}" class="{_kind(report.verdict)}">{"".join(parts)}</section>'


def _where(where: Any) -> str:
    """The worst entry: what backward says beside what differences say, as numbers and bars."""
    if where is None:
        return ""
    position = f"[{', '.join(map(str, where.index))}]" if where.index else ""
    finite = [abs(v) for v in (where.analytic, where.numeric) if isfinite(v)]
    longest = max(finite, default=0.0) or 1.0
    rows = "".join(
        f"<tr><th>{label}</th><td class=number>{value:.6g}</td><td>{_bar(value, longest)}</td></tr>"
        for label, value in (
            ("backward says", where.analytic),
            ("numerical differentiation says", where.numeric),
        )
    )
    ratio = f"<tr><th>ratio</th><td class=number>{where.ratio:.6g}</td><td></td></tr>"
    return (
        f"<h3>The worst entry: <code>{escape(where.gradient)}{position}</code></h3>"
        f'<table class="where">{rows}{ratio if where.numeric else ""}</table>'
    )


def _bar(value: float, longest: float) -> str:
    """A bar to the left of the middle for a negative value, to the right for a positive one.

    NaN and Inf have none.
    """
    share = abs(value) / longest if isfinite(value) else 0.0
    x = 100 - 100 * share if value < 0 else 100
    return (
        '<svg viewBox="0 0 200 14" width="200" height="14" aria-hidden="true">'
        '<line x1="100" y1="0" x2="100" y2="14"/>'
        f'<rect x="{x:.1f}" y="3" width="{max(100 * share, 1):.1f}" height="8" rx="2"/></svg>'
    )


def _table(rows: Iterable[Any]) -> str:
    """The gradients, one a line."""
    lines = "".join(
        f"<tr><td><code>{escape(row.gradient)}</code></td>"
        f"<td>{' × '.join(map(str, row.shape)) or 'number'}</td>"
        f'<td class=number>{row.error:.2g}</td><td class="quiet">{escape(row.method)}</td>'
        f'<td><span class="chip {_kind(row.verdict)}">{escape(row.verdict)}</span></td></tr>'
        for row in rows
    )
    if not lines:
        return ""
    head = "<tr><th>gradient</th><th>shape</th><th>error</th><th>method</th><th>verdict</th></tr>"
    return f'<h3>Gradients</h3><table class="gradients">{head}{lines}</table>'


def _list(title: str, items: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<h3>{title}</h3><ul>{lines}</ul>" if lines else ""


def _source(line: str | None) -> str:
    """The function around `file:number: code`, with that line marked; the code alone without it."""
    found = re.match(r"(.*?):(\d+): ?(.*)", line or "")
    if found is None:
        return ""
    path, number, code = found[1], int(found[2]), found[3]
    shown = list(_around(path, number)) or [(number, code)]
    lines = "".join(
        f'<span class="{"line marked" if n == number else "line"}">'
        f"<i>{n}</i>{escape(text.rstrip())}</span>"
        for n, text in shown
    )
    return f'<h3>Look here</h3><p class="quiet">{escape(path)}</p><pre>{lines}</pre>'


def _around(path: str, number: int) -> Iterator[tuple[int, str]]:
    """(number, text) of the lines of the smallest function that contains a line of a file."""
    lines = linecache.getlines(path)
    try:
        nodes = list(ast.walk(ast.parse("".join(lines))))
    except SyntaxError:
        return
    spans = [
        (node.lineno, node.end_lineno)
        for node in nodes
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    ]
    holding = [(a, b) for a, b in spans if a <= number <= b]
    if not holding:
        return
    first, last = min(holding, key=lambda span: span[1] - span[0])
    first = max(first, number - LONGEST // 2)
    for n in range(first, min(last, first + LONGEST) + 1):
        yield n, lines[n - 1]


def _kind(verdict: str) -> str:
    """The CSS class of a verdict."""
    return {"right": "right", "wrong": "wrong"}.get(verdict, "unknown")


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="summary">{summary}</p>
{contents}
{sections}
</main>
</body>
</html>
"""
