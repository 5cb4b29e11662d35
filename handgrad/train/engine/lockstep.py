"""Lockstep: shards that run at the same time, and meet where a layer needs the whole batch."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel import Ranks, Shards

Whole = Callable[..., tuple[Any, ...]]  # of a shard's count and sums, gives those of the batch
Job = Callable[[Whole], Any]
_ASKED, _DONE, _FAILED = range(3)


class _LeftAlone(Exception):
    """Another shard has failed."""


class Lockstep:
    """Runs each shard of this rank in a thread, and answers when all of them have asked.

    What shards ask for are sums over the batch: a row of each goes to all ranks, the rows of all
    shards are added in the tree, in float64, and each shard goes on with the same totals. A shard
    without samples is a row of zeros. Which thread is first changes nothing.
    """

    def __init__(self, shards: Shards, ranks: Ranks):
        self.shards, self.ranks = shards, ranks
        self.first, self.stop = shards.share(ranks.rank, ranks.size)

    def run(self, jobs: Mapping[int, Job]) -> dict[int, Any]:
        """What the jobs of shards return. The sums of shard −1 do not count: with it a rank whose
        shards have no samples follows the others, for all ranks must meet.

        Raises what the first shard raises, once no other is left waiting.
        """
        self._said: queue.Queue[tuple[int, int, Any]] = queue.Queue()
        self._answers = {i: queue.Queue() for i in jobs}  # type: ignore[var-annotated]
        threads = [self._thread(i, job) for i, job in jobs.items()]
        try:
            while True:
                said = {i: (kind, value) for i, kind, value in (self._said.get() for _ in jobs)}
                if all(kind == _DONE for kind, _ in said.values()):
                    return {i: value for i, (_, value) in said.items()}
                rows = self._rows(said)
                total = self.shards.sum(self.ranks.gather(rows))
                for answers in self._answers.values():
                    answers.put(total)
        finally:
            for answers in self._answers.values():
                answers.put(None)
            for thread in threads:
                thread.join()

    def _thread(self, i: int, job: Job) -> threading.Thread:
        """A thread in which the job runs, in a copy of this one's context."""

        def work() -> None:
            try:
                with np.errstate(all="ignore"):
                    self._said.put((i, _DONE, job(partial(self._ask, i))))
            except BaseException as error:
                self._said.put((i, _FAILED, error))

        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        thread.start()
        return thread

    def _ask(self, i: int, n: int, *sums: Array) -> tuple[Any, ...]:
        """The count and the sums of the whole batch; waits for all other shards."""
        row = np.concatenate([[n], *(s.ravel() for s in sums)], dtype=np.float64)
        self._said.put((i, _ASKED, row))
        total = self._answers[i].get()
        if total is None:
            raise _LeftAlone
        parts = np.split(total[1:], np.cumsum([s.size for s in sums])[:-1])
        whole = (part.reshape(s.shape).astype(s.dtype) for part, s in zip(parts, sums))
        return int(total[0]), *whole

    def _rows(self, said: Mapping[int, tuple[int, Any]]) -> Array:
        """The rows of this rank's shards, in order."""
        for i in sorted(said):
            if said[i][0] == _FAILED:
                raise said[i][1]
        lengths = {len(row) if kind == _ASKED else -1 for kind, row in said.values()}
        if len(lengths) > 1:
            raise ValueError(
                "batch_norm: the shards of a batch took different ways through the network, and "
                "the statistics of the whole batch need all of them; batch_norm='shard' would do"
            )
        rows = np.zeros((self.stop - self.first, *lengths))
        for i, (_, row) in said.items():
            if i >= 0:
                rows[i - self.first] = row
        return rows
