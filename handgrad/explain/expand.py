"""Expand: which calls are drawn: those of layers, or what one does inside where it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.explain.identity import Identity
from handgrad.explain.use import behind, given, name_of_input, opened
from handgrad.explain.words import clean
from handgrad.tensor import CallRecord

DEEPEST = 8  # levels to which a name is looked for


@dataclass
class Calls:
    """Calls in the order of computing. paths: where layers stand, by their identity."""

    calls: list[CallRecord]
    paths: Mapping[int, str]
    identity: Identity
    inside: dict[CallRecord, str] = field(default_factory=dict)  # what a call was opened from
    names: dict[Any, str] = field(default_factory=dict)  # of values inside, by their keys
    fixed: set[Any] = field(default_factory=set)  # keys of arrays that parts of an opened call use
    _kept: list[Any] = field(default_factory=list)  # outputs, which records hold weakly

    def label(self, call: CallRecord) -> str:
        """Where a call's layer stands, or what it was opened from."""
        return clean(self.inside.get(call) or self.paths.get(id(call.original), ""))

    def name_of(self, owner: Any, name: str) -> str:
        """What a parameter is called: its path in the network."""
        path = self.paths.get(id(owner), "")
        return f"{path}.{name}" if path else name

    def asked_by(self, call: CallRecord) -> set[str]:
        """What a call can be asked for by: its layer's path or class."""
        return {self.paths.get(id(call.original), ""), type(call.original).__name__} - {""}

    def open(self, wanted: Sequence[str] | int) -> None:
        """Replace the calls that are wanted by what they do inside: by names, or so many levels.

        Raises ValueError for a name that no call has, or that cannot be opened.
        """
        if isinstance(wanted, int):
            for _ in range(wanted):
                self._open_once(None)
            return
        there = sorted({name for call in self.calls for name in self.asked_by(call)})
        done: set[str] = set()
        for _ in range(DEEPEST):
            if not (hit := self._open_once({*wanted})):
                break
            done |= hit
        for name in wanted:
            called = [call for call in self.calls if name in self.asked_by(call)]
            if called:
                raise ValueError(
                    f"draw: {name} cannot be opened: the forward of "
                    f"{type(called[0].original).__name__} is a single step, its code does not run "
                    "on tensors, or backward() freed what it needs"
                )
            if name not in done:
                raise ValueError(
                    f"draw: open={name!r} names no layer here; there are {', '.join(there)}"
                )

    def open_those(self, wanted: Callable[[CallRecord], bool]) -> None:
        """Replace calls by what they do inside, again and again, as long as some are wanted.

        Only where nothing that a layer decides by its numbers would stay as it was.
        """
        for _ in range(DEEPEST):
            parts = [self._parts(call, strict=True) if wanted(call) else None
                     for call in self.calls]  # fmt: skip
            if not any(parts):
                return
            self.calls = [inner for call, found in zip(self.calls, parts)
                          for inner in (found or [call])]  # fmt: skip

    def _open_once(self, wanted: set[str] | None) -> set[str]:
        """One level; the names of what was opened."""
        result: list[CallRecord] = []
        done: set[str] = set()
        for call in self.calls:
            names = self.asked_by(call)
            hit = names if wanted is None else names & wanted
            parts = self._parts(call) if hit else None
            result += [call] if parts is None else parts
            done |= set() if parts is None else hit
        self.calls = result
        return done

    def _parts(self, call: CallRecord, *, strict: bool = False) -> list[CallRecord] | None:
        """The calls inside a call, whose inputs and outputs are those of the call."""
        result = opened(call, strict=strict)
        if result is None:
            return None
        outputs, stand_ins = result
        calls = behind(outputs)
        if len(calls) == 1:
            return None
        of = self.identity
        for i, (original, tensor) in enumerate(stand_ins):
            if isinstance(original, tuple):
                key, name = of.of_parameter(*original), self.name_of(*original)
            else:
                key, name = of.of(original), name_of_input(call, i)
            of.stands_for(tensor, key)
            self.names.setdefault(key, name)
        for i, output in enumerate(outputs):
            of.stands_for((call, i), of.of(output))
        name = f"in {self.label(call).removeprefix('in ')} {type(call.original).__name__}"
        name = name.replace("in  ", "in ")
        self._kept.append(outputs)
        self.fixed |= {of.of(x) for x in given(call) if isinstance(x, np.ndarray)}
        self.inside |= dict.fromkeys(calls, name)
        return calls
