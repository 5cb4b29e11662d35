"""Callbacks: what happens beside training. Any object with some of these methods will do."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.train.checkpoint import save
from handgrad.train.history import is_lower_better


class Callback:
    """Base of callbacks: every method may be left as it is.

    The trainer has `network`, `optimizer`, `history`, `epoch` (epochs finished), `step` (updates
    made), `engine` (what runs), `loss_value` (of the last update) and `stop(reason)`. A passive
    callback is told of updates whenever it suits the engine, perhaps of many at once.
    """

    passive = False

    def on_start(self, trainer: Any) -> None:
        """Before the first step."""

    def on_step(self, trainer: Any) -> None:
        """After an update."""

    def on_epoch(self, trainer: Any) -> None:
        """After an epoch, when its numbers stand in the history."""

    def on_end(self, trainer: Any) -> None:
        """After the last step, however it came to that."""

    def state_dict(self) -> dict[str, Any]:
        """What a continuation needs: numbers and arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""


class Progress(Callback):
    """A bar on standard error with loss, accuracy and the time left.

    show: True, False, or None for only where standard error is a terminal.
    """

    passive = True

    def __init__(self, show: bool | None = None):
        self.show = sys.stderr.isatty() if show is None else show
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

    def __init__(self, patience: int = 5, *, monitor: str | None = None, min_delta: float = 0.0):
        if patience < 1 or min_delta < 0:
            raise ValueError(
                f"EarlyStopping: patience must be at least 1 and min_delta not negative, "
                f"got {patience} and {min_delta}"
            )
        self.patience, self.monitor, self.min_delta = patience, monitor, min_delta
        self.best, self.best_epoch, self.weights = math.inf, 0, np.empty(0)

    def on_epoch(self, trainer: Any) -> None:
        history = trainer.history
        name = self.monitor or ("val_loss" if "val_loss" in history else "loss")
        value = history[name][-1] if is_lower_better(name) else -history[name][-1]
        if value < self.best - self.min_delta:
            self.best, self.best_epoch = value, trainer.epoch
            self.weights = trainer.network.parameters.copy()
        elif trainer.epoch - self.best_epoch >= self.patience:
            trainer.stop(f"{name} has not improved for {self.patience} epochs")

    def on_end(self, trainer: Any) -> None:
        if self.weights.size and not trainer.interrupted:
            trainer.network.parameters[...] = self.weights

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        self.weights = np.array(state["weights"])


class SaveModel(Callback):
    """Writes the model and the state of training to `path` after an epoch.

    At most once in `seconds`, so that short epochs are not spent on writing.
    """

    def __init__(
        self, path: str | Path, *, seconds: float = 0.0, info: dict[str, Any] | None = None
    ):
        self.path, self.seconds, self.info = Path(path), seconds, info
        self.written = time.monotonic()

    def on_epoch(self, trainer: Any) -> None:
        if time.monotonic() - self.written >= self.seconds:
            self.write(trainer)

    def write(self, trainer: Any) -> None:
        """Write now."""
        save(trainer.network, self.path, info=self.info, training=trainer.state_dict())
        self.written = time.monotonic()


class Call(Callback):
    """Calls a function of the trainer after every epoch."""

    def __init__(self, function: Callable[[Any], None]):
        self.function = function

    def on_epoch(self, trainer: Any) -> None:
        self.function(trainer)
