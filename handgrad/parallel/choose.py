"""The ranks that an option asks for."""

from __future__ import annotations

from typing import Any

from handgrad.parallel.ranks import Alone, Ranks


def as_ranks(parallel: Any) -> Ranks:
    """Ranks: those given, or this process alone. Raises ValueError for anything else."""
    if parallel is None:
        return Alone()
    if isinstance(parallel, Ranks):
        return parallel
    raise ValueError(f"parallel: 'mpi', an object of Ranks, or None is needed, got {parallel!r}")
