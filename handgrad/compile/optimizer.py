"""Optimizers as rows over the flat buffers: each run of parameters in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder, Row
from handgrad.compile.stages import small
from handgrad.compile.values import Address, NotNative, Value, at_most
from handgrad.network import Network
from handgrad.optim.full_batch import FullBatch
from handgrad.optim.moments import AMSGrad, Lion, NAdam, RAdam
from handgrad.optim.rules import SGD, AdaDelta, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from handgrad.optim.runs import Run

# The rule's name in kernels, and what its options are called there.
_ADAM = {"beta1": "beta1", "beta2": "beta2", "eps": "eps"}
_RULES: dict[type, tuple[str, dict[str, str]]] = {
    SGD: ("sgd", {}),
    Momentum: ("momentum", {"momentum": "beta1"}),
    Nesterov: ("nesterov", {"momentum": "beta1"}),
    AdaGrad: ("adagrad", {"eps": "eps"}),
    RMSProp: ("rmsprop", {"rho": "beta1", "eps": "eps"}),
    AdaDelta: ("adadelta", {"rho": "beta1", "eps": "eps"}),
    Adam: ("adam", _ADAM),
    AdamW: ("adam", _ADAM),
    AMSGrad: ("amsgrad", _ADAM),
    NAdam: ("nadam", _ADAM),
    RAdam: ("radam", _ADAM),
    Lion: ("lion", {"beta1": "beta1", "beta2": "beta2"}),
}
# Rules that neither divide nor take roots: those wait for that, not for memory.
_LIGHT = ("sgd", "momentum", "nesterov", "lion")
_SHARED = 1 << 15  # multiplications of a gradient that are worth sharing out by samples
_WORTH = 1 << 12  # parameters that are worth a row of their own
_PIECE = 1 << 13  # gradients whose squares make one sum


def lower_optimizer(b: Builder, optimizer: Any, network: Network) -> int:
    """Append the rows of one update of all parameters; the first row that updates any.

    Rows that make a gradient and are the last to need its parameter may update it themselves.
    Raises NotNative for a rule of the user's own.
    """
    if isinstance(optimizer, FullBatch):  # makes its updates from the gradients, outside
        return len(b.rows)
    if type(optimizer) not in _RULES:
        raise NotNative(f"{optimizer._name} has no native form")
    rule, names = _RULES[type(optimizer)]
    runs = optimizer.runs(network)
    states = [b.array(a, writable=True) for a in optimizer.state.values()]
    rate = b.step_number(optimizer.learning_rates)
    more = [b.step_number(f) for f in _corrections(optimizer)]
    root, rest, lead = more or [rate] * 3
    own: dict[str, Any] = {
        "rate": rate,
        "root": root,
        "rest": rest,
        "lead": lead,
        "clips": optimizer.clip_value is not None,
    }
    own |= {name: getattr(optimizer, option) for option, name in names.items()}
    own["clip"] = optimizer.clip_value or 0.0
    factor = _clip_factor(b, optimizer, runs)
    first = len(b.rows)
    for run in runs:
        options = {**own, "scale": run.scale}
        if run.decays:
            options |= {"l2": optimizer.l2, "decay": optimizer.weight_decay}
        later = factor is not None or b.part is not None  # what updates need is not there before
        shared = {} if later else _share(b, run.where)
        fused = fuse(b, run.where) if rule in _LIGHT and not (later or optimizer.l2) else []
        for row, start, _ in fused:
            first = min(first, b.rows.index(row))
            row.label += ", update"
            row.set(rule=rule, **_stretch("W", start, states), **options)
            if row["db"]:
                row.set(**_stretch("b", start + row["M"] * row["N"], states))
        for start, stop in _by_rows(b, _left(run.where, fused), shared):
            b.row(
                "update", count=stop - start, rule=rule, g=Address("gradients", start),
                factor=factor, share=b.share, half=shared.get(start),
                **_stretch("p", start, states), **options,
            )  # fmt: skip
    b.after.append(optimizer.skip)
    return first


def _stretch(name: str, start: int, states: list[Address]) -> dict[str, Address]:
    """Parameters from a word of the flat arrays on, and what the rule remembers of them."""
    moved = [state + start for state in states]
    names = f"{name}_first", f"{name}_second", f"{name}_third"
    return {name: Address("parameters", start), **dict(zip(names, moved))}


Stretch = tuple[Row, int, int]  # a row, and where in the flat arrays its gradient begins and ends


def fuse(b: Builder, run: slice) -> list[Stretch]:
    """Rows that make the whole gradient of a matrix and its bias, in this stretch of the flat
    arrays, and after which no other reads these: they can update them at once."""
    return sorted(_last_to_touch(b, run, "parameters", "gradients"), key=lambda one: one[1])


def _share(b: Builder, run: slice) -> dict[int, Value]:
    """Have each half of the batch make a gradient of its own, where the matrix is so small that a
    thread which made half of the matrix would read more of what others wrote.

    The sums of the second half, by where the gradient begins; the update adds them.
    """
    seconds: dict[int, Value] = {}
    for row, start, stop in _last_to_touch(b, run, "gradients"):
        D, N, K = (at_most(row[name], b.whole) for name in ("M", "N", "K"))
        # Elements that one of two threads reads of the other's: K / 2 (D / 2 + N), or half of the
        # sums, which count half as much again for being added.
        fewer = 3 * D * N <= K * (D + 2 * N)
        if D * N * K >= _SHARED and small(D, N) and fewer:
            seconds[start] = b.value((stop - start,))
            row.set(half=seconds[start])
    return seconds


def _last_to_touch(b: Builder, run: slice, *segments: str) -> Iterator[Stretch]:
    """Rows that make a whole gradient whose words no later row names in these segments."""
    touched: list[int] = []  # words that the rows after the present one name
    for row in reversed(b.rows):
        if row.python is not None:  # may read anything
            return
        stretch = _whole_gradient(row, run)
        if stretch and not any(stretch[0] <= word < stretch[1] for word in touched):
            yield row, *stretch
        named = (address for address in map(address_of, row.values()) if address is not None)
        touched += [a.word for a in named if a.segment in segments]


def _whole_gradient(row: Row, run: slice) -> tuple[int, int] | None:
    """Where in the flat arrays a row of `weights` writes, if W and b are neighbours."""
    if row.kernel != "weights" or row["rule"] != "none" or row["half"] or row["add"]:
        return None
    M, N, dW, db = (row[name] for name in ("M", "N", "dW", "db"))
    if not (isinstance(M, int) and isinstance(N, int) and isinstance(dW, Address)):
        return None
    stop = dW.word + M * N
    if (
        row["dW_row"] != N
        or dW.segment != "gradients"
        or db not in (None, Address("gradients", stop))
    ):
        return None
    stop += N if db else 0
    return (dW.word, stop) if run.start <= dW.word and stop <= run.stop else None


def address_of(argument: Any) -> Address | None:
    """Where an argument lies, if that is known before the arena is laid out."""
    if isinstance(argument, Value):
        argument = argument.owner.address
    return argument if isinstance(argument, Address) else None


def _left(run: slice, fused: list[Stretch]) -> Iterator[tuple[int, int]]:
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
    cuts = [dW.word for row in b.rows if (dW := _large_gradient(row)) is not None]
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
    dW = row["dW"]
    return dW if isinstance(dW, Address) and row["M"] * row["N"] >= _WORTH else None


def lower_penalty(b: Builder, optimizer: Any, network: Network, losses: Address) -> None:
    """Append the rows that add ½ λ Σ W², whose gradient `l2` adds, to the loss of the step."""
    stretches = optimizer.penalized(network)
    if not stretches:
        return
    runs = [Run("", where, 1.0, True) for where in stretches]
    sums = _squares(b, [("parameters", run, {}) for run in runs])
    b.row("penalty", count=_count(sums), sums=sums, losses=losses, weight=optimizer.l2 / 2)


def _clip_factor(b: Builder, optimizer: Any, runs: Any) -> Value | None:
    """Rows for what all gradients are multiplied by, so that their norm keeps to clip_norm."""
    if optimizer.clip_norm is None:
        return None
    decay = {True: {"l2": optimizer.l2}, False: {}}
    options = [_clips(optimizer) | decay[run.decays] | {"share": b.share} for run in runs]
    sums = _squares(b, [("gradients", run, own) for run, own in zip(runs, options)])
    factor = b.value((1,))
    b.row("clip_factor", count=_count(sums), sums=sums, factor=factor, limit=optimizer.clip_norm)
    return factor


def _clips(optimizer: Any) -> dict[str, Any]:
    """Whether gradients are clipped by value, and to what."""
    return {"clips": optimizer.clip_value is not None, "clip": optimizer.clip_value or 0.0}


def _squares(b: Builder, of: list[tuple[str, Any, dict[str, Any]]]) -> Value:
    """Rows for the sums of squares of stretches of flat arrays, with their options; the sums."""
    sizes = [run.where.stop - run.where.start for _, run, _ in of]
    counts = [-(-n // _PIECE) for n in sizes]
    sums, at = b.value((2 * sum(counts),)), 0
    for (segment, run, options), n, count in zip(of, sizes, counts):
        if options.get("l2"):
            options = {**options, "p": Address("parameters", run.where.start)}
        part = b.view(sums, (2 * count,), at)
        b.row("squares", count=n, g=Address(segment, run.where.start), sums=part, **options)
        at += 2 * count
    return sums


def _count(sums: Value) -> int:
    """How many sums there are: they have two words each."""
    return cast(int, sums.size) // 2


Numbers = Callable[[int], Array]  # of the next updates, so many


def _corrections(optimizer: Any) -> tuple[Numbers, ...]:
    """What else the next updates t of Adam and its relatives need: root, rest, lead of `Rates`."""
    if not isinstance(optimizer, Adam):
        return ()

    def next_(count: int) -> range:
        return range(optimizer.steps + 1, optimizer.steps + count + 1)

    def left(beta: float, count: int) -> Array:
        return 1 - beta ** np.array(next_(count))

    def root(count: int) -> Array:
        return left(optimizer.beta2, count) ** 0.5

    def rest(count: int) -> Array:
        return left(optimizer.beta1, count)

    if isinstance(optimizer, NAdam):
        shares = optimizer.shares
        return root, *((lambda n, i=i: shares(optimizer.steps + 1, n)[i]) for i in (1, 0))
    if isinstance(optimizer, RAdam):
        factor = optimizer.rectification
        return (lambda count: np.array([factor(t) for t in next_(count)])), rest, rest
    return root, rest, rest
