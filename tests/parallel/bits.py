"""Trainings whose bits must not depend on the number of processes.

`mpirun -n 3 python -m tests.parallel.bits 200 all` makes 200 updates of each case with each rule on
each engine; rank 0 prints digests.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from handgrad.compile import slices, why_not
from handgrad.parallel.mpi import world
from handgrad.parallel.partner import launched
from tests.parallel.test_sharded import CASES, RULES, all_of, trainer_of


def digest(state: list[Any]) -> str:
    """Of weights, buffers, steps of random streams and history."""
    whole = hashlib.sha256()
    for part in state:
        whole.update(part.tobytes() if hasattr(part, "tobytes") else repr(part).encode())
    return whole.hexdigest()[:16]


FEW = {("dropout", "Adam"), ("batch norm", "SGD")}  # that NumPy's engine computes in a short test


def digests(steps: int, ranks: Any = None, whole: bool = False) -> dict[str, str]:
    """By case, rule and engine."""
    found = {}
    for engine in ("numpy", "auto") if not why_not() else ("numpy",):
        for case, (make, x, t) in CASES.items():
            for rule, optimizer in RULES.items():
                if engine == "numpy" and not whole and (case, rule) not in FEW:
                    continue
                trainer = trainer_of(make(), x, t, ranks, shards=16, epochs=None, steps=steps,
                                     optimizer=optimizer(), engine=engine)  # fmt: skip
                trainer.run()
                found[f"{case}, {rule}, {engine}"] = digest(all_of(trainer))
    return found


if __name__ == "__main__":
    slices.WORTH = 1  # so that small networks are updated slice by slice too
    ranks = world() if launched()[0] > 1 else None
    found = digests(int(sys.argv[1]), ranks, "all" in sys.argv)
    if ranks is None or ranks.rank == 0:
        print(json.dumps(found))
