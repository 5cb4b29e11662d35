"""Agreement: what ranks that train one network decide as one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np

from handgrad.compile import isa
from handgrad.compile.program import SLICE
from handgrad.layer import slots, walk
from handgrad.layers import Loss
from handgrad.network import Network
from handgrad.optim import Plateau
from handgrad.parallel import Ranks
from handgrad.parallel.handing import handed
from handgrad.train.callbacks import does, one
from handgrad.train.checkpoint import version
from handgrad.train.diverge import DivergenceError
from handgrad.train.engine.carried import Carried
from handgrad.train.engine.state import AS_BEFORE

_LOOKED_AT = 2**24  # bytes of an array that are compared between ranks


class Agreement:
    """Rank 0 decides, and the others follow at the same update; alone, nothing is asked.

    Between two meetings all ranks make the same number of updates, which rank 0 chooses so that
    they meet a few times in a second, and at the end of each epoch.
    leads: whether this is rank 0, who validates, tells the callbacks and writes files.
    """

    def __init__(self, ranks: Ranks):
        self.ranks, self.several, self.leads = ranks, ranks.size > 1, ranks.rank == 0
        self.changing: list[str] = []  # events at which a callback may change what is trained
        self._pace = 1

    def begin(self, trainer: Any) -> None:
        """Before the first update: all ranks go on from where the callbacks of rank 0 left it."""
        if self.several:
            acting = [c for c in trainer.state.callbacks if not getattr(c, "only_looks", False)]
            events = [
                event for event in ("on_step", "on_epoch") for c in acting
                if does(c, event) and not (event == "on_step" and getattr(c, "passive", False))
            ]  # fmt: skip
            self.changing = self.ranks.share(sorted(set(events)))[0]
            self.same(trainer)

    def next(self, trainer: Any, limit: Callable[[], int]) -> int:
        """How many updates all ranks make next; 0 when training ends, on whichever rank it does."""
        count = limit() if self.leads and trainer.going else 0  # for callbacks know only there
        if not self.several:
            return count
        count = min(count, trainer.task.updates - trainer.state.position, self._pace)
        said = self.ranks.share([trainer._reason, trainer.interrupted, count])
        trainer.interrupted = any(interrupted for _, interrupted, _ in said)
        for reason, _, _ in said:
            if reason is not None:
                trainer.stop(reason)
                return 0
        return int(said[0][2])

    def made(self, count: int, seconds: float) -> None:
        """So many updates took so long."""
        self._pace = max(1, min(2 * self._pace, int(count * 2 * SLICE / max(seconds, 1e-9))))

    def numbers(self, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Numbers that rank 0 alone measures."""
        if not self.several:
            return measure()
        mine = {k: float(v) for k, v in measure().items()} if self.leads else None
        shared: dict[str, Any] = self.ranks.share(mine)[0]
        return shared

    def first(self, value: Any) -> Any:
        """Rank 0's value."""
        return self.ranks.share(value)[0] if self.several else value

    def same(self, trainer: Any) -> None:
        """Weights, buffers, random streams and optimizer of rank 0, on all ranks."""
        if not self.several:
            return
        network, optimizer = trainer.network, trainer.state.optimizer
        self.ranks.broadcast(network.parameters)
        carried = Carried(network, trainer.task.loss)
        start = carried.start()
        told = handed(self.ranks, {
            "buffers": start.buffers, "steps": start.steps, "state": optimizer.state_dict(),
            "options": _options(optimizer), "rate": type(optimizer.lr).__name__,
        })  # fmt: skip
        if (rate := type(optimizer.lr).__name__) != told["rate"] and "lr" not in told["options"]:
            raise ValueError(
                f"lr: on rank 0 a callback put a {told['rate']} in the place of a {rate}, and "
                "only numbers can be sent to the other ranks"
            )
        carried.put(told["buffers"])
        for stream, step in zip(carried.streams, told["steps"]):
            stream.step = step
        for name, value in told["options"].items():
            setattr(optimizer, name, value)
        if not _alike(told["state"], optimizer.state_dict()):
            optimizer.load_state_dict(told["state"])

    def collect(self, trainer: Any, asked: bool = True) -> None:
        """Give rank 0 what it may have to write and others have; or only if a callback saves."""
        feedback, held = trainer.state.feedback, trainer.state.callbacks
        if feedback is None or not self.several:
            return
        if asked or self.first(any(c.saves(trainer) for c in held if hasattr(c, "saves"))):
            feedback.collect()

    def put_good_back(self, trainer: Any) -> int:
        """Give the network its last good weights; the step they are of, on rank 0."""
        step: int = self.first(trainer.state.put_good_back())
        self.collect(trainer)
        return step

    @contextmanager
    def ending(self, trainer: Any) -> Iterator[None]:
        """Around a training: at its end, all ranks have what the callbacks of rank 0 put back.

        An error of one rank alone is not waited for.
        """
        try:
            yield
        except DivergenceError:
            self.same(trainer)
            raise
        self.same(trainer)


