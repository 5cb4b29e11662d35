"""Trainings whose processes are killed, and that go on with another number of them.

`python -m tests.parallel.kills 100` kills as many: one rank, at a random moment of an update, by
SIGKILL. Then the job must have ended by itself, the last checkpoint must be whole, and the training
that went on must come out as one that nothing interrupts, to the bit. At last it says how long the
others lived on, at most.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handgrad.compile import why_not
from handgrad.parallel import HALVES
from handgrad.parallel.mpi import world
from handgrad.parallel.partner import launched
from handgrad.train import SaveModel, load_checkpoint
from tests.parallel.bits import digest
from tests.parallel.jobs import job
from tests.parallel.test_sharded import CASES, RULES, all_of, trainer_of

PROCESSES = (1, 2, 3, 4)
UPDATES = 12  # of a training, three in an epoch
KILLS = 3  # of a training, at most
LATE = 0.01  # seconds after the beginning of an update until which it may be


class Kill:
    """SIGKILL for this process at a moment after the beginning of an update."""

    only_looks = True

    def __init__(self, update: int, seconds: float):
        self.update, self.seconds, self.seen = update, seconds, -1

    def __call__(self, x: Any, number: int) -> Any:
        """As `augment`, which is called for each shard."""
        if self.seen != number // 16:
            self.seen = number // 16
            if self.seen == self.update:
                timer = threading.Timer(self.seconds, self.end)
                timer.daemon = True
                timer.start()
        return x

    def end(self) -> None:
        print("now", time.time(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


def train(path: Path, case: str, rule: str, engine: str, gradients: str, kill: Kill | None) -> str:
    """Train from the file on, where there is one; a digest of what came out."""
    make, x, t = CASES[case]
    ranks = world() if launched()[0] > 1 else None
    held = load_checkpoint(path) if path.exists() else None
    trainer = trainer_of(
        held.network if held else make(), x, t, ranks, shards=16, epochs=None, steps=UPDATES,
        optimizer=RULES[rule](), engine=engine, augment=kill, callbacks=[SaveModel(path)],
        gradients=gradients if gradients in HALVES else None,
    )  # fmt: skip
    if held:
        trainer.load_state_dict(held.training)
    trainer.run()
    return digest(all_of(trainer))


def killed(rng: random.Random, path: Path, kind: tuple[str, ...]) -> Iterator[str | float]:
    """Kill and go on, with another number of processes each time: the seconds from each kill to
    the job's end, and at last what came out."""
    processes = rng.choice(PROCESSES)
    for i in range(KILLS + 1):
        at = "" if i == KILLS else f"{rng.randrange(UPDATES)} {rng.random() * LATE}"
        victim = rng.randrange(processes)
        ended = job(
            processes, "-m", "tests.parallel.kills", "go", str(path), *kind, str(victim), at
        )
        if ended.code == 0:  # there was no such update any more
            yield ended.out.strip().splitlines()[-1]
            return
        said = ended.err[-2000:]
        if "Traceback" in said:
            raise AssertionError(f"{kind}, {processes} processes: {said}")
        yield ended.seconds
        processes = rng.choice([n for n in PROCESSES if n != processes])


def compare(count: int, seed: int = 0) -> tuple[list[float], list[str]]:
    """For each process killed the seconds until all ended; which trainings came out otherwise."""
    rng, kills, wrong = random.Random(seed), [], []
    engines = ["numpy"] if why_not() else ["numpy", "auto"]
    wanted: dict[Any, str] = {}
    while len(kills) < count:
        travel = rng.choice(["in full", *HALVES])
        kind = rng.choice(list(CASES)), rng.choice(list(RULES)), rng.choice(engines), travel
        with tempfile.TemporaryDirectory() as folder:
            if kind not in wanted:
                # The same calls of augment, so that it is the same training.
                wanted[kind] = train(Path(folder) / "straight", *kind, Kill(-1, 0))
            for found in killed(rng, Path(folder) / "m", kind):
                if isinstance(found, float):
                    kills.append(found)
            print(f"{len(kills)} processes killed", file=sys.stderr)
            if found != wanted[kind]:
                wrong.append(f"{kind}: {found}")
    return kills, wrong


if __name__ == "__main__":
    first, *more = sys.argv[1:]
    if first == "go":
        path, case, rule, engine, gradients, victim, at = more
        ranks = world()
        update, seconds = at.split() if at and ranks.rank == int(victim) else (-1, 0)
        result = train(Path(path), case, rule, engine, gradients, Kill(int(update), float(seconds)))
        if ranks.rank == 0:
            print(result)
    else:
        kills, wrong = compare(int(first), int(more[0]) if more else 0)
        print(f"{len(kills)} processes killed, {len(wrong)} trainings that came out otherwise")
        print(f"after a kill all had ended within {max(kills):.1f} s")
        print("\n".join(wrong))
