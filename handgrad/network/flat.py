"""Flat: all parameters of a network in one array, all gradients in another.

So an optimizer is one pass, clipping is one norm, and a checkpoint is one write.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, zeros
from handgrad.layer import Slot, slots
from handgrad.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Segment:
    """One parameter's part of the flat arrays, and every attribute that holds the parameter."""

    path: str
    start: int
    stop: int
    slots: list[Slot]
    view: Array
    grad_view: Array


class Flat:
    """The flat arrays over some slots; the layers' arrays become views into them.

    An array that stands in several slots (tied weights) has one segment, and its gradient is the
    sum of theirs. Raises ValueError for a parameter whose size is not known yet, and for one
    that shares a part of its memory with another.
    """

    def __init__(self, held: list[Slot], dtype: Any):
        together = _together(held)
        size = sum(group[0].value.size for group in together)
        self.parameters, self.gradients = zeros(size, dtype), zeros(size, dtype)
        self.segments: list[Segment] = []
        self.frozen: frozenset[str] = frozenset()
        start = 0
        for group in together:
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

    def covers(self, slots: list[Slot]) -> bool:
        """Whether these are the slots in the flat arrays."""
        held = {(id(slot.owner), slot.name) for s in self.segments for slot in s.slots}
        return held == {(id(slot.owner), slot.name) for slot in slots}

    def tie(self) -> None:
        """Where another array has been put in a parameter's place, take its values.

        Raises ValueError for one that is another parameter, ShapeError for another shape.
        """
        for segment in self.segments:
            for slot in segment.slots:
                if slot.owner.__dict__.get(slot.name) is segment.view:  # nearly always
                    continue
                value = slot.value
                if value is segment.view:
                    continue
                require_array(slot)
                if np.shape(value) != segment.view.shape:
                    raise ShapeError(
                        f"{slot.path}: the parameter has shape {segment.view.shape}, it was "
                        f"replaced by {np.shape(value)}"
                    )
                self._require_own(segment, slot, value)
                segment.view[...] = value
                for other in segment.slots:
                    other.set(segment.view)

    def _require_own(self, segment: Segment, slot: Slot, value: Any) -> None:
        """Copying values must not pass for tying."""
        if not (isinstance(value, np.ndarray) and np.may_share_memory(value, self.parameters)):
            return
        for other in self.segments:
            if other is not segment and np.shares_memory(value, other.view):
                slot.set(segment.view)
                raise ValueError(
                    f"{slot.path} was given memory of {other.path}, and the network has its "
                    f"parameters already: to tie them, network.tie({other.path!r}, "
                    f"{slot.path!r}), or assign before the network's first use; to copy the "
                    "values, assign a copy"
                )

    def tied(self, paths: Sequence[str]) -> Flat:
        """The flat arrays in which the parameters of these paths are one, the first one's."""
        found = {slot.path: (s, slot) for s in self.segments for slot in s.slots}
        for path in paths:
            if path not in found:
                raise ValueError(
                    f"tie: no parameter is called {path!r}; there are {', '.join(found)}"
                )
        views = {path: found[path][0].view for path in paths}
        if len({view.shape for view in views.values()}) > 1:
            shapes = ", ".join(f"{path} {view.shape}" for path, view in views.items())
            raise ShapeError(f"tie: parameters of one shape can be tied, got {shapes}")
        for path in paths:
            for slot in found[path][0].slots:
                slot.set(views[paths[0]])
        flat = Flat([slot for _, slot in found.values()], self.parameters.dtype)
        flat.frozen = self.frozen & {s.path for s in flat.segments}
        return flat

    def collect(self) -> Array:
        """Copy the layers' gradients into the flat array."""
        for segment in self.segments:
            view = segment.grad_view
            alone = len(segment.slots) == 1 and not self.frozen
            gradient = segment.slots[0].grad if alone else self._gradient(segment)
            if gradient is None:
                view[...] = 0
            elif gradient is not view:
                if gradient.shape != view.shape:
                    self._refuse(segment, gradient)
                np.copyto(view, gradient)
        return self.gradients

    def show(self) -> None:
        """Let the layers have the gradients of the flat array, as views of it."""
        for segment in self.segments:
            for slot in segment.slots:
                slot.set_grad(segment.grad_view if slot is segment.slots[0] else None)

    def beside(self, held: list[Slot]) -> Flat:
        """The same parameters, in the slots of a clone of what holds them, and other gradients."""
        other = copy.copy(self)
        other.gradients = np.zeros_like(self.gradients)
        of: dict[int, list[Slot]] = {}
        for slot in held:
            of.setdefault(id(slot.value), []).append(slot)
        other.segments = [
            Segment(s.path, s.start, s.stop, of[id(s.view)], s.view,
                    other.gradients[s.start : s.stop].reshape(s.view.shape))
            for s in self.segments
        ]  # fmt: skip
        return other

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


