"""Monitor: what scikit-learn's solvers look at after each epoch, and when they stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Array, Stream
from handgrad.train import Callback


class Monitor(Callback):
    """Keeps loss_curve_, validation_scores_, best_loss_ and the count of epochs without progress.

    model: the estimator. unit: of the loss, in squares of the targets. score: of a network on held
    out data, or None. patient: whether `tol` is obeyed; a schedule that ends is run to its end.
    Where no score is measured, the loop may make as many epochs in one call as must pass before
    `n_iter_no_change` can be reached (`epochs_ahead`): so no epoch is made too many.
    """

    def __init__(
        self, model: Any, unit: float, score: Callable[[Any], float] | None, patient: bool,
        adapt: Callable[[Any], bool],
    ):  # fmt: skip
        self.model, self.unit, self.score, self.patient = model, unit, score, patient
        self.adapt = adapt
        self.best: tuple[Array, ...] | None = None
        self.converged = False

    def epochs_ahead(self, trainer: Any) -> float:
        """How many epochs may pass before this has anything to decide."""
        if self.score is not None:
            return 1
        if not self.patient:
            return np.inf
        return max(1, self.model.n_iter_no_change + 1 - self.model._no_improvement_count)

    def on_epoch(self, trainer: Any) -> None:
        model, samples = self.model, len(trainer.x)
        model.n_iter_ += 1
        model.t_ += samples
        loss = trainer.history["loss"][-1]
        model.loss_ = loss * self.unit
        model.loss_curve_.append(model.loss_)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        if self.score is None:
            worse = model.loss_ > model.best_loss_ - model.tol * self.unit
            model.best_loss_ = min(model.best_loss_, model.loss_)
        else:
            worse = self._measure(trainer.network)
        model._no_improvement_count = model._no_improvement_count + 1 if worse else 0
        if self.patient and model._no_improvement_count > model.n_iter_no_change:
            self._stop(trainer)

    def _measure(self, network: Any) -> bool:
        """The score on held out data; whether it is not better than before."""
        model = self.model
        assert self.score is not None
        score = self.score(network)
        model.validation_scores_.append(score)
        if model.verbose:
            print(f"Validation score: {score:f}")
        worse = score < model.best_validation_score_ + model.tol
        if score > model.best_validation_score_:
            model.best_validation_score_ = score
            self.best = tuple(a.copy() for a in arrays_of(network))
        return worse

    def _stop(self, trainer: Any) -> None:
        model = self.model
        what = "Training loss" if self.score is None else "Validation score"
        text = (
            f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} "
            "consecutive epochs."
        )
        going = self.adapt(trainer)
        if model.verbose:
            print(text, "Setting learning rate to a fifth." if going else "Stopping.")
        if going:
            model._no_improvement_count = 0
        else:
            self.converged = True
            trainer.stop(text)

    def put_best_back(self, network: Any) -> None:
        """The weights of the best score."""
        if self.best is not None:
            for array, best in zip(arrays_of(network), self.best):
                array[...] = best


def arrays_of(network: Any) -> list[Array]:
    """The parameters and running statistics of a network."""
    from_layers = [
        getattr(layer, name) for layer in network.members for name in getattr(layer, "buffers", ())
    ]
    return [network.parameters, *from_layers]


def streams_of(network: Any) -> list[Stream]:
    """The random streams of its layers."""
    held = (getattr(layer, "stream", None) for layer in network.members)
    return [stream for stream in held if isinstance(stream, Stream)]
