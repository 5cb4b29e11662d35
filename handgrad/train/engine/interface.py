"""Engine: who computes the updates of a training. The loop knows this interface alone."""

from __future__ import annotations

from abc import ABC, abstractmethod

from handgrad.train.engine.state import TrainState
from handgrad.train.engine.task import Task, Updates


class Engine(ABC):
    """Computes updates: gathers the samples, runs forward and backward, changes the weights.

    An engine reads where training stands from `state` and changes the network, its random streams
    and the optimizer; the loop alone counts steps and epochs, from what `advance` returns. So
    an engine needs no more than this to run in other processes or on other devices.
    """

    task: Task
    state: TrainState
    sharded = False  # whether it computes a task with shards in them, and meets the other ranks
    rounds = False  # whether it lets their gradients travel as halves, by `TrainState.feedback`

    def prepare(self, task: Task, state: TrainState) -> None:
        """Make ready, before the first update of each `run`. Raises ValueError where it cannot."""
        self.task, self.state = task, state

    @abstractmethod
    def advance(self, limit: int) -> Updates:
        """Make at most `limit` ≥ 1 updates from where the state stands; return those made.

        They may reach over several epochs. It returns soon, with few updates or none, so that
        the loop can look at what else wants to happen, and goes on when called again. Raises
        DivergenceError where a loss or a gradient is not finite, before the weights change.
        """

    def finish(self) -> Updates:
        """End what `advance` has begun, so that weights and state belong together."""
        return Updates()

    @abstractmethod
    def describe(self) -> str:
        """What runs, in a few words."""