def limit_of(trainer: Any) -> Callable[[], int]:
    """How many updates may come before the loop is needed: for a callback, or an epoch's end.

    Where nothing looks between epochs, short ones may follow each other in one call.
    """
    state, updates, average = trainer.state, trainer.task.updates, trainer.state.average
    watching = [c for c in state.callbacks if not getattr(c, "passive", False)]
    if any(does(c, "on_step") for c in watching):
        return lambda: 1
    ahead = [getattr(c, "epochs_ahead", one) for c in watching if does(c, "on_epoch")]
    near = [c.steps_ahead for c in state.callbacks if hasattr(c, "steps_ahead")]
    looking = trainer.validation is not None or trainer.whole or average is not None
    if looking or isinstance(state.optimizer.lr, Plateau):
        ahead.append(one)
    every = trainer.total_steps if average is None else average.every or updates

    def limit() -> int:
        left = min([trainer.total_steps - state.step, *(look(trainer) for look in near)])
        epochs = min((look(trainer) for look in ahead), default=left)
        return int(min(left, updates * epochs - state.position, every - state.step % every))

    return limit


def facts_of(trainer: Any, engine: Any) -> dict[str, Any]:
    """What has to be the same on all ranks before the first update."""
    kinds = [type(e).__name__ for e in (engine, getattr(engine, "inner", None)) if e is not None]
    state, task, loss = trainer.state, trainer.task, trainer.loss
    arrays = {"x": task.x, "t": task.t, "sample_weights": task.weights,
              "the parameters": trainer.network.parameters}  # fmt: skip
    return {
        "handgrad": version(), "numpy": np.__version__, "engine": ", ".join(kinds),
        "processors": {"": "no native kernels", "NEON": "NEON"}.get(isa(), "AVX"),  # which agree
        **_form(trainer.network), "weighting": trainer.weighting,
        "average": _named(state.average), "augment": _named(task.augment),
        **{name: _digest(a) for name, a in arrays.items() if a is not None},
        "loss": repr(loss) if isinstance(loss, Loss) else type(loss).__name__,
        "optimizer": f"{state.optimizer._name} {_options(state.optimizer)}",
        "lr": float(state.optimizer.learning_rate()),
        **{name: getattr(state, name) for name in AS_BEFORE}, "step": state.step,
        "steps": trainer.total_steps, "shuffle": bool(trainer.shuffle),
    }  # fmt: skip


def _form(network: Any) -> dict[str, str]:
    """Each layer with its arguments, each parameter's shape, and what is frozen, by name."""
    layers = {f"layer {path}": _named(layer) for path, layer in walk(network)}
    shapes = {f"parameter {slot.path}": str(slot.value.shape) for slot in slots(network)}
    return layers | shapes | {"frozen": " ".join(sorted(network.frozen))}


def _named(thing: Any) -> str:
    """A layer, function or option as text that is the same in all processes."""
    if isinstance(thing, Network):  # its layers are named themselves
        return type(thing).__name__
    text = repr(thing)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(text.split()))


def _digest(array: Any) -> str:
    """Dtype, shape and a checksum of an array; of a large one, of samples all over it."""
    samples = max(1, _LOOKED_AT * len(array) // max(1, array.nbytes))
    seen = np.ascontiguousarray(array[:: -(-len(array) // samples) or 1])
    return f"{array.dtype}{list(array.shape)} {hashlib.sha256(seen.data).hexdigest()[:12]}"


def _options(optimizer: Any) -> dict[str, Any]:
    """The numbers that an optimizer is told, and those that it counts."""
    return {
        name: value
        for name, value in vars(optimizer).items()
        if name[0] != "_" and (value is None or isinstance(value, Real))
    }


def _alike(one: Any, other: Any) -> bool:
    """Whether plain data hold the same numbers."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, np.ndarray):
        other = np.asarray(other)
        return bool(one.dtype == other.dtype and one.tobytes() == other.tobytes())
    return bool(one == other)
