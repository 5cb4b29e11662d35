"""Record: the callback that writes what a training was, and what came of it, into run.json."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from handgrad.attributes import short
from handgrad.report import objects
from handgrad.report.data import check_source, describe_data
from handgrad.report.judged import Meaning, judge
from handgrad.report.run import FORMAT, read_run, run_path, write_run
from handgrad.report.start import describe_start
from handgrad.report.sums import machine, sum_of_weights, versions
from handgrad.train import metrics
from handgrad.train.callbacks import Callback, EarlyStopping, Progress, SaveModel
from handgrad.train.describe import describe
from handgrad.train.watch import Watch
from handgrad.warn import warn_user

WATCHING = (Progress, SaveModel, Watch)  # callbacks that change nothing


class Record(Callback):
    """Writes `run.json` into a folder: all that `replay` needs, and what a report shows.

        fit(network, x, t, callbacks=[Record("out", data="digits")])

    path: a folder, or a file that ends in .json. data: the name or path that the data came from,
    as for `handgrad train --data`; keep=True writes the arrays into data.npz instead. With
    neither, `replay` needs them: replay(path, x, t).
    classes: names of the classes; columns: names of the inputs; shape: of a sample that is a
    picture, (C, H, W), where x has rows.
    What a file cannot hold is said in a warning at the start: the run can then not be replayed.
    The training itself is the same to the bit.
    """

    passive, only_looks = True, True
    told_last = 2  # after the training doctor, who is told last

    def __init__(
        self, path: str | Path = "out", *, data: Any = None, keep: bool = False,
        classes: Sequence[str] | None = None, columns: Sequence[str] | None = None,
        shape: Sequence[int] | None = None,
    ):  # fmt: skip
        if not isinstance(path, str | os.PathLike):
            raise ValueError(f"Record: path must be that of a folder or .json file, got {path!r}")
        self.path, self.keep, self.data = run_path(path), keep, check_source(data)
        self.classes, self.columns, self.shape = classes, columns, shape
        self.run: dict[str, Any] = {}

    def on_start(self, trainer: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        refused: list[str] = []

        def held(make: Callable[[], Any]) -> Any:
            try:
                return make()
            except ValueError as error:
                refused.append(" ".join(str(error).removeprefix("save: ").split()))
                return None

        folder = self.path.parent
        self.run = {
            "format": FORMAT, "versions": versions(), "machine": machine(),
            "engine": trainer.engine, "shown": _shown(trainer),
            "data": describe_data(trainer, self.data, folder, self.keep),
            "training": _training(trainer, held), "refused": refused, "result": None, "seen": {},
        }  # fmt: skip
        start = self._earlier(trainer) or held(lambda: describe_start(trainer, folder))
        self.run |= {"start": start, "beside": []}
        for callback in trainer.state.callbacks:
            if not isinstance(callback, (*WATCHING, Record, EarlyStopping)):
                self.run["beside"].append(short(callback))
        for reason in refused:
            warn_user(f"Record: this run cannot be replayed: {reason}", RuntimeWarning)
        self._write()

    def on_end(self, trainer: Any) -> None:
        history = trainer.history
        self.run["result"] = {
            "steps": trainer.step, "epochs": trainer.epoch,
            "stopped": history.stopped, "interrupted": trainer.interrupted,
            "columns": history.columns, "weights": sum_of_weights(trainer.network),
        }  # fmt: skip
        try:
            self.run["seen"] = judge(trainer, Meaning(self.classes, self.columns, self.shape))
        except Exception as error:  # of foreign layers, say: a picture must not cost a training
            said = " ".join(str(error).split())
            text = f"Record: the network is not judged: {type(error).__name__}: {said}"
            warn_user(text, RuntimeWarning)
        self._write()

    def _earlier(self, trainer: Any) -> Any:
        """Where a training goes on from a file, the beginning that its first part recorded."""
        if not trainer.step or not self.path.exists():
            return None
        try:
            before = read_run(self.path)
        except ValueError:
            return None
        same = all(
            objects.plain(_lasting(self.run[part])) == _lasting(before[part])
            for part in ("data", "training")
        )
        return before["start"] if same else None

    def _write(self) -> None:
        try:
            write_run(self.path, self.run)
        except OSError as error:
            reason = f"{self.path}: {error.strerror or error}"
            warn_user(f"Record: {reason}; it is not written", RuntimeWarning)


def _training(trainer: Any, held: Callable[[Callable[[], Any]], Any]) -> dict[str, Any]:
    """The options of a training; None for each that a file cannot hold."""
    state, task = trainer.state, trainer.task
    stopping = [c for c in state.callbacks if isinstance(c, EarlyStopping)]
    return {
        "optimizer": held(lambda: objects.describe_object(state.optimizer, "optimizer")),
        "loss": held(lambda: describe(trainer.loss)),
        "augment": _maybe(held, task.augment, "augment"),
        "average": _maybe(held, state.average, "average"),
        "callbacks": [_maybe(held, callback, "callbacks") for callback in stopping],
        "steps": trainer.total_steps, "batch": task.batch, "accumulate": task.accumulate,
        "shuffle": bool(trainer.shuffle), "weighting": trainer.weighting, "seed": trainer.seed,
        "metrics": [m.__name__ for m in trainer.metrics if _known(m)], "threads": task.threads,
        "engine": "native" if trainer.engine.startswith("native") else "numpy",
        "shards": state.shards, "batch_norm": state.batch_norm, "gradients": state.gradients,
    }  # fmt: skip


def _maybe(held: Any, thing: Any, where: str) -> Any:
    return None if thing is None else held(lambda: objects.describe_object(thing, where))


def _known(metric: Any) -> bool:
    """Whether a metric is handgrad's, and can be found by its name."""
    return getattr(metrics, getattr(metric, "__name__", ""), None) is metric


def _lasting(part: dict[str, Any]) -> dict[str, Any]:
    """What a continuation may not change: all but how long, and by what."""
    return {k: v for k, v in part.items() if k not in ("steps", "threads", "engine", "source")}


def _shown(trainer: Any) -> str:
    """The optimizer in words."""
    return short(trainer.optimizer)
