"""Replay: a recorded run trained again, and where it parts from what was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handgrad.compile.binary import library
from handgrad.report import data as of_data
from handgrad.report.objects import make_object
from handgrad.report.run import history_of, read_run, run_path
from handgrad.report.start import begin, classes_of
from handgrad.report.sums import machine, sum_of_weights, versions
from handgrad.train import DivergenceError, Trainer, metrics
from handgrad.train.describe import construct
from handgrad.train.history import History

CLOCK = ("seconds",)  # columns that no two runs share


@dataclass
class Replayed:
    """A run that was trained again.

    same: whether the weights are the same bits. parted: the first number that differs, in words,
    or None. differences: what else is not as it was then: versions, machine, engine. beside:
    callbacks of the user's that took part then.
    """

    same: bool
    network: Any
    history: History
    weights: str
    parted: str | None = None
    differences: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        epochs = f"{len(self.history):,} epochs"
        if self.same:
            lines = [f"the same bits: weights {self.weights[:16]} after {epochs}"]
        else:
            lines = [f"not the same bits: weights {self.weights[:16]} after {epochs}"]
            lines += [f"it parts in {self.parted}"] if self.parted else []
            lines += [f"not as it was: {one}" for one in self.differences]
            lines += [f"took part then, and does not now: {one}" for one in self.beside]
            if not (self.differences or self.beside):
                lines.append("versions, machine and engine are as they were")
        return "\n".join(lines)


def replay(
    path: str | Path, x: Any = None, t: Any = None, *, validation: Any = None,
    sample_weights: Any = None, classes: Iterable[type] = (), data: str | Path | None = None,
    progress: bool | None = False,
) -> Replayed:  # fmt: skip
    """Train again what run.json, or the one in a folder, records, and compare the bits.

    x, t, validation, sample_weights: as they were given to `fit`, for a run that does not say
    where its data are. data: another name or path for those that it names. classes: your own layer
    classes; the files of others that the run names are executed, if their checksums are right.
    Raises ValueError, in one line, where the run cannot be trained again: its data, its beginning
    or a class's file are others, or it has something that a file cannot hold.
    """
    path = run_path(path)
    run, folder = read_run(path), path.parent
    _require_whole(path, run)
    try:
        arrays = _arrays(run["data"], folder, x, t, validation, sample_weights, data)
        of_data.check_shapes(arrays, run["data"]["arrays"])
        own = classes_of(run["start"], folder, classes)
        trainer, start = _trainer(run, arrays, own, folder, validation, progress)
        of_data.check_sums(of_data.arrays_of(trainer), run["data"]["arrays"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if start is not None:
        trainer.load_state_dict(start)
    with suppress(DivergenceError):  # as it may have been then; the history and the weights say
        trainer.run()
    weights = sum_of_weights(trainer.network)
    same = weights == run["result"]["weights"]
    return Replayed(same, trainer.network, trainer.history, weights,
                    _parted(history_of(run), trainer.history), _differences(run, trainer.engine),
                    run["beside"])  # fmt: skip


def _require_whole(path: Path, run: Mapping[str, Any]) -> None:
    if run["refused"] or not run["start"] or not run["training"]:
        raise ValueError(f"{path}: this run cannot be replayed: {'; '.join(run['refused'])}")
    if run["result"] is None:
        raise ValueError(f"{path}: this run has not ended, or was killed; train it again first")


def _arrays(
    recorded: Mapping[str, Any], folder: Path, x: Any, t: Any, validation: Any, weights: Any,
    other: Any,
) -> of_data.Arrays:  # fmt: skip
    """The data, as the trainer is to be given them."""
    if (x is None) != (t is None):
        raise ValueError("x, t: give both of them, or none")
    if x is not None:
        return {"x": x, "t": t} | ({} if weights is None else {"weights": weights})
    if recorded["kept"] and other is None:
        return of_data.load_kept(folder / recorded["kept"])
    if recorded["source"] is None and other is None:
        raise ValueError(
            "it does not say where its data are; call handgrad.report.replay(path, x, t), or "
            "record with Record(…, data=NAME), or keep=True"
        )
    source = recorded["source"] or {"name": str(other)}
    arrays = of_data.load_source(source, folder, None if other is None else Path(other))
    return of_data.shaped(arrays, recorded["arrays"])


def _trainer(
    run: Mapping[str, Any], arrays: Mapping[str, Any], own: list[type], folder: Path,
    validation: Any, progress: bool | None,
) -> tuple[Trainer, Any]:  # fmt: skip
    """The trainer as it was made then, and the state that it goes on from, or None."""
    options, ended = run["training"], run["result"]
    network, start = begin(run["start"], folder, own, arrays["x"][:2])
    if validation is None and "x_val" in arrays:
        validation = arrays["x_val"], arrays["t_val"]
    stopping = [] if ended["interrupted"] else options["callbacks"]
    trainer = Trainer(
        network, arrays["x"], arrays["t"], loss=construct(options["loss"], own),
        optimizer=make_object(options["optimizer"], "optimizer"),
        steps=ended["steps"] if ended["interrupted"] else max(options["steps"], ended["steps"]),
        batch=options["batch"], accumulate=options["accumulate"], validation=validation,
        metrics=[getattr(metrics, name) for name in options["metrics"]],
        callbacks=[make_object(c, "callbacks") for c in stopping],
        sample_weights=arrays.get("weights"), weighting=options["weighting"],
        augment=_perhaps(options["augment"], "augment"), shuffle=options["shuffle"],
        seed=options["seed"], progress=progress, engine=options["engine"] if library() else "numpy",
        threads=options["threads"], average=_perhaps(options["average"], "average"),
        shards=options.get("shards"), batch_norm=options.get("batch_norm", "global"),
        gradients=options.get("gradients"),
    )  # fmt: skip
    return trainer, start


def _perhaps(described: Any, where: str) -> Any:
    return None if described is None else make_object(described, where)


def _parted(then: History, now: History) -> str | None:
    """The first number that is not as it was, in words."""
    for epoch in range(min(len(then), len(now))):
        for name in then:
            if name in CLOCK or name not in now or epoch >= len(now[name]):
                continue
            before, after = then[name][epoch], now[name][epoch]
            if before != after and not (before != before and after != after):  # NaN is NaN
                return f"epoch {epoch + 1}: {name} was {before!r}, is {after!r}"
    if len(then) != len(now):
        return f"the number of epochs: {len(then)} then, {len(now)} now"
    return None


def _differences(run: Mapping[str, Any], engine: str) -> list[str]:
    """Versions, machine and engine that are not as they were."""
    pairs = [(f"{name} {was}", f"{now}") for name, now in versions().items()
             if (was := run["versions"].get(name)) != now]  # fmt: skip
    pairs += [(f"{name} {was}", f"{now}") for name, now in machine().items()
              if (was := run["machine"].get(name)) != now]  # fmt: skip
    was, now = (text.partition(" (")[0] for text in (run["engine"], engine))  # without a reason
    pairs += [(f"engine {run['engine']}", engine)] if was != now else []
    return [f"{was} then, {now} now" for was, now in pairs]
