"""Score the doctor on the zoo: `python -m tests.train.watch.score [NAME …]`.

Of broken trainings it counts those of which the right finding is named, of healthy ones those
about which anything is said.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.train.watch.broken import BROKEN
from tests.train.watch.case import Case, run
from tests.train.watch.healthy import HEALTHY


def score(cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    """Trainings whose mistake was not named, and false alarms."""
    missed, alarms = [], []
    for case in cases:
        began = time.perf_counter()
        found = run(case)
        seconds = time.perf_counter() - began
        right = not set(case.wants).isdisjoint(found.names) if case.wants else found.healthy
        first = found.names[:1] in [[name] for name in case.wants] if case.wants else right
        mark = "ok " if right and first else "ok?" if right else "NO "
        print(f"{mark} {seconds:5.2f} s  {case.name}: {', '.join(found.names) or '-'}"
              + ("" if right else f"   wanted {case.wants}"))  # fmt: skip
        if not right:
            (missed if case.wants else alarms).append(case.name)
            print("\n".join(f"        {line}" for line in str(found).splitlines()[1:]))
    return missed, alarms


if __name__ == "__main__":
    asked = sys.argv[1:]
    chosen = [c for c in [*BROKEN, *HEALTHY] if not asked or c.name in asked]
    missed, alarms = score(chosen)
    broken = sum(bool(c.wants) for c in chosen)
    print(f"\nbroken: {broken - len(missed)} of {broken} found; healthy: {len(alarms)} false "
          f"alarms in {len(chosen) - broken}")  # fmt: skip
    sys.exit(bool(missed or alarms))
