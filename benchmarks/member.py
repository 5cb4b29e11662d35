"""One process of a group that trains a workload together, which works when it is told.

    python -m benchmarks.member DIRECTORY SYSTEM WORKLOAD

Its requests come by a pipe of its own in the directory, so that it is idle while others have their
turn; rank 0 answers by another: {"seconds", "loss", "weights"} for {"start", "steps"}.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads import Workload, find

SHARDS = 16


class Handgrad:
    """A native training in shards, or without; its ranks are those that MPI has started."""

    def __init__(self, workload: Workload, shards: bool = True, threads: int = 1):
        import handgrad as hg
        from benchmarks.systems.handgrad_system import build, optimizer
        from handgrad.compile.program import Training
        from handgrad.parallel import Alone, Ranks, Shards

        self.ranks: Ranks = Alone()
        if "HANDGRAD_RANKS" in os.environ:
            from handgrad.parallel.mpi import world

            self.ranks = world()
        self.rank, self.workload, self.network = self.ranks.rank, workload, build(workload)
        options = {"shards": Shards(SHARDS), "ranks": self.ranks} if shards else {}
        self.training = Training(
            self.network, hg.SoftmaxCrossEntropy(), optimizer(workload), *workload.data,
            batch=workload.batch, threads=threads, **options,
        )  # fmt: skip

    def turn(self, rows: np.ndarray) -> Callable[[], float]:
        steps, batch = rows.shape
        starts, counts = np.arange(steps) * batch, np.full(steps, batch)

        def run() -> float:
            done = self.training.run(rows.ravel(), starts, counts)
            if done != steps:
                raise RuntimeError(f"{self.workload.name}: {done} of {steps} steps were made")
            return float(self.training.losses[steps - 1])

        return run

    def meet(self) -> None:
        self.ranks.barrier()

    def weights(self) -> np.ndarray:
        return self.network.parameters


class PyTorch:
    """DistributedDataParallel over gloo: each process has its half of every batch."""

    def __init__(self, workload: Workload, threads: int = 1):
        import torch
        import torch.distributed as group
        from torch.nn.parallel import DistributedDataParallel

        from benchmarks.systems.torch_system import System

        self.group, self.size = group, int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.system = System(workload, threads=threads)
        if self.size > 1:
            group.init_process_group("gloo")
            self.system.model = DistributedDataParallel(self.system.model)
        self.torch = torch

    def turn(self, rows: np.ndarray) -> Callable[[], float]:
        return self.system.turn(np.array_split(rows, self.size, axis=1)[self.rank])

    def meet(self) -> None:
        if self.size > 1:
            self.group.barrier()

    def weights(self) -> np.ndarray:
        learned = [p.detach().ravel() for p in self.system.learned]
        return self.torch.cat(learned).numpy()


SYSTEMS: dict[str, Callable[[Workload], Any]] = {
    "two processes": Handgrad,
    "two threads": lambda workload: Handgrad(workload, shards=False, threads=2),
    "two threads, shards": lambda workload: Handgrad(workload, threads=2),
    "PyTorch DDP": PyTorch,
    "PyTorch, two threads": lambda workload: PyTorch(workload, threads=2),
}


def main() -> None:
    """Answer until there are no more requests."""
    directory, system, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    workload = find(name).without_dropout()
    member = SYSTEMS[system](workload)
    with ExitStack() as stack:
        answers = None
        if member.rank == 0:
            answers = stack.enter_context(open(directory / "answers", "w", buffering=1))
        for line in stack.enter_context(open(directory / f"requests{member.rank}")):
            request = json.loads(line)
            answer = take_turn(member, workload.rows(request["start"], request["steps"]))
            if answers:
                print(json.dumps(answer), file=answers)


def take_turn(member: Any, rows: np.ndarray) -> dict[str, Any]:
    """Seconds from when all begin to when all are done, the loss, a digest of the weights."""
    run = member.turn(rows)
    member.meet()
    began = time.perf_counter()
    loss = run()
    member.meet()
    seconds = time.perf_counter() - began
    weights = hashlib.sha256(member.weights().tobytes()).hexdigest()
    return {"seconds": seconds, "loss": loss, "weights": weights}


if __name__ == "__main__":
    main()
