"""Flat: all parameters of a network in one array, all gradients in another.

So an optimizer is one pass, clipping is one norm, and a checkpoint is one write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, zeros
from handgrad.layer import Slot


@dataclass(frozen=True, slots=True)
class Segment:
    """One parameter's part of the flat arrays, and every place that holds the parameter."""

    path: str
    start: int
    stop: int
    slots: list[Slot]
    view: Array
    grad_view: Array


class Flat:
    """The flat arrays over some slots; the layers' arrays become views into them.

    An array that stands in several slots (tied weights) has one segment, and its gradient is the
    sum of theirs. Raises ValueError for a parameter whose size is not known yet.
    """

    def __init__(self, slots: list[Slot], dtype: Any):
        together: dict[int, list[Slot]] = {}
        for slot in slots:
            if slot.value is None:
                raise ValueError(
                    f"{slot.path} has no size yet: it is found from the first batch; use the "
                    "network once, or call build(x) with a batch"
                )
            together.setdefault(id(slot.value), []).append(slot)
        size = sum(group[0].value.size for group in together.values())
        self.parameters, self.gradients = zeros(size, dtype), zeros(size, dtype)
        self.segments: list[Segment] = []
        self.frozen: frozenset[str] = frozenset()
        start = 0
        for group in together.values():
            value = group[0].value
            stop = start + value.size
            view = self.parameters[start:stop].reshape(value.shape)
            grad_view = self.gradients[start:stop].reshape(value.shape)
            view[...] = value
            self.segments.append(Segment(group[0].path, start, stop, group, view, grad_view))
            for slot in group:
                slot.set(view)
            start = stop
        self.layout = [(s.path, s.start, s.stop, s.view.shape) for s in self.segments]

    def tie(self) -> None:
        """Where somebody has put another array in a parameter's place, take its numbers."""
        for segment in self.segments:
            for slot in segment.slots:
                value = slot.value
                if value is segment.view:
                    continue
                if np.shape(value) != segment.view.shape:
                    raise ShapeError(
                        f"{slot.path}: the parameter has shape {segment.view.shape}, it was "
                        f"replaced by {np.shape(value)}"
                    )
                segment.view[...] = value
                for other in segment.slots:
                    other.set(segment.view)

    def collect(self) -> Array:
        """Copy the layers' gradients into the flat array."""
        for segment in self.segments:
            view = segment.grad_view
            gradient = self._gradient(segment)
            if gradient is None:
                view[...] = 0
            elif gradient is not view:
                if gradient.shape != view.shape:
                    self._refuse(segment, gradient)
                np.copyto(view, gradient)
        return self.gradients

    def _gradient(self, segment: Segment) -> Any:
        """What the layers have for a parameter; None where it took no part or is frozen."""
        if segment.path in self.frozen:
            return None
        if len(segment.slots) == 1:
            return segment.slots[0].grad
        found = [g for slot in segment.slots if (g := slot.grad) is not None]
        return sum(found[1:], start=found[0]) if found else None

    def _refuse(self, segment: Segment, gradient: Any) -> None:
        slot = segment.slots[0]
        raise ShapeError(
            f"{type(slot.owner).__name__}: d{slot.name} must have the shape of {slot.name}, "
            f"{segment.view.shape}, got {np.shape(gradient)}"
        )

    def freeze(self, prefixes: Iterable[str]) -> None:
        """Freeze the parameters whose paths are, or begin with, these names."""
        paths = [segment.path for segment in self.segments]
        for prefix in prefixes:
            hit = [p for p in paths if p == prefix or p.startswith(prefix + ".")]
            if not hit:
                raise ValueError(
                    f"freeze: no parameter is called {prefix!r}; there are {', '.join(paths)}"
                )
            self.frozen |= frozenset(hit)
