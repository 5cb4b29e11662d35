"""Watch: the callback that reads the network at some steps, and tells at the end what it found."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.train.callbacks import Callback
from handgrad.train.diverge import DivergenceError
from handgrad.train.history import History
from handgrad.train.watch.finding import Diagnosis, Reading
from handgrad.train.watch.measure import network as reader
from handgrad.train.watch.measure import updates
from handgrad.train.watch.measure.evidence import Evidence, probe
from handgrad.train.watch.measure.slopes import slopes_of
from handgrad.train.watch.rules import findings_of


class Watch(Callback):
    """Reads the network at the start, at a few steps on the way, and at the end.

    At the end, `history.diagnosis` has the findings and readings, and what was found is printed
    on standard error. The training itself is the same to the bit.
    histograms: also of outputs, parameters and gradients. readings: so many, each of the early
    ones at a quarter of the way to the next. columns: names of the columns of x. show: whether to
    print.
    """

    passive, only_looks, told_last = True, True, True

    def __init__(
        self, *, readings: int = 5, histograms: bool = False, columns: Sequence[str] = (),
        show: bool = True,
    ):  # fmt: skip
        if not isinstance(readings, int) or readings < 3:
            raise ValueError(f"Watch: readings must be an integer of at least 3, got {readings!r}")
        self.readings, self.histograms, self.show = readings, histograms, show
        self.columns = tuple(map(str, columns))

    def on_start(self, trainer: Any) -> None:
        self.seconds = 0.0
        self._pending: updates.Pending | None = None
        with self._timed():
            network = trainer.network
            self.evidence = Evidence(trainer.history, trainer, names=self.columns,
                                     start=network.parameters.copy())  # fmt: skip
            self._steps = plan(trainer.step, trainer.total_steps, self.readings)
            self._read(trainer)
            if any(map(is_foreign, [trainer.loss, *(x for _, x in walk(network))])):
                self.evidence.noisy, self.evidence.slopes = slopes_of(
                    trainer, self._batch(trainer), self.evidence.looks[0].gradient
                )

    def steps_ahead(self, trainer: Any) -> int:
        """Updates until the next one that is looked at, or has just been."""
        if self._pending is not None:
            return 1
        return min((s - trainer.step for s in self._steps if s > trainer.step), default=2**31)

    def on_step(self, trainer: Any) -> None:
        with self._timed():
            if self._pending is not None and trainer.step == self._pending.step + 1:
                self._end_trial(trainer)
            if self._pending is None and trainer.step in self._steps:
                self._read(trainer)

    def on_end(self, trainer: Any) -> None:
        with self._timed():
            self._pending = None
            last = self.evidence.readings[-1]
            if trainer.step > last.step:
                self._add_reading(trainer)
            error = sys.exc_info()[1]
            self.evidence.error = error if isinstance(error, DivergenceError) else None
            found = findings_of(self.evidence)
        told = Diagnosis(found, self.evidence.readings, self._facts(), self.seconds)
        trainer.history.diagnosis = told
        if self.evidence.error is not None:
            self.evidence.error.diagnosis = told
        del self.evidence
        if self.show:
            print(told, file=sys.stderr)

    def _read(self, trainer: Any) -> None:
        """A reading, and before the next update what is needed to judge it."""
        self._add_reading(trainer)
        if trainer.step < trainer.total_steps:
            self._pending = updates.begin(trainer)

    def _add_reading(self, trainer: Any) -> None:
        seen = reader.look(trainer.network, trainer.task.loss, self._batch(trainer),
                           histograms=self.histograms)  # fmt: skip
        evaluated = reader.loss_on(trainer.network, trainer.task.loss, self._batch(trainer),
                                   training=False)  # fmt: skip
        parameters = reader.parameter_readings(trainer.network, seen.gradient, self.histograms)
        norm = float(np.linalg.norm(seen.gradient))
        rate = trainer.state.optimizer.learning_rate()
        e = self.evidence
        e.looks[1:] = [seen]
        made = Reading(trainer.step, trainer.epoch, len(seen.y), seen.loss, evaluated, norm, rate,
                       seen.outputs, parameters)  # fmt: skip
        e.readings.append(made)

    def _end_trial(self, trainer: Any) -> None:
        assert self._pending is not None
        e = self.evidence
        trial, update = updates.complete(trainer, self._pending, self._batch(trainer),
                                         e.readings[-1].loss)  # fmt: skip
        self._pending = None
        e.trials.append(trial)
        e.readings[-1] = with_update(e.readings[-1], trainer.network, update)

    def _batch(self, trainer: Any) -> reader.Batch:
        return reader.batch_of(trainer.task, probe(trainer.task)[0])

    def _facts(self) -> dict[str, float]:
        """Numbers of the training as a whole."""
        e = self.evidence
        facts = {"samples": len(e.trainer.x), "updates": e.updates, "left": e.left,
                 "chance": e.chance, "validation_chance": e.held_chance}  # fmt: skip
        return {name: float(value) for name, value in facts.items() if value is not None}

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began


def diagnose(history: History) -> Diagnosis:
    """What the doctor finds in a history: what it saw if the training was watched, else the curves.

    The curves alone show overfitting, a learning rate that is too high, too low or fades, an end
    by NaN, and no learning; how the network and the data are, only `fit(…, watch=True)` shows.
    Raises TypeError for anything but a History.
    """
    if not isinstance(history, History):
        raise TypeError(f"diagnose: a History is needed, as fit returns it, got {history!r:.60}")
    seen: Diagnosis | None = history.diagnosis
    return Diagnosis(findings_of(Evidence(history))) if seen is None else seen


def plan(step: int, total: int, most: int) -> set[int]:
    """Steps from here to before the last update, as many but one: most of them early ones.

    The last is that before the last update; the end itself is read besides.
    """
    left = total - step
    early = (left // 4**i for i in range(1, most - 2))
    return {step, max(total - 1, step), *(step + n for n in early if n)}


def with_update(reading: Reading, network: Network, update: Array) -> Reading:
    """The same with the sizes of the update that came after it."""
    sizes = {p: reader.rms(update[start:stop]) for p, start, stop, _ in network.layout}
    made = [replace(p, update=sizes[p.path]) for p in reading.parameters]
    return replace(reading, parameters=made)


def is_foreign(layer: Any) -> bool:
    """Whether a layer has a backward that is not one of handgrad's, which are proved."""
    backward = getattr(type(layer), "backward", None)
    return not getattr(backward, "__module__", "").startswith("handgrad.")


def watch_of(watch: Any, x: Any) -> list[Watch]:
    """The callback that `watch` of a Trainer means, if any; ValueError for anything else."""
    if watch is False or watch is None:
        return []
    if watch is True:
        return [Watch(columns=getattr(x, "columns", ()))]
    if isinstance(watch, Watch):
        return [watch]
    raise ValueError(f"watch: True, False or a Watch is needed, got {watch!r}")
