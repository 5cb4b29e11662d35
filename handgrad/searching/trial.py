"""One candidate: made, trained on its budget, and scored on the data that were held out."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handgrad.inside import is_layer
from handgrad.train import Trainer

OPTIONS = frozenset(inspect.signature(Trainer).parameters) - {"network", "x", "t"}


@dataclass(frozen=True)
class Job:
    """What all candidates share.

    make: a function of the parameters, or an estimator. data: x and t to learn from, x and t to
    score on. options: of `fit`. resource: the estimator's parameter that a budget sets.
    """

    make: Any
    data: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    resource: str = "max_iter"

    @property
    def is_estimator(self) -> bool:
        """Whether there is an estimator, by what it can do, to be copied and set."""
        return all(hasattr(self.make, name) for name in ("get_params", "set_params", "fit"))


@dataclass(frozen=True)
class Trial:
    """A candidate's number and parameters, and its budget in a round: epochs, None for all."""

    number: int
    params: Mapping[str, Any]
    rung: int = 0
    budget: int | None = None


def outcome(job: Job, trial: Trial) -> dict[str, Any]:
    """What is entered in the table: scores and curves, or the error, and the seconds it took."""
    began = time.perf_counter()
    try:
        found = run(job, trial)[1]
    except Exception as error:  # of the user's function, of data, of training: a row
        said = " ".join(str(error).split())
        found = {"error": f"{type(error).__name__}: {said}" if said else type(error).__name__}
    return {**found, "seconds": time.perf_counter() - began}


def run(job: Job, trial: Trial) -> tuple[Any, dict[str, Any]]:
    """The trained network or estimator, and its scores."""
    if job.is_estimator:
        return _estimated(job, trial)
    made = job.make(**trial.params)
    network, own = made if isinstance(made, tuple) and len(made) == 2 else (made, {})
    if not is_layer(network) or not isinstance(own, Mapping):
        raise ValueError(
            "make must return a network, or a network and a dict of options of fit, got "
            f"{made!r:.80}"
        )
    # Copies, for optimizers, callbacks and losses remember what they have seen.
    options = {"progress": False, **copy.deepcopy(dict(job.options)), **own}
    check_options(options)
    if trial.budget is not None:
        options = {k: v for k, v in options.items() if k != "steps"} | {"epochs": trial.budget}
    x, t, x_held, t_held = job.data
    trainer = Trainer(network, x, t, validation=(x_held, t_held), **options)
    history = trainer.run()
    scores = trainer.network.evaluate(
        x_held, trainer.validation[1], loss=trainer.loss, metrics=trainer.metrics
    )
    columns = {k: v for k, v in history.columns.items() if k not in ("lr", "seconds")}
    return trainer.network, {
        "scores": {name: float(value) for name, value in scores.items()},
        "curves": columns, "epochs": len(history), "stopped": history.stopped,
    }  # fmt: skip


def _estimated(job: Job, trial: Trial) -> tuple[Any, dict[str, Any]]:
    model = copy.deepcopy(job.make)
    budget = {} if trial.budget is None else {job.resource: trial.budget}
    model.set_params(**{**trial.params, **budget})
    x, t, x_held, t_held = job.data
    model.fit(x, t)
    return model, {"scores": {"score": float(model.score(x_held, t_held))}, "epochs": trial.budget}


def check_options(options: Mapping[str, Any]) -> None:
    """ValueError for a name that `fit` does not have, or that the search itself gives."""
    for name in options:
        if name not in OPTIONS or name == "validation":
            own = " by itself: say validation= to search" if name == "validation" else ""
            raise ValueError(
                f"search: fit gets {name!r}{own}" if own else
                f"search: fit has no option {name!r}; it has {', '.join(sorted(OPTIONS))}"
            )  # fmt: skip


def check_names(job: Job, names: Any) -> None:
    """ValueError for a parameter that the function, or the estimator, does not have."""
    if job.is_estimator:
        has = list(job.make.get_params())
    elif callable(job.make) and not is_layer(job.make):
        parameters = inspect.signature(job.make).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return
        has = [p.name for p in parameters]
        needs = [p.name for p in parameters if p.default is p.empty and p.kind != p.VAR_POSITIONAL]
        if missing := [name for name in needs if name not in names]:
            raise ValueError(f"search: the network needs {missing[0]!r}, which space does not name")
    else:
        raise ValueError(
            "search: a function of the parameters that returns a network, or an estimator with "
            f"get_params, set_params, fit and score, is needed, got {job.make!r:.80}"
        )
    if unknown := [name for name in names if name not in has]:
        raise ValueError(
            f"search: space names {unknown[0]!r}, and the parameters are {', '.join(has)}"
        )
