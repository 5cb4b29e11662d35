"""Sign: that a rule applies, and where; and how numbers are told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Sign(NamedTuple):
    """What a rule found: where, what was measured, and how sure it is.

    advice: instead of the rule's own, where the measurement tells more.
    """

    where: str
    measured: str
    grade: str = "measured"
    step: int | None = None
    numbers: dict[str, float] = {}
    advice: str = ""


def some(things: Iterable[Any], most: int = 4) -> str:
    """A list in words, the first few of it."""
    all_of = [str(thing) for thing in things]
    more = f" and {len(all_of) - most} more" if len(all_of) > most else ""
    return ", ".join(all_of[:most]) + more


def percent(share: float) -> str:
    """A share in percent."""
    return f"{share:.3g}" if share != share else f"{100 * share:.3g} %"
