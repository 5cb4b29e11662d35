"""The state of a learner that came from a file: checked before anything takes it over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from handgrad.network import Network
from handgrad.optim import Optimizer
from handgrad.optim.own_rule import OwnRule
from handgrad.train import schema

COUNT: schema.Check = schema.integer(0, 2**62)


def _pairs(value: Any, where: str) -> Any:
    """Numerators and denominators (2, window)."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.ndim != 2:
        raise schema.refuse(where, "an array of numbers of two axes", value)
    return value


RUNNING: schema.Check = schema.record(
    {"count": COUNT, "window": schema.integer(1, 2**31),
     "sums": schema.mapping(schema.list_of(schema.number, 2)), "last": schema.mapping(_pairs)}
)  # fmt: skip
STATE: schema.Check = schema.record(
    {"rule": schema.text, "optimizer": schema.mapping(schema.anything), "running": RUNNING}
)


def check_state(state: Any, network: Network, optimizer: Optimizer) -> None:
    """Raise ValueError unless a learner with this network and optimizer can go on from `state`."""
    if not isinstance(state, Mapping) or "running" not in state:
        raise ValueError("the file holds no state of a learner; Learner(load(path)) begins anew")
    STATE(state, "training")
    rule, running = type(optimizer).__name__, state["running"]
    if state["rule"] != rule:
        raise ValueError(f"optimizer: the learner to continue had {state['rule']}, this is {rule}")
    for name, last in running["last"].items():
        if last.shape != (2, running["window"]) or name not in running["sums"]:
            raise schema.refuse(f"training.running.last.{name}", "(2, window), with a sum", last)
    if not isinstance(optimizer, OwnRule):
        optimizer.runs(network)  # its arrays, in their sizes
    present = optimizer.state_dict()
    schema.like(state["optimizer"], present, "training.optimizer")
    for name in optimizer.state_names:
        size, held = present[name].size, state["optimizer"][name].size
        if held not in (0, size):
            raise ValueError(f"training.optimizer.{name}: {size} numbers are needed, got {held}")
