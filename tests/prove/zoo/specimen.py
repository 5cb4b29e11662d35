"""One animal of the zoo."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from handgrad.findings.report import family


@dataclass(frozen=True)
class Specimen:
    """A subject to check, its inputs, and what is wrong with it (nothing, when it is right)."""

    name: str
    make: Callable[[], Any]
    inputs: tuple
    cause: str | None = None
    also: tuple[str, ...] = ()  # causes of other families that describe the mistake as well
    right: Callable[[], Any] | None = field(default=None, repr=False)  # what it should have been

    def explained_by(self, cause: str | None) -> bool:
        """True when `cause` is of a family that describes this mistake."""
        return any(cause in family(known) for known in (self.cause, *self.also))
