"""fit: a whole training in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from handgrad.arrays import Array
from handgrad.optim import Optimizer
from handgrad.protocols import CallbackLike, LayerLike, LossLike, MetricLike, OptimizerLike
from handgrad.train.averaging import Average
from handgrad.train.engine import Engine
from handgrad.train.history import History
from handgrad.train.loop import Trainer


def fit(
    network: LayerLike, x: Any, t: Any, *, loss: LossLike | None = None,
    optimizer: OptimizerLike | type[Optimizer] | str | None = None, epochs: int | None = None,
    steps: int | None = None, batch: int | None = None, validation: Any = None,
    metrics: Sequence[MetricLike] | None = None, callbacks: Iterable[CallbackLike] = (),
    sample_weights: Any = None, weighting: str = "data", accumulate: int = 1,
    augment: Callable[[Array, int], Array] | None = None, shuffle: bool = True, seed: int = 0,
    progress: bool | None = None, engine: str | Engine | None = None, threads: int | None = None,
    average: Average | None = None, watch: Any = False, shards: int | None = None,
    parallel: Any = None, batch_norm: str = "global", gradients: str | None = None,
    compile: Any = None,
) -> History:  # fmt: skip
    """Train a network on inputs x (N, …) and targets t (N, …); what was recorded.

    All options, and what is raised, are those of `Trainer`, whose `run` this is.
    """
    return Trainer(
        network, x, t, loss=loss, optimizer=optimizer, epochs=epochs, steps=steps, batch=batch,
        validation=validation, metrics=metrics, callbacks=callbacks,
        sample_weights=sample_weights, weighting=weighting, accumulate=accumulate,
        augment=augment, shuffle=shuffle, seed=seed, progress=progress, engine=engine,
        threads=threads, average=average, watch=watch, shards=shards, parallel=parallel,
        batch_norm=batch_norm, gradients=gradients, compile=compile,
    ).run()  # fmt: skip