class Flattened:
    """The part of a network that has its parameters in flat arrays."""

    dtype: Any
    _flat: Flat | None = None
    _frozen: frozenset[str] = frozenset()  # what was frozen before layers were exchanged

    def _adopt(self) -> None:
        """Take in the layers that are new since the last time."""
        raise NotImplementedError

    def _buffers(self) -> Flat:
        self._adopt()
        if self._flat is None:
            self._flat = Flat(slots(self), self.dtype)
            self._flat.frozen = self._frozen & {s.path for s in self._flat.segments}
        return self._flat

    @property
    def flat(self) -> Flat:
        """The buffers, after arrays that were put in a parameter's place are taken over."""
        flat = self._buffers()
        flat.tie()
        return flat

    def tie(self, *paths: str) -> Any:
        """Let these parameters of one shape be one array from now on: the first one's.

        Its gradient is the sum of theirs. An optimizer that was used before is for other
        parameters. Before a network's first use `b.W = a.W` does the same.
        Raises ValueError for a path that no parameter has, ShapeError for different shapes.
        """
        self._flat = self.flat.tied(paths)
        return self

    def replace(self, arrays: Mapping[str, Array]) -> Any:
        """Put these arrays, of any shapes, in the places of parameters; the flat arrays are new.

        A layer that keeps its sizes has to be told. An optimizer that was used before is for other
        parameters. Raises ValueError for a path that no parameter has.
        """
        before = self.flat
        held = {slot.path: segment for segment in before.segments for slot in segment.slots}
        if unknown := arrays.keys() - held.keys():
            raise ValueError(
                f"replace: no parameter is called {min(unknown)!r}; there are {', '.join(held)}"
            )
        for path, array in arrays.items():
            for slot in held[path].slots:
                slot.set(array)
        self._flat = Flat([slot for s in before.segments for slot in s.slots], self.dtype)
        self._flat.frozen = before.frozen
        return self

    @property
    def parameters(self) -> Array:
        """All parameters, one after the other in one array; writing to it changes the layers."""
        return self.flat.parameters

    @property
    def gradients(self) -> Array:
        """All gradients in the parameters' order, as the last backward left them in the layers.

        Zero where a parameter took no part or is frozen.
        """
        return self._buffers().collect()

    @property
    def layout(self) -> list[tuple[str, int, int, tuple[int, ...]]]:
        """(path, start, stop, shape) of every parameter in the flat arrays."""
        return self._buffers().layout

    def named_parameters(self) -> dict[str, Array]:
        """Every parameter under its path, as a view into the flat array."""
        return {s.path: s.view for s in self.flat.segments}

    def named_gradients(self) -> dict[str, Array]:
        """Every gradient under its parameter's path, as a view into the flat array."""
        flat = self._buffers()
        flat.collect()
        return {s.path: s.grad_view for s in flat.segments}

    def freeze(self, *prefixes: str) -> Any:
        """Keep these parameters as they are: paths, or the beginnings of paths ("0", "encoder").

        Raises ValueError for a prefix that names nothing.
        """
        self._buffers().freeze(prefixes)
        return self

    def unfreeze(self) -> Any:
        """Let every parameter learn again."""
        self._buffers().frozen = frozenset()
        return self

    @property
    def frozen(self) -> frozenset[str]:
        """Paths of the frozen parameters."""
        return self._buffers().frozen


def cast_parameters(slots: list[Slot], dtype: Any) -> None:
    """Give every parameter that is there this dtype; tied ones stay tied."""
    for group in _together([slot for slot in slots if slot.value is not None]):
        if group[0].value.dtype != dtype:
            value = group[0].value.astype(dtype)
            for slot in group:
                slot.set(value)


def _together(slots: list[Slot]) -> list[list[Slot]]:
    """The slots in groups that hold the same array: the same elements at the same address."""
    groups: dict[Any, list[Slot]] = {}
    for slot in slots:
        value = slot.value
        if value is None:
            raise ValueError(
                f"{slot.path} has no size yet: it is found from the first batch; use the "
                "network once, or call build(x) with a batch"
            )
        require_array(slot)
        groups.setdefault(_key(value), []).append(slot)
    found = list(groups.values())
    _refuse_overlap(found)
    return found


def require_array(slot: Slot) -> None:
    """ValueError where a layer has got a tensor for an array; only networks own tensors."""
    held = vars(slot.owner).get(slot.name)
    if isinstance(held, Tensor) and slot.name in getattr(slot.owner, "params", ()):
        raise ValueError(
            f"{slot.path} must be an array, got a {type(held).__name__}, which only a Network "
            "can own: assign its .data"
        )


def _key(value: Any) -> Any:
    """What tells an array from all others, whatever object looks at its memory."""
    if not isinstance(value, np.ndarray) or not value.size:
        return id(value)
    return value.ctypes.data, value.shape, value.strides, value.dtype


def _refuse_overlap(groups: list[list[Slot]]) -> None:
    """Parameters that share some memory, but are not the same array, would come apart unseen."""
    held = [(_bounds(g[0].value), g[0]) for g in groups if isinstance(g[0].value, np.ndarray)]
    held.sort(key=lambda item: item[0])
    before: list[tuple[tuple[int, int], Slot]] = []
    for bounds, slot in held:
        before = [item for item in before if item[0][1] > bounds[0]]
        for _, other in before:
            if np.shares_memory(slot.value, other.value):
                raise ValueError(
                    f"{slot.path} and {other.path} share memory, but are not the same array: only "
                    "that ties; give each a copy, or use one parameter twice in a Network's "
                    "__call__, which may transpose it"
                )
        before.append((bounds, slot))


def _bounds(array: Array) -> tuple[int, int]:
    """The first address of an array, and the first behind it."""
    if not array.size:
        return 0, 0
    reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides)]
    low = array.ctypes.data + sum(r for r in reach if r < 0)
    return low, low + sum(map(abs, reach)) + array.itemsize
