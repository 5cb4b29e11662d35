"""Sum, mean and maximum along axes that lie next to each other."""

from __future__ import annotations

from dataclasses import dataclass

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Size, Value, times
from handgrad.layers import Max, Mean, Sum

_NAMES: dict[type, str] = {Sum: "sum", Mean: "mean", Max: "max"}  # of native/reduce.cpp


def reduce(
    b: Builder, x: Value, axes: tuple[int, ...], reduction: str = "sum"
) -> tuple[Value, Value | None]:
    """Append y without these axes (they stay as ones); where each maximum is first."""
    if axes != tuple(range(axes[0], axes[-1] + 1)):
        raise NotNative(f"a reduction along axes {axes}, which are not neighbours")
    y = b.total(tuple(1 if i in axes else n for i, n in enumerate(x.shape)), x)
    first = b.value(y.shape) if reduction == "max" else None
    b.row("reduce", **_three(x, axes), x=x, y=y, reduction=reduction, first=first)
    return y, first


def _three(x: Value, axes: tuple[int, ...]) -> dict[str, Size]:
    """The lengths of x before, along and behind the axes."""
    begin, end = axes[0], axes[-1] + 1
    return {
        "outer": times(*x.shape[:begin]),
        "count": times(*x.shape[begin:end]),
        "inner": times(*x.shape[end:]),
    }


@dataclass
class Reduced:
    """The reduced axes, and where each maximum was first."""

    x: Value
    axes: tuple[int, ...]
    first: Value | None


@lowers(*_NAMES)
class LowerReduction(Lowering):
    """y[o, i] from x[o, k, i]; dx gives dy back to every k, or to the first maximum."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Reduced]:
        layer, x = node.layer, b.plain(b.gathered(node.inputs[0]))
        axis, rank = layer.axis, len(x.shape)
        given = range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(sorted(a % rank for a in given))
        if not axes or (type(layer) is not Sum and isinstance(_three(x, axes)["count"], BatchDim)):
            raise NotNative(f"{node.name} along no axis, or along the batch")
        y, first = reduce(b, x, axes, _NAMES[type(layer)])
        return b.view(y, node.outputs[0].shape), Reduced(x, axes, first)

    def backward(self, b: Builder, node: Node, record: Reduced, dy: Value) -> Value:
        dx, lengths = b.value(record.x.shape), _three(record.x, record.axes)
        b.row(
            "reduce_back", **lengths, dy=b.plain(dy), dx=dx, reduction=_NAMES[type(node.layer)],
            first=record.first,
        )  # fmt: skip
        return dx
