"""Reports as one web page that needs no other file, in light and in dark."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterable, Iterator
from html import escape
from math import isfinite
from typing import Any

from handgrad.prove.show.arrays import side_by_side

LONGEST = 60  # lines of source that are shown around the marked one


def report_html(reports: Any, title: str = "handgrad check") -> str:
    """The page of one report or of several, the wrong ones first."""
    several = [reports] if hasattr(reports, "verdict") else list(reports)
    order = ("wrong", "cannot tell", "right")
    several.sort(key=lambda report: order.index(report.verdict))
    sections = "\n".join(_section(report, f"r{i}") for i, report in enumerate(several))
    return PAGE.format(
        title=escape(title),
        style=STYLE,
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

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #21242b; --quiet: #6b7079; --rule: #e4e1d8;
  --right: #1d7a4c; --wrong: #b3362b; --unknown: #8a6a00; --mark: #fbe7e3; --code: #f4f2ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171b; --card: #1d2026; --ink: #e6e5e1; --quiet: #9aa0a9; --rule: #32363e;
    --right: #6cc795; --wrong: #f0887b; --unknown: #dcb75a; --mark: #4a2723; --code: #15171b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
main { max-width: 50rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; letter-spacing: -0.01em; margin: 0 0 .2rem; }
h2 { font-size: 1.25rem; margin: 0; }
h3 {
  font-size: .8rem; letter-spacing: .04em; color: var(--quiet); margin: 1.6rem 0 .4rem;
  font-weight: 600;
}
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .88em; }
a { color: inherit; }
.summary { color: var(--quiet); margin: 0 0 1.5rem; }
.quiet { color: var(--quiet); font-size: .9em; }
section {
  background: var(--card); border: 1px solid var(--rule); border-left: 4px solid var(--tone);
  border-radius: 8px; padding: 1.2rem 1.4rem 1.3rem; margin: 1.2rem 0; overflow-x: auto;
}
section section { margin: .6rem 0 0; }
section > header { display: flex; gap: .7rem; align-items: center; flex-wrap: wrap; }
section > p { margin: .7rem 0 0; }
.right { --tone: var(--right); } .wrong { --tone: var(--wrong); }
.unknown { --tone: var(--unknown); }
.chip {
  display: inline-block; color: var(--tone); border: 1px solid var(--tone); border-radius: 99px;
  padding: 0 .6em; font-size: .8rem; line-height: 1.5; white-space: nowrap;
}
table { border-collapse: collapse; font-size: .93rem; }
th { text-align: left; font-weight: 500; color: var(--quiet); }
td, th { padding: .3rem 1rem .3rem 0; vertical-align: middle; }
.contents { width: 100%; margin: 0 0 1.5rem; }
.contents td, .gradients td, .gradients th { border-bottom: 1px solid var(--rule); }
.gradients { width: 100%; }
.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.gradients th:nth-child(3) { text-align: right; }
svg line { stroke: var(--rule); } svg rect { fill: var(--quiet); }
.where tr:first-child rect { fill: var(--wrong); }
.where tr:nth-child(2) rect { fill: var(--right); }
ul { margin: 0; padding-left: 1.2rem; }
pre {
  background: var(--code); border: 1px solid var(--rule); border-radius: 6px; margin: .3rem 0 0;
  padding: .6rem 0; overflow-x: auto; line-height: 1.5;
}
.line { display: block; padding: 0 1rem 0 .4rem; white-space: pre; min-width: max-content; }
.line i {
  display: inline-block; width: 2.6rem; margin-right: 1rem; text-align: right; font-style: normal;
  color: var(--quiet); user-select: none;
}
.beside { display: flex; flex-wrap: wrap; gap: .4rem 2rem; }
.scroll { overflow-x: auto; max-width: 100%; }
.entries { font-variant-numeric: tabular-nums; }
.entries caption { text-align: left; color: var(--quiet); font-size: .85em; }
.entries td { text-align: right; padding: .1rem .7rem .1rem 0; white-space: nowrap; }
.entries .bad { background: var(--mark); }
@media (max-width: 30rem) {
  main { padding: 1.2rem .7rem 2rem; }
  section { padding: .8rem .8rem 1rem; }
  td, th { padding-right: .6rem; }
  .contents .quiet, .where td:nth-child(3), .gradients :is(td, th):nth-child(4) { display: none; }
  .contents { table-layout: fixed; }
  .contents td, code { overflow-wrap: anywhere; }
  .entries { font-size: .8rem; }
  .line i { width: 1.6rem; margin-right: .5rem; }
}
.marked { background: var(--mark); box-shadow: inset 3px 0 var(--wrong); }
"""
