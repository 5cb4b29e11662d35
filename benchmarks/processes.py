"""Two processes beside two threads, and beside PyTorch's DistributedDataParallel over gloo.

    python -m benchmarks.processes [--workloads wide,deep-convnet] [--rounds 15] [--seconds 0.3]

The same batches from the same weights, dropout off; each process has one thread. The systems take
turns; shown is the median of the rounds' ratios to two processes of handgrad, with quartiles:
below 1 is faster than they are. The weights of all that train in shards must be equal to the bit,
and the losses of all nearly so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.measure import PAUSE, ROOT, TOLERANCE
from benchmarks.member import SYSTEMS
from benchmarks.workloads import WORKLOADS, Workload, find
from handgrad.parallel.launch import find_launcher

OURS = "two processes"


class Group:
    """The processes of one system, and the way to ask them."""

    def __init__(self, system: str, workload: Workload, directory: Path):
        self.system, self.steps, self.done = system, 0, 0
        directory.mkdir()
        module = ["-m", "benchmarks.member"]
        commands = self._commands([*module, str(directory), system, workload.name])
        size = 2 if system in (OURS, "PyTorch DDP") else 1
        pipes = [directory / f"requests{rank}" for rank in range(size)]
        for pipe in [*pipes, directory / "answers"]:
            os.mkfifo(pipe)
        self.processes = [
            subprocess.Popen(c, cwd=ROOT, env=os.environ | more, stdin=subprocess.DEVNULL)
            for c, more in commands
        ]
        self.opened = ExitStack()
        self.answers = self.opened.enter_context(open(directory / "answers"))  # noqa: SIM115
        self.pipes = [self.opened.enter_context(open(p, "w", buffering=1)) for p in pipes]  # noqa: SIM115

    def _commands(self, arguments: list[str]) -> list[tuple[list[str], dict[str, str]]]:
        """What to start, with what in its environment."""
        if self.system == OURS:
            return [(find_launcher().command(2, arguments), {"HANDGRAD_RANKS": "mpi"})]
        command, one = [sys.executable, *arguments], {"OMP_NUM_THREADS": "1"}
        if self.system != "PyTorch DDP":
            return [(command, {})]
        port = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
        return [(command, one | port | {"RANK": str(rank)}) for rank in range(2)]

    def ask(self, steps: int) -> dict[str, Any]:
        """Let it make some steps; seconds, loss and a digest of the weights."""
        for pipe in self.pipes:
            print(json.dumps({"start": self.done, "steps": steps}), file=pipe)
        self.done += steps
        line = self.answers.readline()
        if not line:
            raise RuntimeError(f"{self.system}: ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def turn(self) -> float:
        """Seconds of a step."""
        seconds: float = self.ask(self.steps)["seconds"]
        return seconds / self.steps

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.wait()
        self.opened.close()


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def measure(workload: Workload, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Seconds for a step of each system, round by round."""
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        groups = []
        for i, system in enumerate(SYSTEMS):
            group = Group(system, workload, directory / str(i))
            stack.callback(group.close)
            groups.append(group)
        require_same({group.system: group.ask(workload.check_steps) for group in groups})
        for group in groups:
            took = min(group.ask(3)["seconds"] for _ in range(3)) / 3
            group.steps = max(1, min(2000, round(seconds / took)))
        order = random.Random(0)
        for _ in range(rounds):
            for group in order.sample(groups, len(groups)):
                time.sleep(PAUSE)
                times.setdefault(group.system, []).append(group.turn())
    return times


def require_same(answers: dict[str, dict[str, Any]]) -> None:
    """RuntimeError unless all compute the same."""
    sharded = {answers[s]["weights"] for s in (OURS, "two threads, shards")}
    if len(sharded) > 1:
        raise RuntimeError("two processes and one have other weights")
    losses = {system: answer["loss"] for system, answer in answers.items() if "DDP" not in system}
    if max(losses.values()) - min(losses.values()) > TOLERANCE * max(losses.values()):
        raise RuntimeError(f"losses differ: {losses}")


def main() -> None:
    """Measure each workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", default="two,deep,wide,simple-convnet,deep-convnet",
                        help=", ".join(WORKLOADS))  # fmt: skip
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3)
    given = parser.parse_args()
    for name in given.workloads.split(","):
        times = measure(find(name), given.rounds, given.seconds)
        print(f"\n{name:<24} {'least µs':>10} {'median of ratios':>18}")
        for system, each in times.items():
            ratios = [a / b for a, b in zip(each, times[OURS])]
            low, _, high = quantiles(ratios, n=4)
            print(
                f"  {system:<22} {min(each) * 1e6:>10.1f} {median(ratios):>10.2f} "
                f"({low:.2f} to {high:.2f})", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
