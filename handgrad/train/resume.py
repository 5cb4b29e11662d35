"""The state of a training that came from a file: checked before anything takes it over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handgrad.parallel import HALVES
from handgrad.train import schema
from handgrad.warn import warn_user

COUNT: schema.Check = schema.integer(0, 2**62)
PAIR: schema.Check = schema.list_of(schema.number, 2)
HISTORY: schema.Check = schema.record(
    {"columns": schema.mapping(schema.list_of(schema.number)),
     "stopped": schema.optional(schema.text)}
)  # fmt: skip


def _sum(value: Any, where: str) -> Any:
    return (PAIR if isinstance(value, list) else schema.number)(value, where)


def _in_order(value: Any, where: str) -> Any:
    """What callbacks keep, by the number of the callback."""
    return schema.mapping(schema.mapping(schema.anything))(value, where)


# Of format 1, `place` counts batches; since then, `position` counts updates.
STATE: schema.Check = schema.record(
    {"epoch": COUNT, "step": COUNT, "seed": schema.integer(0, schema.WORD), "batch": COUNT,
     "first_loss": schema.number, "sums": schema.mapping(_sum), "history": HISTORY,
     "optimizer": schema.mapping(schema.anything), "callbacks": _in_order},
    {"place": COUNT, "position": COUNT, "accumulate": COUNT, "seconds": schema.number,
     "samples": COUNT, "rule": schema.text, "average": schema.mapping(schema.anything),
     "shards": schema.integer(1, 2**31), "batch_norm": schema.one_of("global", "shard"),
     "gradients": schema.one_of(*HALVES), "residuals": schema.list_of(schema.anything)},
)  # fmt: skip


def check_state(state: Any, present: Mapping[str, Any], batches: int) -> None:
    """Raise ValueError unless a training whose state is `present` can go on from `state`.

    batches: of an epoch. Warns where it goes on with another number of samples.
    """
    STATE(state, "training")
    done = state.get("position", state.get("place"))
    if done is None:
        raise ValueError("training lacks 'position'")
    if done > batches or (done and not state["sums"]):
        raise schema.refuse("training.position", f"at most {batches}, with sums", done)
    columns = state["history"]["columns"].values()
    if len({len(values) for values in columns}) > 1:
        raise ValueError("training.history: its columns differ in length")
    had, now = state.get("rule", present["rule"]), present["rule"]
    if had != now:  # before the arrays, which differ then
        raise ValueError(f"optimizer: the training to continue had {had}, this one {now}")
    averages = [of.get("average", {}).get("kind") for of in (state, present)]
    if averages[0] != averages[1]:
        raise ValueError("average: the training to continue had {}, this one {}".format(*averages))
    schema.like(state.get("average", {}), present.get("average", {}), "training.average")
    schema.like(state["optimizer"], present["optimizer"], "training.optimizer")
    for number, held in state["callbacks"].items():
        wanted = dict(present["callbacks"].get(number, {}))
        wanted.pop("last", None)  # a part of it since format 2
        schema.like(held, wanted, f"training.callbacks.{number}")
    had, now = state.get("samples", present["samples"]), present["samples"]
    if had != now:
        warn_user(
            f"the training to continue had {had:,} samples, this one {now:,}: it goes on with "
            "these, and not to the same bits"
        )
