"""What two computations of the same thing say: each comparison, and the first that differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

RTOL = {"float32": 1e-4, "float64": 1e-9}


@dataclass(frozen=True)
class Compared:
    """One comparison: the layer, what of it, the largest difference as a share of the largest
    entry, where it is, and both numbers there."""

    layer: str
    what: str
    error: float
    right: bool
    at: tuple[int, ...] = ()
    ours: float = 0.0
    theirs: float = 0.0

    def __str__(self) -> str:
        if self.right:
            return f"{self.layer}: {self.what} agrees to {self.error:.1e}"
        return (
            f"{self.layer}: {self.what} differs by {self.error:.2g} of the largest; at "
            f"{list(self.at)} ours is {self.ours:.6g}, theirs {self.theirs:.6g}"
        )


@dataclass
class Verification:
    """All comparisons in the order in which things are computed; true where all agree."""

    rows: list[Compared] = field(default_factory=list)

    @property
    def first(self) -> Compared | None:
        """Where they part first: forward from the input on, then backward from the output on."""
        return next((row for row in self.rows if not row.right), None)

    def __bool__(self) -> bool:
        return self.first is None

    def __str__(self) -> str:
        if self.first is None:
            worst = max((row.error for row in self.rows), default=0.0)
            return f"the same in {len(self.rows)} values and gradients, to {worst:.1e}"
        return f"they part in {self.first}"


def compare(layer: str, what: str, ours: Any, theirs: Any, rtol: float | None = None) -> Compared:
    """Two arrays of one thing, by the largest difference between them."""
    if ours is None or theirs is None:
        return Compared(layer, what, 0.0, ours is None and theirs is None)
    if ours.shape != theirs.shape:
        return Compared(
            layer, f"{what} has shape {ours.shape} and {theirs.shape}, and", np.inf, False
        )
    if not theirs.size:
        return Compared(layer, what, 0.0, True)
    size = float(np.abs(theirs).max())
    difference = np.abs(ours.astype(np.float64) - theirs)
    at = np.unravel_index(int(np.argmax(difference)), theirs.shape)
    error = float(difference[at]) / (size or 1.0)
    limit = RTOL.get(str(theirs.dtype), 1e-4) if rtol is None else rtol
    place = tuple(map(int, at))
    return Compared(
        layer, what, error, bool(error <= limit), place, float(ours[at]), float(theirs[at])
    )
