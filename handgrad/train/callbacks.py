"""Callbacks: what happens beside training. Any object with some of these methods will do."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.attributes import given
from handgrad.train.checkpoint import pack
from handgrad.train.checks import check_count
from handgrad.train.history import is_lower_better
from handgrad.train.write import write_whole
from handgrad.warn import warn_user


class Callback:
    """Base of callbacks: every method may be left as it is.

    The trainer has `network`, `optimizer`, `history`, `epoch` (epochs finished), `step` (updates
    made), `engine` (what runs), `loss_value` (of the last update) and `stop(reason)`. A passive
    callback is told of updates whenever it suits the engine, perhaps of many at once. One with a
    method `epochs_ahead(trainer)` may be told of as many epochs at once, after the last of them.
    Of several ranks rank 0 alone tells its callbacks; what they change is sent to the others,
    unless one `only_looks`.
    """

    passive = False
    only_looks = False  # it changes neither weights nor optimizer, but at the start and the end

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(given(self))})"

    def on_start(self, trainer: Any) -> None:
        """Before the first step."""

    def on_step(self, trainer: Any) -> None:
        """After an update."""

    def on_epoch(self, trainer: Any) -> None:
        """After an epoch, when its numbers stand in the history."""

    def on_end(self, trainer: Any) -> None:
        """After the last step, however it came to that."""

    def saves(self, trainer: Any) -> bool:
        """Whether it will ask for `trainer.state_dict()` after this epoch, of which other ranks may
        have a part."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """What a continuation needs: numbers and arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""


def does(callback: Any, event: str) -> bool:
    """Whether a callback does something at an event."""
    method = getattr(type(callback), event, None) or getattr(callback, event, None)
    return callable(method) and method is not getattr(Callback, event)


def one(trainer: Any) -> int:
    """Epochs that may pass before a callback that does not say otherwise is to be told of one."""
    return 1


