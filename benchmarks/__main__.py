"""Every workload, side by side with every peer that is installed: a table and a picture.

    python -m benchmarks [--workloads two,deep] [--peers torch-2,jax-scan] [--busy] [--scaling]
                        [--patience 20] [--against ANOTHER_CHECKOUT]

Results are kept in results.json under --out, workload by workload, so that a run of some of
them renews these and leaves the others; results.md and results.png show all.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from benchmarks import against, machine, report, scaling
from benchmarks.measure import LossError, Plan, WorkerError, measure
from benchmarks.systems import ALL, KINDS, is_peer
from benchmarks.workloads import WORKLOADS, find


def chosen(text: str | None, all_names: list[str], option: str) -> list[str]:
    """The names in a list with commas, or all of them."""
    if text is None:
        return all_names
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in all_names:
            sys.exit(f"--{option}: one of {', '.join(all_names)} is needed, got {name!r}")
    return names


def say(line: str) -> None:
    """What happens now, in one line that the next one overwrites on a terminal."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{line:60}", end=end, file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    peers = [kind.name for kind in ALL if is_peer(kind.name)]
    parser.add_argument("--workloads", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--peers", help=f"of {', '.join(peers)}; all that run by default")
    parser.add_argument("--repeats", type=int, default=15, help="rounds; 15 by default")
    parser.add_argument("--quick", action="store_true", help="3 rounds of short turns")
    parser.add_argument(
        "--patience", type=float, default=0, metavar="SECONDS",
        help="shorter turns, each of which waits so long for a machine that others do not slow",
    )  # fmt: skip
    parser.add_argument("--busy", action="store_true", help="also beside a process that spins")
    parser.add_argument(
        "--scaling", action="store_true", help="curves instead: width, batch, threads"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER",
        help="compare with handgrad in another checkout, in which `make test` has run, alone",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"), help="folder to write")
    given = parser.parse_args()
    if not 0 <= given.patience < math.inf:
        sys.exit(f"--patience: seconds, 0 or more, are needed, got {given.patience:g}")
    return given


def load(path: Path, here: dict[str, Any]) -> dict[str, Any]:
    """Results of before, if they are of this machine with these versions."""
    if path.exists():
        results = json.loads(path.read_text())
        if results["machine"] == here:
            return results
    return {"machine": here, "workloads": {}, "scaling": {}}


def keep(results: dict[str, Any], folder: Path) -> None:
    """Write all that is known so far, as data and as a report."""
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    report.write(results, folder)


def main() -> None:
    """Measure, and renew the report after each workload."""
    given = options()
    workloads = chosen(given.workloads, list(WORKLOADS), "workloads")
    peers = chosen(given.peers, [k.name for k in ALL if is_peer(k.name)], "peers")
    short = given.quick or given.patience
    rounds = 3 if given.quick else given.repeats
    plan = Plan(rounds, 0.1 if short else 0.3, patience=given.patience)
    if given.against is not None:
        try:
            against.compare(given.against, [find(name) for name in workloads], plan, say)
        except (OSError, WorkerError) as error:
            sys.exit(f"--against: {error}")
        return
    given.out.mkdir(parents=True, exist_ok=True)
    results = load(given.out / "results.json", machine.describe())
    names = [name for name in KINDS if name in peers or name.startswith("handgrad")]
    try:
        for name, curve in scaling.measure_curves(plan, say) if given.scaling else ():
            results["scaling"][name] = curve
            keep(results, given.out)
        for name in () if given.scaling else workloads:
            results["workloads"][name] = measure(find(name), names, plan, given.busy, say)
            keep(results, given.out)
    except LossError as error:
        sys.exit(str(error))
    print(f"\n{(given.out / 'results.md').read_text()}")


if __name__ == "__main__":
    main()
