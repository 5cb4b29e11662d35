"""Normalization: sums over rows in blocks, the blocks in order, then one pass over the elements."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.lowering.shards import parts_of
from handgrad.compile.sharding import ShardedBuilder
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Size, Value, times
from handgrad.layers import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Standardize

BLOCK_WORDS = 8192  # also in native/blocks.h


def block_sums(b: Builder, rows: Size, length: int, columns: int) -> Value:
    """Memory for two sums of each column, for every block of rows of that length."""
    blocks = parts_of(b, rows, max(1, BLOCK_WORDS // length))
    return b.value((max(blocks, 1), 2, columns))


def scale_gradients(b: Builder, layer: Any) -> tuple[Any, ...]:
    """Where dγ and dβ go, None for what is frozen or not there; and whether to add."""
    return b.gradients(layer.gamma, layer.beta if "beta" in layer.params else None)


@dataclass
class BatchRecord:
    """The input as the rows read it, its statistics, and what the rows have in common: how many
    rows of channels, and whether each shard of the batch has statistics of its own."""

    x: Value
    stats: Value
    columns: dict[str, Any]


@lowers(BatchNorm)
class LowerBatchNorm(Lowering):
    """Moments of blocks of rows, the statistics from all blocks, then y, channels last."""

    epilogues = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, BatchRecord]:
        layer, x = node.layer, node.inputs[0]
        image = len(x.shape) > 2
        x = b.last(x) if image else b.plain(b.gathered(x))
        C, rows = layer.gamma.size, times(x.shape[0], *x.shape[2:])
        apart = isinstance(b, ShardedBuilder) and layer.training and b.batch_norm == "shard"
        stats, y = b.value((b.part.count if apart else 1, 2, C)), b.value(x.shape, last=image)
        columns = {"rows": rows, "columns": C, "apart": apart}
        running = {name: b.array(getattr(layer, name), True) for name in layer.buffers}
        sums: dict[str, Any] = {}
        if layer.training:
            sums["blocks"] = block_sums(b, rows, C, C)
            b.row("column_moments", **columns, x=x, **sums)
            sums |= gathered(b, columns, sums["blocks"], moments=True)
        if isinstance(b, ShardedBuilder) and apart:
            sums["moved"] = b.summed(2 * C)
            b.after_exchange("running_statistics", columns=C, moved=sums["moved"], **running)
        b.row(
            "batch_statistics", **columns, **sums, stats=stats, **running, eps=layer.eps,
            momentum=layer.momentum,
        )  # fmt: skip
        b.row(
            "column_scale", **columns, x=x, y=y, stats=stats, gamma=b.parameter(layer.gamma),
            beta=b.parameter(layer.beta), **node.epilogue.arguments,
        )  # fmt: skip
        return y, BatchRecord(x, stats, columns)

    def backward(self, b: Builder, node: Node, record: BatchRecord, dy: Value) -> Value | None:
        layer, x, stats, columns = node.layer, record.x, record.stats, record.columns
        C, dy = layer.gamma.size, b.last(dy) if x.last else b.plain(dy)
        blocks, means = block_sums(b, columns["rows"], C, C), b.value(stats.shape)
        dgamma, dbeta, add = scale_gradients(b, layer)
        b.row("column_gradients", **columns, x=x, dy=dy, stats=stats, blocks=blocks)
        b.row(
            "batch_gradients", **columns, blocks=blocks, **gathered(b, columns, blocks),
            stats=stats, dgamma=dgamma, dbeta=dbeta, add=add, means=means,
        )  # fmt: skip
        if not node.needs_input_grad[0]:
            return None
        dx = b.value(x.shape, last=x.last)
        b.row(
            "column_dx", **columns, x=x, dx=dx, stats=stats, dy=dy, gamma=b.parameter(layer.gamma),
            means=means,
        )  # fmt: skip
        return dx


def gathered(
    b: Builder, columns: dict[str, Any], blocks: Value, *, moments: bool = False
) -> dict[str, Any]:
    """Append the rows that make of blocks the two sums of every shard, also of those that other
    ranks compute; the arguments that say so. None where all shards are here, or each for itself."""
    if not isinstance(b, ShardedBuilder) or b.part.alone or columns["apart"]:
        return {}
    (first, stop), ranks, count = b.part.span, b.part.ranks, b.part.shards.count
    shards = b.value((count, 2 * columns["columns"]))
    b.row("shard_sums", **columns, moments=moments, blocks=blocks, count=count, shards=shards)

    def gather(n: int, step: int, sums: Array) -> None:
        sums[...] = ranks.gather(sums[first:stop])

    b.meet(gather, shards)
    return {"shards": shards, "count": count, "each": columns["rows"].count}


FAR = 2.0**12  # deviations from zero at which float32 leaves 3 digits of a difference


@lowers(Standardize)
class LowerStandardize(Lowering):
    """The scaling of batch normalization, by statistics that are constants."""

    epilogues = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        layer, x = node.layer, b.plain(b.gathered(node.inputs[0]))
        if (np.abs(layer.center) * layer.factor > FAR).any():
            raise NotNative(f"{node.name}: a mean of more than {FAR:.0f} deviations")
        y = b.value(x.shape)
        self.row(b, layer, x, y, layer.center, **node.epilogue.arguments)
        return y, None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> Value | None:
        if not node.needs_input_grad[0]:
            return None
        dx = b.value(dy.shape)
        self.row(b, node.layer, b.plain(b.gathered(dy)), dx, np.zeros(len(node.layer.center)))
        return dx

    def row(self, b: Builder, layer: Any, x: Value, y: Value, mean: Array, **epilogue: Any) -> None:
        """Append y = f((x − mean) · factor), by columns."""
        C, stats = len(mean), np.stack([mean, layer.factor]).astype(np.float32)
        one, zero = (np.full(C, value, np.float32) for value in (1, 0))
        b.row(
            "column_scale", rows=times(*x.shape[:-1]), columns=C, x=x, y=y, stats=b.array(stats),
            gamma=b.array(one), beta=b.array(zero), **epilogue,
        )  # fmt: skip


@dataclass
class GroupRecord:
    """The input, its statistics, and the sizes of its groups."""

    x: Value
    stats: Value
    sizes: tuple[Size, int, int, int]

    def arguments(self, b: Builder, layer: Any) -> dict[str, Any]:
        """What the rows forward and back have in common."""
        named = dict(zip(("samples", "groups", "channels", "run"), self.sizes))
        gamma, stays = b.parameter(layer.gamma), type(layer) is RMSNorm
        return {**named, "x": self.x, "stats": self.stats, "gamma": gamma, "mean_stays": stays}


@lowers(LayerNorm, RMSNorm, GroupNorm, InstanceNorm)
class LowerGroups(Lowering):
    """Every sample is some groups of channels, each channel a run of elements."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, GroupRecord]:
        layer, x = node.layer, b.plain(b.gathered(node.inputs[0]))
        sizes = groups(layer, x.shape)
        y, stats = b.value(x.shape), b.value((times(*sizes[:2]), 2))
        beta = b.parameter(layer.beta) if "beta" in layer.params else None
        record = GroupRecord(x, stats, sizes)
        b.row("group_norm", **record.arguments(b, layer), y=y, beta=beta, eps=layer.eps)
        return y, record

    def backward(self, b: Builder, node: Node, record: GroupRecord, dy: Value) -> Value | None:
        layer, x, (M, G, C, P) = node.layer, record.x, record.sizes
        dgamma, dbeta, add = scale_gradients(b, layer)
        blocks = block_sums(b, M, G * C * P, G * C)
        dx = b.value(x.shape) if node.needs_input_grad[0] else None
        b.row(
            "group_norm_backward", **record.arguments(b, layer), dx=dx, dy=b.plain(dy),
            blocks=blocks,
        )  # fmt: skip
        for address, offset in (dgamma, 0), (dbeta, G * C):
            if address is not None:
                sums = b.view(blocks, blocks.shape, offset)
                b.row(
                    "totals", rows=M, length=G * C * P, columns=G * C, x=sums, step=2 * G * C,
                    sum=address, add=add,
                )  # fmt: skip
        return dx


def groups(layer: Any, shape: Any) -> tuple[Size, int, int, int]:
    """Samples, groups of a sample, channels of a group, elements of a channel."""
    if isinstance(layer, LayerNorm):
        count, axes = layer.gamma.ndim, np.atleast_1d(np.arange(len(shape))[np.array(layer.axis)])
        if count == len(shape) or sorted(axes) != list(range(len(shape)))[-count:]:
            raise NotNative("axes that are not the last ones, or the batch")
        return times(*shape[:-count]), 1, layer.gamma.size, 1
    N, C, *sizes = shape
    G = layer.groups if type(layer) is GroupNorm else C
    return N, G, C // G, prod(sizes)
