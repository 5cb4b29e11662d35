"""Parts: what the page says of one run, section by section, as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from handgrad.report.marks import calibration, confusion, number, ridges, spark
from handgrad.report.run import history_of
from handgrad.train.watch import diagnose

Run = Mapping[str, Any]
CALIBRATION = (
    '<p class="quiet">How often the class is right, by how sure the network is; on the dashed line '
    "it is as sure as it is right. A larger dot: more samples.</p>"
)
HOW = (
    "The doctor looks at the network, too, with <code>handgrad train --watch</code>, or "
    "<code>fit(…, watch=Watch(histograms=True))</code>."
)
MOST = 40  # layers and parameters that are shown one by one


def findings(run: Run) -> str:
    """What the training doctor found."""
    diagnosis = run["seen"].get("diagnosis")
    found = diagnosis["findings"] if diagnosis else diagnose(history_of(run)).to_dict()["findings"]
    note = f'<p class="quiet">By the curves alone. {HOW}</p>' if diagnosis is None else ""
    if not found:
        return f"<p>The training doctor found nothing.</p>{note}"
    return f'<ul class="findings">{"".join(map(_finding, found))}</ul>{note}'


def _finding(found: Mapping[str, Any]) -> str:
    at = "" if found.get("step") is None else f", step {found['step']:,}"
    return (
        f'<li><b>{escape(found["title"])}</b> <span class="chip">{escape(found["grade"])}</span> '
        f'<span class="quiet">{escape(str(found["where"]))}{at}</span>'
        f'<p>{escape(found["measured"])}</p><p>→ {escape(found["advice"])}</p></li>'
    )  # fmt: skip


def readings(run: Run) -> list[Mapping[str, Any]]:
    """The readings of the network over time, if somebody took some."""
    diagnosis = run["seen"].get("diagnosis") or {}
    return list(diagnosis.get("readings", ()))


def sizes(run: Run) -> str:
    """A line for each parameter: gradient, weight and update by step."""
    taken = readings(run)
    if not taken:
        return ""
    steps = ", ".join(f"{r['step']:,}" for r in taken)
    rows = "".join(_sizes_of(path, values) for path, values in _by_path(taken, "parameters"))
    norm = spark([r["gradient_norm"] for r in taken], "gradient norm by step")
    last = number(taken[-1]["gradient_norm"])
    return (
        f'<p class="quiet">At steps {steps}; root mean squares on a logarithmic scale.</p>'
        '<div class="wide"><table class="sizes"><tr><th scope="col">parameter</th>'
        '<th scope="col" colspan="2">gradient</th><th scope="col" colspan="2">weights</th>'
        f'<th scope="col">update ∕ weights</th></tr><tr><th scope="row">all, norm</th><td>{norm}'
        f'</td><td class="n">{last}</td><td></td><td></td><td></td></tr>{rows}</table></div>'
    )


def _by_path(
    taken: Sequence[Mapping[str, Any]], part: str
) -> Iterator[tuple[str, list[Mapping[str, Any] | None]]]:
    """Each path with what each reading has of it; the first MOST."""
    paths = list(dict.fromkeys(one["path"] for r in taken for one in r[part]))
    for path in paths[:MOST]:
        yield path, [next((o for o in r[part] if o["path"] == path), None) for r in taken]


def _sizes_of(path: str, values: Sequence[Mapping[str, Any] | None]) -> str:
    of = {name: [None if v is None else v[name] for v in values]
          for name in ("gradient", "rms", "update")}  # fmt: skip
    ratios = [u / r for u, r in zip(of["update"], of["rms"]) if _real(u) and _real(r) and r]
    return (
        f'<tr><th scope="row"><code>{escape(path)}</code></th>'
        f'<td>{spark(of["gradient"], f"gradient of {path} by step")}</td>'
        f'<td class="n">{number(of["gradient"][-1])}</td>'
        f'<td>{spark(of["rms"], f"weights {path} by step")}</td>'
        f'<td class="n">{number(of["rms"][-1])}</td>'
        f'<td class="n">{number(ratios[-1]) if ratios else "—"}</td></tr>'
    )  # fmt: skip


def _real(value: Any) -> bool:
    return isinstance(value, int | float)


def histograms(run: Run) -> str:
    """Weights, gradients and outputs over time, layer by layer."""
    taken = readings(run)
    labels = [f"{r['step']:,}" for r in taken]
    parts = []
    for title, part, name in (
        ("Weights", "parameters", "histogram"),
        ("Gradients", "parameters", "gradient_histogram"),
        ("Activations", "outputs", "histogram"),
    ):
        drawn = []
        for path, values in _by_path(taken, part):
            made = [None if v is None else v.get(name) for v in values]
            if any(made):
                what = f"{title.lower()} of {path} by step"
                stack = ridges(list(zip(labels, made)), what)
                drawn.append(f"<figure><figcaption><code>{escape(path)}</code>{_kind(values)}"
                             f"</figcaption>{stack}</figure>")  # fmt: skip
        if drawn:
            opened = " open" if title == "Weights" else ""
            parts.append(f'<details{opened}><summary>{title}</summary><div class="grid">'
                         f"{''.join(drawn)}</div></details>")  # fmt: skip
    if not parts:
        return f'<p class="quiet">No histograms were taken. {HOW}</p>'
    return '<p class="quiet">The first step at the back; at the right the step.</p>' + "".join(
        parts
    )


def _kind(values: Sequence[Mapping[str, Any] | None]) -> str:
    kind = next((v.get("kind") for v in values if v), None)
    return f' <span class="quiet">{escape(kind)}</span>' if kind else ""


def judged(run: Run) -> str:
    """Confusion matrix and calibration."""
    seen = run["seen"]
    if not seen.get("samples"):
        return '<p class="quiet">The run has not ended.</p>'
    parts = [f"<p>{seen['samples']:,} samples of {escape(seen['of'])}.</p>"]
    if "without" in seen:
        parts.append(f"<p>{escape(seen['without'])}</p>")
    if "confusion" in seen:
        parts.append(f'<div class="wide">{confusion(seen["confusion"], seen["classes"])}</div>')
    elif len(seen.get("classes", ())) > MOST // 2:
        parts.append(f"<p>{len(seen['classes'])} classes: too many for a matrix.</p>")
    if "calibration" in seen:
        parts.append(f"<h4>Calibration</h4>{CALIBRATION}{calibration(seen['calibration'])}")
    return "".join(parts)


def worst(run: Run) -> str:
    """The samples with the largest loss."""
    samples = run["seen"].get("worst", ())
    return f'<div class="grid worst">{"".join(map(_sample, samples))}</div>'


def _sample(one: Mapping[str, Any]) -> str:
    said = (
        f'sample {one["number"]:,}: <b>{escape(one["target"])}</b> taken for '
        f'<b>{escape(one["output"])}</b>, loss {number(one["loss"])}'
    )  # fmt: skip
    if "picture" in one:
        broken = f"<br>{one['broken']} pixels not finite" if one["broken"] else ""
        label = f"sample {one['number']}, a {escape(one['target'])}"
        return (f'<figure><img alt="{label}" src="{escape(one["picture"])}">'
                f"<figcaption>{said}{broken}</figcaption></figure>")  # fmt: skip
    rows = "".join(f"<tr><td>{escape(k)}</td><td class=\"n\">{escape(v)}</td></tr>"
                   for k, v in one["row"])  # fmt: skip
    more = f'<p class="quiet">and {one["more"]:,} more</p>' if one["more"] else ""
    return f"<figure><table>{rows}</table>{more}<figcaption>{said}</figcaption></figure>"


def graph(run: Run) -> str:
    """The graph of one sample with every value and gradient."""
    svg = run["seen"].get("graph")
    if not svg:
        return (
            '<p class="quiet">The network is too large to be drawn, or the run has not ended.</p>'
        )
    return f'<div class="wide graph" tabindex="0" role="group" aria-label="graph">{svg}</div>'


def again(run: Run, path: str) -> str:
    """How to train the same bits again: command, seeds, versions, checksums."""
    options, start, data = run["training"] or {}, run["start"] or {}, run["data"]
    source = data["source"] or {"name": data["kept"] or "handed over in the program"}
    facts = {
        "data": source["name"], "seed": options.get("seed"), "optimizer": run["shown"],
        "loss": (options.get("loss") or {}).get("class"), "batch": options.get("batch"),
        "steps": options.get("steps"), "engine": run["engine"],
        "weights at the start": start.get("weights"),
        "weights at the end": (run["result"] or {}).get("weights"),
    } | {f"data {name}": f"{'×'.join(map(str, one['shape']))} {one['dtype']}, {one['sha256']}"
         for name, one in data["arrays"].items()}  # fmt: skip
    facts |= run["versions"] | {k: str(v) for k, v in run["machine"].items()}
    shown = [(escape(k), escape(str(v))) for k, v in facts.items() if v is not None]
    rows = "".join(f'<tr><th scope="row">{k}</th><td><code>{v}</code></td></tr>' for k, v in shown)
    how = f"<pre>handgrad replay {escape(path)}</pre>"
    if run["refused"]:
        how = "".join(f"<p>It cannot be replayed: {escape(one)}.</p>" for one in run["refused"])
    text = f"<pre>{escape(start['text'])}</pre>" if start.get("text") else ""
    return f'{how}<div class="wide"><table class="facts">{rows}</table></div>{text}'


def script_data(runs: Sequence[tuple[str, Run]]) -> str:
    """What the page's script draws curves of, as JSON that no HTML is in."""
    found = [{"name": name, "columns": (run["result"] or {"columns": {}})["columns"]}
             for name, run in runs]  # fmt: skip
    return json.dumps(found, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
