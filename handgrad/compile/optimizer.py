"""Optimizers as rows over the flat buffers: each run of parameters in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder, Row
from handgrad.compile.stages import small
from handgrad.compile.values import Address, NotNative, Size, Value, at_most
from handgrad.network import Network
from handgrad.optim.rules import SGD, AdaDelta, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp

# The rule's number in native/optim.cpp, and which options are its first, second and third number.
_RULES: dict[type, tuple[int, tuple[str | None, str | None, str | None]]] = {
    SGD: (0, (None, None, None)),
    Momentum: (1, ("momentum", None, None)),
    Nesterov: (2, ("momentum", None, None)),
    AdaGrad: (3, (None, None, "eps")),
    RMSProp: (4, ("rho", None, "eps")),
    AdaDelta: (5, ("rho", None, "eps")),
    Adam: (6, ("beta1", "beta2", "eps")),
    AdamW: (6, ("beta1", "beta2", "eps")),
}
_LIGHT = (0, 1, 2)  # rules that neither divide nor take roots: those wait for that, not for memory
_NOTHING = (None, None, None)
_SHARED = 1 << 15  # multiplications of a gradient that are worth sharing out by samples
_WORTH = 1 << 12  # parameters that are worth a row of their own
_PIECE = 1 << 13  # gradients whose squares make one sum


def lower_optimizer(b: Builder, optimizer: Any, network: Network) -> int:
    """Append the rows of one update of all parameters; the first row that updates any.

    Rows that make a gradient and are the last to need its parameter may update it themselves.
    Raises NotNative for a rule of the user's own.
    """
    if type(optimizer) not in _RULES:
        raise NotNative(f"{type(optimizer).__name__} has no native form")
    rule, names = _RULES[type(optimizer)]
    runs = optimizer.runs(network)
    states: list[Address | None] = [b.array(a, writable=True) for a in optimizer.state.values()]
    states += [None] * (2 - len(states))
    rate = b.step_number(optimizer.learning_rates)
    root, rest = (b.step_number(f) for f in _corrections(optimizer)) if rule == 6 else (rate, rate)
    clips = optimizer.clip_value is not None
    constants = [getattr(optimizer, name) if name else 0.0 for name in names]

    def reals(run: Any) -> tuple[float, ...]:
        l2, decay = (optimizer.l2, optimizer.weight_decay) if run.decays else (0.0, 0.0)
        return (*constants, l2, decay, optimizer.clip_value or 0.0, run.scale)

    factor = _clip_factor(b, optimizer, runs, clips, reals)
    first = len(b.rows)
    for run in runs:

        def own(start: int) -> tuple[Address | None, ...]:
            return Address("parameters", start), *(s and s + start for s in states)

        shared = {} if factor else _share(b, run.where)
        fused = fuse(b, run.where) if rule in _LIGHT and not (factor or optimizer.l2) else []
        for index, start, _ in fused:
            row, first = b.rows[index], min(first, index)
            D, N, bias = (cast(int, row.args[k]) for k in (0, 1, 12))
            b.rows[index] = replace(
                row, label=f"{row.label}, update", reals=reals(run),
                args=(*row.args, rule + 1, *own(start), *(own(start + D * N) if bias else _NOTHING),
                      rate, root, rest, clips),
            )  # fmt: skip
        for start, stop in _by_rows(b, _left(run.where, fused), shared):
            b.row(
                "update", stop - start, rule, *own(start), Address("gradients", start),
                rate, root, rest, factor, clips, shared.get(start), reals=reals(run),
            )  # fmt: skip
    b.after.append(optimizer.skip)
    return first


def fuse(b: Builder, run: slice) -> list[tuple[int, int, int]]:
    """Rows that make the whole gradient of a matrix and its bias, in this stretch of the flat
    arrays, and after which nobody reads these: they can update them at once.

    For each the row's number, and from where to where in the flat arrays.
    """
    return sorted(_last_to_touch(b, run, "parameters", "gradients"), key=lambda one: one[1])


def _share(b: Builder, run: slice) -> dict[int, Value]:
    """Have each half of the batch make a gradient of its own, where the matrix is so small that a
    thread which made half of the matrix would read more of what others wrote.

    The sums of the second half, by where the gradient begins; the update adds them.
    """
    seconds: dict[int, Value] = {}
    for index, start, stop in _last_to_touch(b, run, "gradients"):
        row = b.rows[index]
        D, N, K = (at_most(cast(Size, row.args[k]), b.batch) for k in range(3))
        # Numbers that one of two threads reads of the other's: K / 2 (D / 2 + N), or half of the
        # sums, which count half as much again for being added.
        fewer = 3 * D * N <= K * (D + 2 * N)
        if D * N * K >= _SHARED and small(D, N) and fewer:
            seconds[start] = b.value((stop - start,))
            args = (*row.args, 0, *_NOTHING, *_NOTHING, 0, 0, 0, 0, seconds[start])
            b.rows[index] = replace(row, args=args)
    return seconds


def _last_to_touch(b: Builder, run: slice, *segments: str) -> Iterator[tuple[int, int, int]]:
    """Rows that make a whole gradient whose words no later row names in these segments."""
    touched: list[int] = []  # words that the rows after the present one name
    for index in range(len(b.rows) - 1, -1, -1):
        row = b.rows[index]
        if row.python is not None:  # may read anything
            return
        stretch = _whole_gradient(row, run)
        if stretch and not any(stretch[0] <= word < stretch[1] for word in touched):
            yield index, *stretch
        places = (place for place in map(_place, row.args) if place is not None)
        touched += [p.word for p in places if p.segment in segments]


def _whole_gradient(row: Row, run: slice) -> tuple[int, int] | None:
    """Where in the flat arrays a row of `weights` writes, if W and b are neighbours."""
    if row.kernel != "weights" or len(row.args) > 16:  # those update, or are shared, already
        return None
    D, N, dW, step, db, add = (cast(Any, row.args[k]) for k in (0, 1, 10, 11, 12, 15))
    if not (isinstance(D, int) and isinstance(N, int) and isinstance(dW, Address)) or add:
        return None
    stop = dW.word + D * N
    if step != N or dW.segment != "gradients" or db not in (None, Address("gradients", stop)):
        return None
    stop += N if db else 0
    return (dW.word, stop) if run.start <= dW.word and stop <= run.stop else None


def _place(argument: Any) -> Address | None:
    """Where an argument lies, if that is known before the arena is laid out."""
    if isinstance(argument, Value):
        argument = argument.owner.address
    return argument if isinstance(argument, Address) else None


def _left(run: slice, fused: list[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """What of a run no row has updated at once."""
    at = run.start
    for _, start, stop in fused:
        if at < start:
            yield at, start
        at = stop
    if at < run.stop:
        yield at, run.stop


def _by_rows(
    b: Builder, left: Iterator[tuple[int, int]], shared: dict[int, Value]
) -> Iterator[tuple[int, int]]:
    """Stretches cut where the gradients begin that a row makes: a thread then updates about what it
    has made. Those that are shared are cut at both ends."""
    cuts = [place.word for row in b.rows if (place := _large_gradient(row)) is not None]
    for start, sums in shared.items():
        cuts += [start, start + cast(int, sums.size)]
    for start, stop in left:
        for cut in sorted(cuts):
            if start < cut < stop:
                yield start, cut
                start = cut
        yield start, stop


def _large_gradient(row: Row) -> Address | None:
    """Where a row puts the gradient of a matrix that is worth an update of its own."""
    if row.kernel != "weights":
        return None
    D, N, dW = (cast(Any, row.args[k]) for k in (0, 1, 10))
    return dW if isinstance(dW, Address) and D * N >= _WORTH else None


def lower_penalty(b: Builder, optimizer: Any, network: Network, losses: Address) -> None:
    """Append the rows that add ½ λ Σ W², whose gradient `l2` adds, to the loss of the step."""
    stretches = optimizer.penalized(network)
    if not stretches:
        return
    counts = [-(-(where.stop - where.start) // _PIECE) for where in stretches]
    total, at = b.value((2 * sum(counts),)), 0
    for where, count in zip(stretches, counts):
        start, n = where.start, where.stop - where.start
        b.row("squares", n, 0, None, Address("parameters", start), b.view(total, (2 * count,), at))
        at += 2 * count
    b.row("penalty", sum(counts), total, losses, reals=(optimizer.l2 / 2,))


def _clip_factor(b: Builder, optimizer: Any, runs: Any, clips: bool, reals: Any) -> Any:
    """Rows for what all gradients are multiplied by, so that their norm keeps to clip_norm."""
    if optimizer.clip_norm is None:
        return None
    sums = [-(-(run.where.stop - run.where.start) // _PIECE) for run in runs]
    total, factor = b.value((2 * sum(sums),)), b.value((1,))
    at = 0
    for run, count in zip(runs, sums):
        start, n = run.where.start, run.where.stop - run.where.start
        l2 = optimizer.l2 and run.decays
        b.row(
            "squares", n, 0, Address("parameters", start) if l2 else None,
            Address("gradients", start), b.view(total, (2 * count,), at), 0, 0, 0, 0, 0,
            clips, reals=reals(run),
        )  # fmt: skip
        at += 2 * count
    b.row("clip_factor", sum(sums), total, factor, reals=(optimizer.clip_norm,))
    return factor


def _corrections(optimizer: Adam) -> tuple[Any, Any]:
    """Adam's √(1 − β2^t) and 1 − β1^t for the next updates t."""

    def left(beta: float, count: int) -> Array:
        return 1 - beta ** np.arange(optimizer.steps + 1, optimizer.steps + count + 1)

    return (lambda count: left(optimizer.beta2, count) ** 0.5), (
        lambda count: left(optimizer.beta1, count)
    )
