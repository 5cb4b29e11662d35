"""Training of an estimator's network: stochastic by the trainer, full batches by L-BFGS."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from joblib import effective_n_jobs
from sklearn.exceptions import ConvergenceWarning

from handgrad.arrays import Array
from handgrad.sklearn.data import Rows, parts, trainer_of
from handgrad.sklearn.length import epochs_that_pay
from handgrad.sklearn.monitor import Monitor
from handgrad.sklearn.recipe import Recipe, recipe
from handgrad.train import DivergenceError, Trainer
from handgrad.warn import warn_user


class Goal(NamedTuple):
    """What is minimized: a loss, and what scikit-learn's gradient and loss are in its units.

    log: whether the network's outputs are logarithms of the targets' scale.
    """

    loss: Any
    factor: float = 1.0
    unit: float = 1.0
    log: bool = False


class Samples(NamedTuple):
    """Scaled inputs (N, D), targets as the loss takes them, and weights (N) or None."""

    x: Array | Rows
    t: Array
    weights: Array | None = None

    @property
    def mean_weight(self) -> float:
        """1 without weights."""
        return 1.0 if self.weights is None else float(self.weights.mean())

    def take(self, rows: Array) -> Samples:
        """Some of the samples."""
        return Samples(
            self.x.take(rows, 0), self.t[rows], None if self.weights is None else self.weights[rows]
        )


def descend(
    model: Any, network: Any, goal: Goal, data: Samples, held: Samples | None, incremental: bool,
    strata: Array | None,
) -> None:  # fmt: skip
    """Epochs of model.solver; what scikit-learn keeps is written to the model."""
    model.n_iter_ = 0
    trainer, monitor, plan = (
        _again(model, network, goal, data) if incremental else
        _trainer(model, network, goal, data, held, False, strata)
    )  # fmt: skip
    try:
        trainer.run()
        reached = not monitor.converged and plan.epochs == model.max_iter
        if reached and not incremental and not (plan.chosen and plan.wanted <= plan.epochs):
            _warn(
                f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached and the "
                "optimization hasn't converged yet."
            )
    except KeyboardInterrupt:
        warn_user("Training interrupted by user.")
    except DivergenceError as error:
        _diverged(model, held, error)
    model._epochs = trainer.epoch
    optimizer = trainer.state.optimizer
    model.learning_rate_ = optimizer.learning_rate() / (goal.factor if _scaled(model) else 1)
    monitor.put_best_back(network)


def _trainer(
    model: Any, network: Any, goal: Goal, data: Samples, held: Samples | None, incremental: bool,
    strata: Array | None = None,
) -> tuple[Trainer, Monitor, Recipe]:  # fmt: skip
    """A trainer of the network, with all that it depends on."""
    found = held is None and not incremental
    length = epochs_that_pay(model, network, goal, data, strata) if found else 0
    plan = recipe(
        model, len(data.x), data.mean_weight, goal.factor, model.t_, incremental, length
    )  # fmt: skip
    monitor = _monitor(model, goal, held, plan)
    trainer = trainer_of(
        network, data.x, data.t, loss=goal.loss, optimizer=plan.optimizer, batch=plan.batch,
        epochs=1 if incremental else plan.epochs, sample_weights=data.weights, metrics=(),
        callbacks=[monitor, *model.callbacks], seed=model._seed, progress=model.progress,
        shuffle=model.shuffle and plan.batch < len(data.x),
        threads=effective_n_jobs(model.n_jobs) if isinstance(model.n_jobs, Integral) else 1,
    )  # fmt: skip
    return trainer, monitor, plan


def _again(
    model: Any, network: Any, goal: Goal, data: Samples
) -> tuple[Trainer, Monitor, Recipe]:  # fmt: skip
    """The trainer of the epoch before, with new samples where as many came; its optimizer else.

    So a program is compiled once for a stream of batches of one size.
    """
    kind = data.x.shape, data.t.shape, data.weights is None, str(model.get_params(deep=False))
    before, made = model.__dict__.get("_stream", (None, None))
    same = made is not None and kind == before and made[0].network is network
    if same and data.weights is None and not isinstance(data.x, Rows):
        trainer = made[0]
        trainer.x[...], trainer.t[...] = data.x, data.t
        trainer.total_steps = trainer.step + trainer.task.updates
        return made
    fresh = _trainer(model, network, goal, data, None, True)
    fresh[0].state.epoch = model._epochs
    moments = model.__dict__.pop("_moments", None) if made is None else moments_of(made[0])
    if moments is not None:
        fresh[0].state.optimizer.load_state_dict(moments)
    model._stream = kind, fresh
    return fresh


def moments_of(trainer: Trainer) -> dict[str, Any]:
    """What an optimizer remembers, as numbers and arrays."""
    return trainer.state.optimizer.state_dict()


def _scaled(model: Any) -> bool:
    return bool(model.solver == "sgd" and model.optimizer is None)


def _monitor(model: Any, goal: Goal, held: Samples | None, plan: Recipe) -> Monitor:
    def score(network: Any) -> float:
        assert held is not None
        y = np.concatenate([network.predict(x) for x in parts(held.x)])
        if not np.isfinite(y).all():
            return float("nan")
        return float(model._score_of(y, held.t, held.weights))

    def adapt(trainer: Any) -> bool:
        """Whether to go on, with a smaller rate: at most down to 1e-6, as in scikit-learn."""
        scaled = trainer.optimizer.lr
        adaptive = model.learning_rate == "adaptive" and _scaled(model)
        if not adaptive or callable(scaled.rate) or scaled.rate <= 1e-6:
            return False
        scaled.rate /= 5
        return True

    patient = held is not None or not plan.chosen
    return Monitor(model, goal.unit, None if held is None else score, patient, adapt)


def _diverged(model: Any, held: Samples | None, error: DivergenceError) -> None:
    if held is None:
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values "
            f"and need to be preprocessed. {error}"
        ) from error
    model.validation_scores_.append(float("nan"))
    _warn(f"The best weights so far are kept: {error}")


def _warn(text: str) -> None:
    warn_user(text, ConvergenceWarning)


def minimize(model: Any, network: Any, goal: Goal, data: Samples) -> None:
    """L-BFGS over all parameters and samples, with scikit-learn's loss, in float64.

    Source: Liu, Nocedal, "On the limited memory BFGS method", 1989; SciPy's L-BFGS-B.
    """
    parameters = network.parameters
    alpha = model.alpha / (len(data.x) * data.mean_weight)
    penalized = np.zeros(len(parameters))
    for _, start, stop, shape in network.layout:
        penalized[start:stop] = alpha if len(shape) > 1 else 0.0

    def value(theta: Array) -> tuple[float, Array]:
        parameters[...] = theta
        with np.errstate(all="ignore"):
            y = network.forward(data.x)
            given = () if data.weights is None else (data.weights,)
            loss = goal.factor * float(goal.loss.forward(y, data.t, *given))
            network.backward(goal.loss.backward(goal.factor)[0])
        decay = penalized * theta
        return loss + float(decay @ theta) / 2, network.gradients + decay

    with network.mode(True):
        found = scipy.optimize.minimize(
            value, parameters.copy(), method="L-BFGS-B", jac=True,
            options={"maxfun": model.max_fun, "maxiter": model.max_iter, "gtol": model.tol},
        )  # fmt: skip
    parameters[...] = found.x
    model.n_iter_ = min(int(found.nit), model.max_iter)
    model.loss_ = float(found.fun) * goal.unit / goal.factor
    if found.status:
        _warn(
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}):\n"
            f"{found.message}"
        )
