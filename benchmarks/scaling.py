"""Curves: how the time of a step grows with the width, the batch and the number of cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.measure import Plan, measure
from benchmarks.systems import CURVES
from benchmarks.workloads import find


class Curve(NamedTuple):
    """A name, what is drawn along the axis, and a workload and a number of cores for each point."""

    name: str
    title: str
    points: dict[int, tuple[str, int | None]]


def curves() -> list[Curve]:
    """Width 16…4096, batch 1…4096, cores 1…n."""
    widths, batches = [4**k for k in range(2, 7)], [4**k for k in range(7)]
    cores = range(1, (os.cpu_count() or 1) + 1)
    return [
        Curve("width", "784-w-w-10 by width w, batch 100, Adam",
              {w: (f"width-{w}", None) for w in widths}),
        Curve("batch", "784-50-10 by batch, SGD", {n: (f"batch-{n}", None) for n in batches}),
        Curve("cores", "784-512-512-10 by cores, batch 128, Adam", {n: ("wide", n) for n in cores}),
    ]  # fmt: skip


def measure_curves(plan: Plan, say: Callable[[str], None]) -> Iterator[tuple[str, Any]]:
    """Each curve's name and {"title", "points": {size: {system: times}}}."""
    names = [kind.name for kind in CURVES]
    for curve in curves():
        points = {}
        for size, (workload, cores) in curve.points.items():
            found = measure(find(workload), names, replace(plan, cores=cores), False, say)
            points[str(size)] = {n: system["times"] for n, system in found["systems"].items()}
        yield curve.name, {"title": curve.title, "points": points}
