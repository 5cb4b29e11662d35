"""Optimizers as rows over the flat buffers: each run of parameters in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.values import NotNative, Place
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
_PIECE = 1 << 13  # gradients whose squares make one sum


def lower_optimizer(b: Builder, optimizer: Any, network: Network) -> None:
    """Append the rows of one update of all parameters.

    Raises NotNative for a rule of the user's own.
    """
    if type(optimizer) not in _RULES:
        raise NotNative(f"{type(optimizer).__name__} has no native form")
    rule, names = _RULES[type(optimizer)]
    runs = optimizer.runs(network)
    states: list[Place | None] = [b.array(a, writable=True) for a in optimizer.state.values()]
    states += [None] * (2 - len(states))
    rate = b.step_number(optimizer.learning_rates)
    root, rest = (b.step_number(f) for f in _corrections(optimizer)) if rule == 6 else (rate, rate)
    clips = optimizer.clip_value is not None
    constants = [getattr(optimizer, name) if name else 0.0 for name in names]

    def reals(run: Any) -> tuple[float, ...]:
        l2, decay = (optimizer.l2, optimizer.weight_decay) if run.decays else (0.0, 0.0)
        return (*constants, l2, decay, optimizer.clip_value or 0.0, run.scale)

    factor = _clip_factor(b, optimizer, runs, clips, reals)
    for run in runs:
        start, n = run.where.start, run.where.stop - run.where.start
        own = [None if state is None else state + start for state in states]
        b.row(
            "update", n, rule, Place("parameters", start), Place("gradients", start), *own,
            rate, root, rest, factor, clips, reals=reals(run),
        )  # fmt: skip
    b.after.append(optimizer.skip)


def lower_penalty(b: Builder, optimizer: Any, network: Network, losses: Place) -> None:
    """Append the rows that add ½ λ Σ W², whose gradient `l2` adds, to the loss of the step."""
    if not getattr(optimizer, "l2", 0):
        return
    runs = [run for run in optimizer.runs(network) if run.decays]
    counts = [-(-(run.where.stop - run.where.start) // _PIECE) for run in runs]
    total, at = b.value((2 * sum(counts),)), 0
    for run, count in zip(runs, counts):
        start, n = run.where.start, run.where.stop - run.where.start
        b.row("squares", n, 0, None, Place("parameters", start), b.view(total, (2 * count,), at))
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
            "squares", n, 0, Place("parameters", start) if l2 else None, Place("gradients", start),
            b.view(total, (2 * count,), at), 0, 0, 0, 0, 0, clips, reals=reals(run),
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
