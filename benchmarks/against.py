"""Two checkouts of handgrad in turns: what a change costs, each workload natively and in NumPy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from statistics import median, quantiles

from benchmarks.figures import in_units
from benchmarks.measure import PAUSE, PYTHON, ROOT, Client, Plan, Taker, require_same
from benchmarks.quiet import Quiet
from benchmarks.systems import KINDS, Kind
from benchmarks.workloads import Workload

OURS = [KINDS[name] for name in ("handgrad", "handgrad-eager")]


def compare(
    folder: Path, workloads: list[Workload], plan: Plan, say: Callable[[str], None]
) -> None:
    """Print, for each workload and engine, both times of a step and the ratio of each round."""
    folder = folder.resolve()
    if not (folder / PYTHON).exists():
        raise FileNotFoundError(f"{folder} has no {PYTHON}; run `make test` there first")
    print(f"{'workload':<14} {'system':<18} {'before':>10} {'now':>10}  now / before (quartiles)")
    for workload, kind in product(workloads, OURS):
        before, now = rounds(folder, kind, workload, plan, say)
        ratios = sorted(b / a for a, b in zip(before, now))
        low, middle, high = quantiles(ratios, n=4) if len(ratios) > 1 else 3 * ratios
        print(
            f"{workload.name:<14} {kind.label:<18} "
            f"{in_units(median(before)):>10} {in_units(median(now)):>10}  "
            f"{middle:.3f} ({low:.3f} to {high:.3f})", flush=True,
        )  # fmt: skip


def rounds(
    folder: Path, kind: Kind, workload: Workload, plan: Plan, say: Callable[[str], None]
) -> tuple[list[float], list[float]]:
    """Seconds for a step in each round, in the other checkout and in this one."""
    times: dict[Path, list[float]] = {folder: [], ROOT: []}
    with ExitStack() as stack:
        clients, losses = [], {}
        for root in times:
            clients.append(Client(kind, workload, plan.cores, root))
            stack.callback(clients[-1].close)
            losses[str(root)] = clients[-1].begin(workload, plan.seconds)
        require_same(workload, losses)
        take = Taker(stack.enter_context(Quiet()) if plan.patience else None, plan.patience)
        order = random.Random(0)
        for i in range(plan.rounds):
            say(f"{workload.name}, {kind.label}: round {i + 1} of {plan.rounds}")
            for client in order.sample(clients, len(clients)):
                time.sleep(PAUSE)
                times[client.root].append(take(client)[0])
    return times[folder], times[ROOT]
