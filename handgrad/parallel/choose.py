"""The ranks that an option asks for."""

from __future__ import annotations

from typing import Any

from handgrad.parallel.mpi import world
from handgrad.parallel.ranks import Alone, Ranks


def as_ranks(parallel: Any) -> Ranks:
    """Ranks: those given, all that mpirun has started, or this process alone.

    Raises ValueError for anything else, and what `mpi.world` raises.
    """
    if parallel is None:
        return Alone()
    if isinstance(parallel, str) and parallel == "mpi":
        return world()
    if isinstance(parallel, Ranks):
        return parallel
    raise ValueError(f"parallel: 'mpi', an object of Ranks, or None is needed, got {parallel!r}")
