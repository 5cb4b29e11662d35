"""What the training doctor says after `handgrad train --watch`, and the rate that it asks for."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from handgrad.layer import walk
from handgrad.network import Network
from handgrad.searching import lr_range
from handgrad.terminal import say
from handgrad.train import Trainer
from handgrad.train.dataset import Dataset
from handgrad.train.watch.watcher import Watch, is_foreign

RATES = ("lr-too-high", "lr-too-low")


def names_of_columns(dataset: Dataset) -> tuple[str, ...]:
    """The names of the numbers that the network takes, where they have any."""
    if dataset.table is not None:
        return dataset.table.features
    return dataset.columns or ()


def watch_for(network: Network, loss: Any, dataset: Dataset, asked: bool) -> Watch | None:
    """The training doctor; unasked only where every layer is handgrad's, so that it costs little.

    What it measured goes into run.json, and from there on the page of a report.
    """
    foreign = any(map(is_foreign, [loss, *(layer for _, layer in walk(network))]))
    if foreign and not asked:
        return None
    return Watch(columns=names_of_columns(dataset), histograms=True, show=False)


def tell_findings(trainer: Trainer, start: np.ndarray) -> None:
    """Print the findings; where the learning rate is one of them, find another from the start."""
    told = trainer.history.diagnosis
    say(f"\n{told}")
    if not set(RATES).intersection(told.names):
        return
    network, rule = copy.deepcopy(trainer.network), copy.deepcopy(trainer.optimizer)
    network.parameters[...] = start
    rule.steps, rule.state = 0, {name: np.empty(0) for name in rule.state_names}
    options: dict[str, Any] = {"loss": trainer.loss, "batch": trainer.task.batch}
    try:
        found = lr_range(network, trainer.x, trainer.t, optimizer=rule, options=options)
    except (ArithmeticError, ValueError) as error:
        say(f"    range test: {error}")
    else:
        say(f"    range test: --lr {found.suggestion:.2g} learns fastest; worse from "
            f"{3 * found.largest:.2g} on")  # fmt: skip
