"""A training of the zoo: how it is made, run under the doctor, and what is to be found."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from handgrad.train import DivergenceError, Trainer
from handgrad.train.watch import Diagnosis, Watch

Make = Callable[[], tuple[Any, Any, Any, dict[str, Any]]]


class Case(NamedTuple):
    """A training; `wants`: the findings of which one must be named, none for a healthy one."""

    name: str
    make: Make
    wants: tuple[str, ...]


def run(case: Case) -> Diagnosis:
    """Train with the doctor watching; what it found, also where the training ended by NaN."""
    network, x, t, options = case.make()
    watch = Watch(show=False, columns=options.pop("columns", ()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"epochs": 10, "engine": "numpy", "progress": False, "watch": watch} | options
        trainer = Trainer(network, x, t, **options)
        with suppress(DivergenceError):
            trainer.run()
    assert trainer.history.diagnosis is not None
    return trainer.history.diagnosis


def collector() -> tuple[list[Case], Callable[..., Callable[[Make], Make]]]:
    """A list, and a decorator that enters functions in it."""
    cases: list[Case] = []

    def enter(*wants: str) -> Callable[[Make], Make]:
        def take(make: Make) -> Make:
            cases.append(Case(make.__name__, make, wants))
            return make

        return take

    return cases, enter