class Progress(Callback):
    """A bar on standard error with loss, accuracy and the time left.

    show: True, False, or None for only where standard error is a terminal.
    """

    passive = only_looks = True

    def __init__(self, show: bool | None = None):
        self.show = getattr(sys.stderr, "isatty", bool)() if show is None else show
        self.bar: Any = None

    def on_start(self, trainer: Any) -> None:
        if self.show:
            from tqdm import tqdm  # here, for it takes longer to import than all of handgrad

            tqdm.write(f"running: {trainer.engine}", file=sys.stderr)
            self.bar = tqdm(total=trainer.total_steps, initial=trainer.step, unit="step",
                            desc="training", dynamic_ncols=True, leave=True)  # fmt: skip
            self.shown = time.monotonic()

    def on_step(self, trainer: Any) -> None:
        if self.bar is not None and time.monotonic() - self.shown > 0.1:
            self._draw(trainer)

    def on_epoch(self, trainer: Any) -> None:
        if self.bar is not None:
            self._draw(trainer)

    def on_end(self, trainer: Any) -> None:
        if self.bar is not None:
            self._draw(trainer)
            self.bar.close()
            self.bar = None

    def _draw(self, trainer: Any) -> None:
        last = trainer.history.last()
        accuracy = last.get("val_accuracy", last.get("accuracy"))
        shown = {"loss": f"{trainer.loss_value:.4f}"}
        if accuracy is not None:
            shown["accuracy"] = f"{accuracy:.2%}"
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update(trainer.step - self.bar.n)
        self.shown = time.monotonic()


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved for `patience` epochs; the best weights come back.

    monitor: a name in the history; by default "val_loss", or "loss" without validation data.
    Better is lower for losses and errors, higher for all else, by more than min_delta.
    Source: Prechelt, "Early stopping — but when?", 1998.
    """

    only_looks = True

    def __init__(self, patience: int = 5, *, monitor: str | None = None, min_delta: float = 0.0):
        patience = check_count("EarlyStopping: patience", patience)
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta must not be negative, got {min_delta}")
        self.patience, self.monitor, self.min_delta = patience, monitor, min_delta
        self.best, self.best_epoch, self.weights = math.inf, 0, np.empty(0)
        self.last = np.empty(0)  # the weights at the end of a training that may be continued

    def on_start(self, trainer: Any) -> None:
        count = trainer.network.parameters.size
        for weights in (self.weights, self.last):
            if weights.size not in (0, count):
                raise ValueError(
                    f"EarlyStopping: its weights are of a network with {weights.size} parameters, "
                    f"this one has {count}"
                )
        if self.last.size:
            trainer.network.parameters[...] = self.last
            self.last = np.empty(0)
        self._judge(trainer)

    def on_epoch(self, trainer: Any) -> None:
        name = self._name(trainer)
        value = trainer.history[name][-1]
        value = value if is_lower_better(name) else -value
        if value < self.best - self.min_delta:
            self.best, self.best_epoch = value, trainer.epoch
            self.weights = trainer.network.parameters.copy()
        self._judge(trainer)

    def on_end(self, trainer: Any) -> None:
        if self.weights.size and not trainer.interrupted:
            self.last = trainer.network.parameters.copy()
            trainer.network.parameters[...] = self.weights

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights,
                "last": self.last}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        self.weights = np.array(state["weights"])
        self.last = np.array(state.get("last", ()))

    def _name(self, trainer: Any) -> str:
        return self.monitor or ("val_loss" if "val_loss" in trainer.history else "loss")

    def _judge(self, trainer: Any) -> None:
        """Stop where there was no better epoch for too long, also where that was so before."""
        if trainer.epoch - self.best_epoch >= self.patience:
            name = self._name(trainer)
            trainer.stop(f"{name} has not improved for {self.patience} epochs")


class SaveModel(Callback):
    """Writes the model and the state of training to `path` after an epoch, and at the end.

    At most once in `seconds`, so that short epochs are not spent on writing. info, input, output,
    table: as in `save`.
    Where nothing can be written, a warning says so, the model stays in `unsaved`, the content of
    its file, and the next epoch tries again; `rescue(path)` writes it elsewhere.
    """

    only_looks = True
    told_last = True  # told after all others, so that their state is that of the same moment

    def __init__(
        self, path: str | Path, *, seconds: float = 0.0, info: dict[str, Any] | None = None,
        input: Any = None, output: Any = None, table: Any = None,
    ):  # fmt: skip
        if not isinstance(path, str | os.PathLike):
            raise ValueError(f"SaveModel: path must be that of a file, got {path!r}")
        self.path, self.seconds, self.info = Path(path), seconds, info
        self.input, self.output, self.table = input, output, table
        self.written, self.step = time.monotonic(), -1  # when, and after how many updates
        self.unsaved: bytes | None = None

    def on_start(self, trainer: Any) -> None:
        trainer.state_dict()  # ValueError now, not after an epoch, where it cannot be saved

    def saves(self, trainer: Any) -> bool:
        return time.monotonic() - self.written >= self.seconds

    def on_epoch(self, trainer: Any) -> None:
        if self.saves(trainer) and trainer.state.whole:
            self._try(trainer, "the model is kept in memory, and the next epoch tries again")

    def on_end(self, trainer: Any) -> None:
        # After a second Ctrl-C, or an error, the training stands in the middle of a step.
        whole = not trainer.going and sys.exc_info()[0] is not KeyboardInterrupt
        if whole and (self.step != trainer.step or self.unsaved is not None):
            self._try(trainer, "the model is kept in memory: rescue(path) writes it elsewhere")

    def write(self, trainer: Any) -> None:
        """Write now. Raises OSError where that fails; then the content is in `unsaved`."""
        self.written, self.step = time.monotonic(), trainer.step
        self.unsaved = pack(
            trainer.network, input=self.input, output=self.output, table=self.table,
            info=self.info, training=trainer.state_dict(),
        )  # fmt: skip
        self.rescue(self.path)

    def rescue(self, path: str | Path) -> None:
        """Write what is unsaved to another path, or to the same one once it can be written."""
        if self.unsaved is not None:
            write_whole(path, self.unsaved)
            self.unsaved = None

    def _try(self, trainer: Any, otherwise: str) -> None:
        try:
            self.write(trainer)
        except OSError as error:
            reason = f"{self.path}: {error.strerror or error}"
            warn_user(f"SaveModel: {reason}; {otherwise}", RuntimeWarning)


class Call(Callback):
    """Calls a function of the trainer after every epoch."""

    def __init__(self, function: Callable[[Any], None]):
        self.function = function

    def on_epoch(self, trainer: Any) -> None:
        self.function(trainer)
