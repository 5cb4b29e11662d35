"""The table of operators: for each name, the function of every opset that changed it.

An operator is a function of arrays: inputs by position, None where left out, attributes by name.
One that needs more than that takes `node`, a `Call`: its opset, how many outputs are asked for,
and its subgraphs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TRAINING = "ai.onnx.preview.training"
PREVIEW = "ai.onnx.preview"
ML = "ai.onnx.ml"
NEWEST = {"": 28, ML: 5, TRAINING: 1, PREVIEW: 1}


@dataclass(frozen=True)
class Operator:
    """One version of an operator: what it computes, and the attributes that it takes."""

    function: Callable[..., Any]
    since: int
    attributes: frozenset[str]
    required: tuple[str, ...]
    takes_node: bool
    inputs: tuple[int, float]  # how few and how many


@dataclass
class Call:
    """What an operator may know of its node."""

    node: Any
    opset: int
    run: Callable[..., Any]  # (subgraph, inputs) → outputs
    scope: Any = None
    opsets: dict[str, int] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """How many outputs are asked for, up to the last that has a name."""
        names = self.node.outputs
        return max((i + 1 for i, name in enumerate(names) if name), default=0)


TABLE: dict[tuple[str, str], list[Operator]] = {}


def operator(*names: str, since: int = 1, domain: str = "") -> Callable[..., Any]:
    """Enter a function under these names, from this opset on."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        made = _described(function, since)
        for name in names:
            versions = TABLE.setdefault((domain, name), [])
            versions.append(made)
            versions.sort(key=lambda o: o.since)
        return function

    return enter


def _described(function: Callable[..., Any], since: int) -> Operator:
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    places = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    many = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    few = sum(p.default is p.empty for p in places)
    return Operator(
        function, since, frozenset(p.name for p in named if p.name != "node"),
        tuple(p.name for p in named if p.default is p.empty and p.name != "node"),
        any(p.name == "node" for p in named), (few, float("inf") if many else len(places)),
    )  # fmt: skip


def find(domain: str, name: str, opset: int) -> Operator | None:
    """The operator as this opset has it, None where it is missing."""
    fitting = [o for o in TABLE.get((domain, name), ()) if o.since <= opset]
    return fitting[-1] if fitting else None
