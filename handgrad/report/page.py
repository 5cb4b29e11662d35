"""Page: one run, or several side by side, as one HTML file that needs no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from handgrad.report import parts
from handgrad.report.marks import number
from handgrad.report.run import history_of, read_run, run_path
from handgrad.train.history import is_lower_better
from handgrad.train.write import write_whole

Named = tuple[str, parts.Run]
SAFE = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def run_report(*runs: str | Path, out: str | Path | None = None) -> str:
    """The page of runs, given as folders or run.json files; written to `out` if that is given.

        run_report("out", "out-wider", out="report.html")

    Raises ValueError without a run or for a file that is none, FileNotFoundError where there is
    none; then nothing is written.
    """
    if not runs:
        raise ValueError("run_report: one run or more is needed, a folder or its run.json")
    paths = [run_path(run) for run in runs]
    named = list(zip(_names(paths), map(read_run, paths)))
    page = _page(named, paths)
    if out is not None:
        write_whole(out, page.encode())
    return page


def _names(paths: Sequence[Path]) -> list[str]:
    """The shortest different names of the runs: their folders', as a rule."""
    shown = [p.parent.resolve().name if p.name == "run.json" else p.stem for p in paths]
    if len({*shown}) < len(shown):
        common = os.path.commonpath([p.resolve() for p in paths])
        shown = [os.path.relpath(p.resolve().parent, common) for p in paths]
    return [f"{name} ({i + 1})" if shown.count(name) > 1 else name for i, name in enumerate(shown)]


def _page(named: Sequence[Named], paths: Sequence[Path]) -> str:
    here = Path(__file__).parent
    title = "Run " + named[0][0] if len(named) == 1 else f"{len(named)} runs"
    sections = "".join(_run(i, name, run, str(path), len(named) == 1)
                       for i, ((name, run), path) in enumerate(zip(named, paths)))  # fmt: skip
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f'</title><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{SAFE}">'
        f"<style>{(here / 'page.css').read_text('utf-8')}</style></head><body><main>"
        f"<h1>{escape(title)}</h1>{_summary(named)}{_curves(named)}{sections}</main>"
        f'<script type="application/json" id="runs">{parts.script_data(named)}</script>'
        f"<script>{(here / 'page.js').read_text('utf-8')}</script></body></html>\n"
    )


def _summary(named: Sequence[Named]) -> str:
    """A line for each run: what it was, and what came of it."""
    head = ("run", "parameters", "optimizer", "batch", "epochs", "last loss", "best held out",
            "seconds", "ended")  # fmt: skip
    rows = "".join(_summary_of(i, name, run) for i, (name, run) in enumerate(named))
    titles = "".join(f'<th scope="col">{t}</th>' for t in head)
    return f'<div class="wide"><table class="runs"><tr>{titles}</tr>{rows}</table></div>'


def _summary_of(i: int, name: str, run: parts.Run) -> str:
    history, options = history_of(run), run["training"] or {}
    held = next((n for n in ("val_accuracy", "val_loss", *history) if n in history
                 and n.startswith("val_")), None)  # fmt: skip
    best = "—"
    if held is not None:
        real = [v for v in history[held] if v == v]
        value = (min if is_lower_better(held) else max)(real, default=None)
        best = f"{held[4:]} {number(value)}"
    ended = "not yet" if run["result"] is None else history.stopped or "at its end"
    seconds = sum(history.columns.get("seconds", ()))
    cells = (
        f"{(run['start'] or {}).get('parameters', 0):,}", run["shown"].partition("(")[0],
        str(options.get("batch", "—")), f"{len(history):,}",
        number(history["loss"][-1] if len(history) else None), best, f"{seconds:.3g}", ended,
    )  # fmt: skip
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    key = f'<span class="key r{i % 6}" aria-hidden="true"></span>'
    return f'<tr><th scope="row"><a href="#run{i}">{key}{escape(name)}</a></th>{shown}</tr>'


def _curves(named: Sequence[Named]) -> str:
    """Where the script draws, its controls, and the numbers as tables for whoever wants these."""
    picks = "".join(
        f'<label><input type="checkbox" name="run" value="{i}" checked><span class="key r{i % 6}" '
        f'aria-hidden="true"></span>{escape(name)}</label>' for i, (name, _) in enumerate(named)
    )  # fmt: skip
    several = f"<fieldset><legend>runs</legend>{picks}</fieldset>" if len(named) > 1 else ""
    tables = "".join(_table(name, run) for name, run in named)
    return (
        '<section><h2>Curves</h2><form id="controls">'
        '<label>smoothing <input type="range" id="smooth" min="0" max="0.98" step="0.02" value="0">'
        '<output id="smooth-value" for="smooth">0</output></label>'
        '<label><input type="checkbox" id="log"> logarithmic</label>'
        f'{several}</form><p class="quiet">Thick: data held out; thin: training. Point at a curve, '
        'or move along it with the arrow keys, to read numbers.</p><div id="curves"></div>'
        "<noscript><p>The curves are drawn by a script; here are their numbers.</p></noscript>"
        f"<details><summary>All numbers</summary>{tables}</details></section>"
    )


def _table(name: str, run: parts.Run) -> str:
    """The history of a run; of a long one every k-th epoch."""
    history = history_of(run)
    step = max(1, -(-len(history) // 100))
    head = "".join(f'<th scope="col">{escape(n)}</th>' for n in history)
    rows = "".join(
        f'<tr><th scope="row">{i + 1}</th>'
        + "".join(f'<td class="n">{number(v[i] if i < len(v) else None)}</td>'
                  for v in history.columns.values())
        + "</tr>" for i in range(0, len(history), step)
    )  # fmt: skip
    return (f'<div class="wide"><table><caption>{escape(name)}</caption><tr><th scope="col">epoch'
            f"</th>{head}</tr>{rows}</table></div>")  # fmt: skip


def _run(i: int, name: str, run: parts.Run, path: str, alone: bool) -> str:
    """All sections of a run; of several, one below the other, each to be opened."""
    sections: tuple[tuple[str, Callable[[parts.Run], str]], ...] = (
        ("Findings", parts.findings), ("Gradients and weights", parts.sizes),
        ("Histograms", parts.histograms), ("Right and wrong", parts.judged),
        ("Worst samples", parts.worst), ("Graph", parts.graph),
        ("Run it again", lambda run: parts.again(run, path)),
    )  # fmt: skip
    made = [(title, make(run)) for title, make in sections]
    body = "".join(f"<section><h3>{title}</h3>{text}</section>" for title, text in made if text)
    if alone:
        return f'<div id="run{i}">{body}</div>'
    opened = " open" if i == 0 else ""
    key = f'<span class="key r{i % 6}" aria-hidden="true"></span>'
    return (f'<details class="run" id="run{i}"{opened}><summary><h2>{key}{escape(name)}</h2>'
            f"</summary>{body}</details>")  # fmt: skip
