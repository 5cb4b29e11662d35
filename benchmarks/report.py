"""The report: Markdown tables of the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import picture
from benchmarks.figures import fastest_peer, in_units, ratio
from benchmarks.systems import ALL, CURVES, KINDS
from benchmarks.workloads import WORKLOADS
from handgrad.compile.profile import percent

Result = dict[str, Any]


def write(results: Result, folder: Path) -> None:
    """results.md, and the pictures beside it."""
    described = about(results["machine"])
    parts = ["# handgrad beside its peers", described]
    found = [results["workloads"][n] | {"name": n} for n in WORKLOADS if n in results["workloads"]]
    if found:
        picture.draw_ratios(found, described, folder)
        parts += ["![ratios](ratios.png)", *workload_tables(found)]
    if results["scaling"]:
        picture.draw_curves(results["scaling"], described, folder)
        parts.append("![scaling](scaling.png)")
    for name, curve in results["scaling"].items():
        parts.append(f"## Scaling: {name}\n\n{curve_table(name, curve)}")
    (folder / "results.md").write_text("\n\n".join(parts) + "\n")


def about(machine: dict[str, str]) -> str:
    """What was measured on."""
    names = ("processor", "cores", "vectors", "python")
    versions = ", ".join(f"{name} {v}" for name, v in machine.items() if name not in names)
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['vectors']}; "
        f"Python {machine['python']}, {versions}."
    )


def workload_tables(found: list[Result]) -> list[str]:
    """Times, ratios, memory, losses, and what did not run."""
    rows = "\n".join(f"- **{w['name']}**: {w['title']}" for w in found)
    parts = [
        f"## One training step\n\n{rows}",
        "Gather the batch by shuffled row numbers, forward, backward, update; float32. Medians "
        "over rounds in which the systems take turns; the fastest peer is bold.\n\n"
        + table(found, time_cell) + "\n" + last_row(found) + "\n"
        + line(["processors used by other programs", *(f"{w['others']:.2f}" for w in found)])
        + "\n" + line(["turns on a quiet machine", *map(quiet_cell, found)]),
        "## Time as a multiple of handgrad's\n\nMedian over the rounds of the ratio in a "
        f"round.\n\n{table(found, ratio_cell)}",
        "## Peak memory in MB\n\nOf the whole process; in brackets, what it had right after the "
        f"imports.\n\n{table(found, memory_cell)}",
        "## Loss\n\nAfter " + ", ".join(f"{w['check_steps']} ({w['name']})" for w in found)
        + " steps from the same weights, on the same batches, dropout off.\n\n"
        + table(found, lambda w, name: f"{w['systems'][name]['loss']:.4f}"),
    ]  # fmt: skip
    if any(s["busy"] for w in found for s in w["systems"].values()):
        parts.append(
            "## Beside a busy process\n\nTime of a step while another program spins, as a "
            f"multiple of the quiet time.\n\n{table(found, busy_cell)}"
        )
    ran = [f"- {w['name']}, {KINDS[n].label}: {s['ran']}" for w in found
           for n, s in w["systems"].items() if s["ran"]]  # fmt: skip
    skipped = [f"- {w['name']}, {KINDS[n].label}: {reason}" for w in found
               for n, reason in w["skipped"].items()]  # fmt: skip
    parts += ["## What handgrad ran\n\n" + "\n".join(ran)] if ran else []
    parts += [profile_table(w) for w in found if profile_of(w)]
    return parts + (["## Not measured\n\n" + "\n".join(skipped)] if skipped else [])


def profile_of(w: Result) -> Result:
    """Where handgrad's own time goes; empty where NumPy ran."""
    return w["systems"]["handgrad"]["profile"]


def profile_table(w: Result) -> str:
    """The rows of the program that take more than a hundredth of a step."""
    profile = profile_of(w)
    total = sum(row["seconds"] for row in profile["rows"])
    head = ["kernel", "for", "time", "of the step", "GFLOP/s", "GB/s", "of this machine's peak"]
    lines = [line(head), line(["---", "---", *["---:"] * 5])]
    for row in profile["rows"]:
        part = row["seconds"] / total
        if part > 0.01:
            lines.append(line([
                row["kernel"], row["label"], in_units(row["seconds"]), f"{part:.0%}",
                f"{row['gflops']:.1f}", f"{row['gbytes']:.1f}", percent(row["share"]),
            ]))  # fmt: skip
    built = in_units(profile["build"])
    return f"## Where the time goes: {w['name']}\n\nBuilt in {built}.\n\n" + "\n".join(lines)


def table(found: list[Result], cell: Callable[[Result, str], str]) -> str:
    """A row for each system, a column for each workload; – where a system did not run."""
    head = ["", *(w["name"] for w in found)]
    lines = [line(head), line(["---", *["---:"] * len(found)])]
    for kind in ALL:
        if any(kind.name in w["systems"] for w in found):
            cells = (cell(w, kind.name) if kind.name in w["systems"] else "–" for w in found)
            lines.append(line([kind.label, *cells]))
    return "\n".join(lines)


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def last_row(found: list[Result]) -> str:
    """The fastest peer beside handgrad."""
    ratios = []
    for w in found:
        peer = fastest_peer(w)
        ratios.append("–" if peer is None else f"**{ratio(w, peer):.2f}×**")
    return line(["fastest peer / handgrad", *ratios])


def time_cell(w: Result, name: str) -> str:
    text = in_units(median(w["systems"][name]["times"]))
    return f"**{text}**" if name == fastest_peer(w) else text


def quiet_cell(w: Result) -> str:
    return "–" if w.get("quiet") is None else f"{w['quiet']:.0%}"


def ratio_cell(w: Result, name: str) -> str:
    return f"{ratio(w, name):.2f}"


def memory_cell(w: Result, name: str) -> str:
    system = w["systems"][name]
    return f"{system['peak']:.0f} ({system['imported']:.0f})"


def busy_cell(w: Result, name: str) -> str:
    system = w["systems"][name]
    return f"{median(system['busy']) / median(system['times']):.2f}" if system["busy"] else "–"


def curve_table(name: str, curve: Result) -> str:
    """A row for each point, a column for each system."""
    lines = [line([name, *(kind.label for kind in CURVES)]), line(["---:"] * (len(CURVES) + 1))]
    for size, systems in curve["points"].items():
        cells = (in_units(median(systems[k.name])) if k.name in systems else "–" for k in CURVES)
        lines.append(line([size, *cells]))
    return f"Time of a step of {curve['title']}.\n\n" + "\n".join(lines)
