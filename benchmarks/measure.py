"""Measuring: systems take turns in their own processes, round after round.

All processes are there from the beginning, and only the one whose turn it is works. A round's
times are compared with one another, so that a machine that speeds up or slows down does not
matter; what is reported is the median over the rounds. With patience, a turn counts only when the
machine was quiet before and after it.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.quiet import Quiet
from benchmarks.systems import KINDS, Kind
from benchmarks.workloads import Workload

ROOT = Path(__file__).parents[1]
PYTHON = ".venv/bin/python"  # of a checkout, as its Makefile makes it
PAUSE = 0.15  # seconds between turns: OpenBLAS threads spin for 0.11 s when their work is done
IDLE = 0.02  # share of a processor that a system may use after that, when it is not its turn
TOLERANCE = 0.005  # of the loss, relative


class WorkerError(RuntimeError):
    """A system that cannot run, with its reason."""


class LossError(AssertionError):
    """Systems that do not compute the same."""


@dataclass(frozen=True)
class Plan:
    """How long to measure: rounds, seconds in each of a system's turns, and seconds that a turn
    waits for a quiet machine."""

    rounds: int = 15
    seconds: float = 0.3
    cores: int | None = None  # None: all
    patience: float = 0.0


class Client:
    """A worker process, and the way to ask it. root: the checkout that it runs."""

    def __init__(
        self, kind: Kind, workload: Workload, cores: int | None = None, root: Path = ROOT
    ):  # fmt: skip
        python = sys.executable if root == ROOT else str(root / PYTHON)
        command = [python, "-m", "benchmarks.worker", kind.name, workload.name]
        command += [] if cores is None else [str(cores)]
        self.kind, self.root, self.steps = kind, root, 0
        self.process = subprocess.Popen(
            command, cwd=root, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """The answer to one request; WorkerError with the reason where there is none."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **options}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended before; its last line says why
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended without a word"}
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def begin(self, workload: Workload, seconds: float) -> float:
        """Check, build, warm up, choose the number of steps in a turn. Returns the loss."""
        loss = self.ask("check")["loss"]
        self.ask("start")
        steps = workload.check_steps
        self.ask("turn", steps=steps)
        took = self.ask("turn", steps=steps)["seconds"]
        self.steps = max(1, round(steps * seconds / took))
        self.ask("turn", steps=self.steps)  # some compile anew for another number of steps
        return loss

    def turn(self) -> tuple[float, float]:
        """Seconds for a step, and the share of a processor used in others' turns before."""
        answer = self.ask("turn", steps=self.steps)
        used = answer["used"] - PAUSE * (os.cpu_count() or 1)
        return answer["seconds"] / self.steps, max(0.0, used) / answer["pause"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def measure(
    workload: Workload, names: list[str], plan: Plan, busy: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """What each system takes for a step, its loss, its memory; or why it did not run."""
    skipped, losses, clients = {}, {}, []
    with ExitStack() as stack:
        for name in names:
            say(f"{workload.name}: {KINDS[name].label} starts")
            if (reason := KINDS[name].refusal(workload)) is not None:
                skipped[name] = reason
                continue
            client = Client(KINDS[name], workload, plan.cores)
            stack.callback(client.close)
            try:
                losses[name] = client.begin(workload, plan.seconds)
                clients.append(client)
            except WorkerError as error:
                skipped[name] = str(error)
        require_same(workload, losses)
        quiet = stack.enter_context(Quiet()) if plan.patience else None
        ours = [client.process for client in clients] + (quiet.processes if quiet else [])
        others = Others([process.pid for process in ours])
        take = Taker(quiet, plan.patience)
        times, idle = take_turns(clients, plan.rounds, lambda r: say(f"{workload.name}: {r}"), take)
        disturbed = others.processors()
        require_idle(workload, idle)
        slowed: dict[str, list[float]] = {}
        if busy:
            with busy_process():
                rounds = max(3, plan.rounds // 3)
                slowed, _ = take_turns(clients, rounds, lambda r: say(f"{workload.name}: busy {r}"))
        systems = {
            client.kind.name: {
                "times": times[client.kind.name], "busy": slowed.get(client.kind.name, []),
                "loss": losses[client.kind.name], "steps": client.steps, **client.ask("memory"),
                "profile": take.turn(partial(client.ask, "profile"))[0],
            }
            for client in clients
        }  # fmt: skip
    return {"systems": systems, "skipped": skipped, "title": workload.title,
            "check_steps": workload.check_steps, "others": disturbed,
            "quiet": take.share()}  # fmt: skip


class Taker:
    """Takes the turns of clients; with patience, on a quiet machine, if that can be."""

    def __init__(self, quiet: Quiet | None = None, patience: float = 0.0):
        self.quiet, self.patience = quiet, patience
        self.speeds: list[float] = []

    def __call__(self, client: Client) -> tuple[float, float]:
        taken, speed = self.turn(client.turn)
        self.speeds.append(speed)
        return taken

    def turn(self, take: Callable[[], Any]) -> tuple[Any, float]:
        """What take() returned, and how fast the machine was around it."""
        return self.quiet.turn(take, self.patience) if self.quiet else (take(), 0.0)

    def share(self) -> float | None:
        """The share of the turns that were on a quiet machine; None where it was not measured."""
        if self.quiet is None:
            return None
        return sum(map(self.quiet.enough, self.speeds)) / len(self.speeds)


def take_turns(
    clients: list[Client], rounds: int, say: Callable[[str], None],
    take: Callable[[Client], tuple[float, float]] = lambda client: client.turn(),
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:  # fmt: skip
    """Seconds for a step and use of a processor in the pause before, for each round."""
    times: dict[str, list[float]] = {client.kind.name: [] for client in clients}
    idle: dict[str, list[float]] = {client.kind.name: [] for client in clients}
    order = random.Random(0)
    for i in range(rounds):
        say(f"round {i + 1} of {rounds}")
        for client in order.sample(clients, len(clients)):  # none always follows the same one
            time.sleep(PAUSE)
            seconds, used = take(client)
            times[client.kind.name].append(seconds)
            idle[client.kind.name].append(used)
    return times, idle


def require_same(workload: Workload, losses: dict[str, float]) -> None:
    """LossError unless all systems have the same loss after the same steps."""
    finite = sorted(filter(math.isfinite, losses.values()))
    expected = finite[len(finite) // 2] if finite else math.nan
    wrong = [n for n, loss in losses.items() if not abs(loss - expected) <= TOLERANCE * expected]
    if wrong:
        values = ", ".join(f"{name} {loss:.6f}" for name, loss in losses.items())
        raise LossError(
            f"{workload.name}: after {workload.check_steps} steps from the same weights, "
            f"{', '.join(wrong)} must have the loss of the others to {TOLERANCE:.1%}: {values}"
        )


def require_idle(workload: Workload, idle: dict[str, list[float]]) -> None:
    """RuntimeError where a system worked outside its turns, in more than half of the rounds."""
    for name, shares in idle.items():
        middle = sorted(shares[1:])[len(shares[1:]) // 2] if len(shares) > 1 else 0.0
        if middle > IDLE:
            raise RuntimeError(
                f"{workload.name}: {name} used {middle:.0%} of a processor when it was not its turn"
            )


class Others:
    """How much of the machine other programs use, from when this is made."""

    def __init__(self, ours: list[int]):
        self.ours = [*ours, os.getpid()]
        self.began, self.used = time.perf_counter(), self.seconds()

    def seconds(self) -> float:
        return machine.busy_seconds() - sum(map(machine.seconds_of, self.ours))

    def processors(self) -> float:
        """Processors in use by others, on average."""
        return (self.seconds() - self.used) / (time.perf_counter() - self.began)


@contextmanager
def busy_process() -> Iterator[None]:
    """Another program that never rests."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
