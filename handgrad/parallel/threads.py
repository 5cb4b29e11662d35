"""How the threads of one machine are divided among the ranks that run on it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence


def divided(
    usable: int, mine: set[int], all_here: Sequence[set[int]],
    environment: Mapping[str, str] = os.environ,
) -> int:  # fmt: skip
    """A rank's share of the `usable` threads of a process, at least 1.

    mine: the processors it may run on; all_here: those of every rank of this machine. A processor
    is divided among those that may run on it. OMP_NUM_THREADS says the number for each rank.
    """
    if environment.get("OMP_NUM_THREADS", "").split(",")[0].isdigit():
        return usable
    share = sum(1 / sum(core in of for of in all_here) for core in mine)
    # A limit of the whole machine's, such as a container's, is divided in proportion.
    return max(1, int(min(usable, len(mine)) * share / len(mine) + 1e-9))
