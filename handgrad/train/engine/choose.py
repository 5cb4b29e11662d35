"""The engine that is asked for by name, or that runs best."""

from __future__ import annotations

from typing import Any

from handgrad.compile import NotNative
from handgrad.optim.full_batch import FullBatch
from handgrad.train.engine.full_batch import FullBatchEngine
from handgrad.train.engine.interface import Engine
from handgrad.train.engine.native_engine import NativeEngine
from handgrad.train.engine.numpy_engine import NumPyEngine
from handgrad.train.engine.sharded import ShardedEngine
from handgrad.train.engine.state import TrainState
from handgrad.train.engine.task import Task

NAMES = ("auto", "native", "numpy")


def check_engine(engine: Any) -> Any:
    """The engine, or its name; ValueError for anything else."""
    if isinstance(engine, Engine) or engine in NAMES:
        return engine
    hint = "; give an instance of the class" if isinstance(engine, type) else ""
    raise ValueError(
        f"engine: one of {', '.join(map(repr, NAMES))}, or an Engine, is needed, "
        f"got {engine!r}{hint}"
    )


def prepared(before: Engine | None, choice: str | Engine, task: Task, state: TrainState) -> Engine:
    """The engine that is chosen, made ready; `before`, from an earlier run, is used again.

    "auto" is native where every part is, NumPy where not. Rules that look at the loss several
    times in an update get a `FullBatchEngine` around either.
    """
    full = isinstance(state.optimizer, FullBatch)
    before = before.inner if isinstance(before, FullBatchEngine) else before
    if isinstance(choice, Engine):
        if task.shards is not None and not choice.sharded:
            raise ValueError(
                f"shards: {type(choice).__name__} says sharded = False: it computes whole batches; "
                "engine='auto' would do"
            )
        if state.feedback is not None and not choice.rounds:
            raise ValueError(
                f"gradients: {type(choice).__name__} says rounds = False: it does not round the "
                "sums of shards; engine='auto' would do"
            )
        choice.prepare(task, state)
        return choice
    reason = ""
    if choice != "numpy":
        wanted = choice == "native"
        native = before if isinstance(before, NativeEngine) else NativeEngine()
        native.python = wanted
        try:
            return _made_ready(native, full, task, state)
        except NotNative as refusal:
            reason = str(refusal)
            if wanted:
                raise ValueError(f"engine: {reason}") from None
    plain = NumPyEngine if task.shards is None else ShardedEngine
    return _made_ready(plain(reason), full, task, state)


def _made_ready(
    engine: NativeEngine | NumPyEngine, full: bool, task: Task, state: TrainState
) -> Engine:
    whole = FullBatchEngine(engine) if full else engine
    whole.prepare(task, state)
    return whole
