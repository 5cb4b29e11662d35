"""What a result says: ratios of systems, the fastest peer, times in words."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.systems import is_peer


def fastest_peer(result: dict[str, Any]) -> str | None:
    """The peer with the smallest ratio, of those that ran."""
    peers = [name for name in result["systems"] if is_peer(name)]
    return min(peers, key=lambda name: ratio(result, name), default=None)


def ratio(result: dict[str, Any], name: str) -> float:
    """How many times handgrad's time a system takes: the median over the rounds."""
    pairs = zip(result["systems"][name]["times"], result["systems"]["handgrad"]["times"])
    return median(theirs / ours for theirs, ours in pairs)


def in_units(seconds: float) -> str:
    """Three digits, in µs, ms or s."""
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"
