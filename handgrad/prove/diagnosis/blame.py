"""Blame: in a network whose check fails, the first layer that is wrong by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from handgrad.findings.report import WRONG, Report
from handgrad.layer import is_layer
from handgrad.prove.verdict.trial import Case, fresh
from handgrad.subject.copying import duplicate
from handgrad.subject.sandbox import SubjectError


def blame(case: Case, check: Callable[..., Report]) -> tuple[str, Report] | None:
    """The name of the first layer that is measured wrong by itself, and its report.

    The first with a wrong gradient for what it is given here; without one, the first that is wrong
    at all. None for a single layer, and for a network whose layers are all right: then it is the
    network's own code that puts them together wrongly.
    """
    first = None
    for name, layer, inputs in _uses(case):
        report = check(layer, inputs)
        if any(row.verdict == WRONG for row in report.table):
            return name, report
        if report.verdict == WRONG and first is None:
            first = name, report
    return first


def _uses(case: Case) -> list[tuple[str, Any, tuple[Any, ...]]]:
    """Every layer inside, as it was when forward first came to it, and what it was given."""
    network = case.subject.copy()
    if hasattr(network.thing, "parts"):  # of another library: it knows its own
        given = [fresh(x) for x in case.inputs]
        of_peer: list[Any] = network.sandbox.call("forward", network.thing.parts, given)
        return of_peer
    uses: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    for name, layer in list(_inside(network.thing)):
        layer.forward = _listening(name, layer, uses)
    with suppress(SubjectError):  # the layer in which it fails has been noted
        network.forward([fresh(x) for x in case.inputs])
    return [(name, layer, inputs) for name, (layer, inputs) in uses.items()]


def _listening(name: str, layer: Any, uses: dict[str, Any]) -> Callable[..., Any]:
    """forward of a layer, which notes its first call."""
    forward, before = layer.forward, duplicate(layer)

    def noted(*inputs: Any) -> Any:
        uses.setdefault(name, (before, tuple(fresh(x) for x in inputs)))
        return forward(*inputs)

    return noted


def _inside(thing: Any) -> Iterator[tuple[str, Any]]:
    """The innermost layers, with their paths."""
    for name, value in getattr(thing, "__dict__", {}).items():
        members: Any = {name: value}
        if isinstance(value, list | tuple | dict):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            members = {f"{name}[{key!r}]": inner for key, inner in pairs}
        for path, inner in members.items():
            if is_layer(inner) and inner is not thing and name != "followed_by":
                deeper = [(f"{path}.{n}", layer) for n, layer in _inside(inner)]
                yield from deeper or [(path, inner)]
