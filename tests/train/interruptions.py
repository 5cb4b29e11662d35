"""Trainings that are interrupted at random moments, and go on: nothing may come out otherwise.

`python -m tests.train.interruptions 500` does as many, half of them by a true Ctrl-C in mid-run,
and some by killing the process, after which the last file that was written counts.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from handgrad import Adam, Affine, Dropout, Momentum, ReLU, Sequential, Tanh
from handgrad.compile.binary import why_not
from handgrad.train import Callback, EarlyStopping, SaveModel, Trainer, load_checkpoint
from handgrad.train.datasets import spiral

X, T = spiral(30)
# Batches whose losses differ by ten orders of size: in another order their sum is another one.
SIZES = 10.0 ** -np.random.default_rng(1).integers(0, 6, 13).repeat(7)[:90, None]
Z = (X * SIZES).astype(np.float32)
V = Z.sum(axis=1, keepdims=True)
ROOT = Path(__file__).parents[2]
KILLED = 6  # of so many trainings, one is in a process that is killed
KINDS = [
    (engine, task) for engine in ("native", "numpy") for task in ("plain", "patience", "sizes")
]


def trainer(
    network, path, engine: str, task: str, *, saved=None, at: int = 0, slow: bool = False
) -> Trainer:
    callbacks = [SaveModel(path, seconds=0 if slow else 1e9)]
    if task == "patience":
        callbacks.append(EarlyStopping(2))
    if at:
        callbacks.append(Interrupt(at))
    if slow:
        callbacks.append(Slow())
    x, t = (Z, V) if task == "sizes" else (X, T)
    optimizer = Adam(0.02) if task == "patience" else Momentum(0.05)
    made = Trainer(
        network, x, t, optimizer=optimizer, epochs=8, batch=7, shuffle=task != "sizes", seed=5,
        validation=(x[::3], t[::3]), callbacks=callbacks, progress=False, metrics=(),
        engine=engine,
    )  # fmt: skip
    if saved is not None:
        made.load_state_dict(saved)
    return made


def network(task: str):
    if task == "sizes":
        return Sequential(Affine(8, bias=False), Tanh(), Affine(1, bias=False), seed=1)
    return Sequential(Affine(16), ReLU(), Dropout(0.2), Affine(3), seed=1)


class Interrupt(Callback):
    """Stops as a Ctrl-C does, after so many updates."""

    def __init__(self, step: int):
        self.step = step

    def on_step(self, trainer) -> None:
        if trainer.step == self.step:
            trainer.interrupted = True
            trainer.stop("interrupted")


class Slow(Callback):
    """Takes its time, so that there is some in which to be killed."""

    def on_start(self, trainer) -> None:
        print("going", flush=True)

    def on_step(self, trainer) -> None:
        time.sleep(0.005)


def go_on(path: Path, engine: str, task: str) -> None:
    """Train slowly, from the file on where there is one, and wait for the end of the process."""
    held = load_checkpoint(path) if path.exists() else None
    net, saved = (held.network, held.training) if held else (network(task), None)
    trainer(net, path, engine, task, saved=saved, slow=True).run()
    time.sleep(600)


def kill(rng: random.Random, path: Path, kind: tuple[str, str]) -> None:
    """Let another process train, and kill it at some moment."""
    command = [sys.executable, "-m", "tests.train.interruptions", str(path), *kind]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        line = process.stdout.readline() if process.stdout else b""
        assert line == b"going\n"
        time.sleep(rng.random() * 0.6)
        process.kill()


def result(trainer: Trainer) -> tuple[str, bytes]:
    """What must not differ: the history without its times, and every bit of the weights."""
    columns = {k: v for k, v in trainer.history.columns.items() if k != "seconds"}
    return repr((columns, trainer.history.stopped)), trainer.network.parameters.tobytes()


def straight(kind: tuple[str, str]) -> tuple[tuple[str, bytes], float]:
    """The result of a training that nothing interrupts, and how long it takes."""
    with tempfile.TemporaryDirectory() as folder:
        whole = trainer(network(kind[1]), Path(folder) / "m", *kind)
        whole.run()
        return result(whole), sum(whole.history["seconds"])


def interrupted(rng: random.Random, kind: tuple[str, str], seconds: float, kills: int = 0) -> tuple:
    """The result of one that is killed so often, and then interrupted until it is three times;
    and how often it was."""
    with tempfile.TemporaryDirectory() as folder:
        path, times, net, saved = Path(folder) / "m", kills, network(kind[1]), None
        for _ in range(kills):
            kill(rng, path, kind)
        if path.exists():
            held = load_checkpoint(path)
            net, saved = held.network, held.training
        while True:
            by_step, timer = times < 3 and rng.random() < 0.5, None
            at = (saved["step"] if saved else 0) + rng.randint(1, 60) if by_step else 0
            now = trainer(net, path, *kind, saved=saved, at=at)
            if times < 3 and not by_step:
                wait = rng.random() * max(seconds, 0.01)
                timer = threading.Timer(wait, os.kill, (os.getpid(), signal.SIGINT))
            before = signal.signal(signal.SIGINT, lambda *_: None)  # one that comes too late
            try:
                if timer is not None:
                    timer.start()
                now.run()
                return result(now), times
            except KeyboardInterrupt:
                times += 1
            finally:
                if timer is not None:
                    timer.cancel()
                    timer.join()
                signal.signal(signal.SIGINT, before)
            held = load_checkpoint(path)
            net, saved = held.network, held.training


def compare(count: int, seed: int = 0) -> tuple[int, list[str]]:
    """How many interruptions there were in trainings of all kinds, and what came out otherwise."""
    rng, done, number, differences = random.Random(seed), 0, 0, []
    kinds = [kind for kind in KINDS if kind[0] == "numpy" or not why_not()]
    wanted = {kind: straight(kind) for kind in kinds}
    while done < count:
        number += 1
        kind = rng.choice(kinds)
        right, seconds = wanted[kind]
        kills = 2 if number % KILLED == 1 else 0
        found, times = interrupted(rng, kind, seconds, kills)
        done += times
        if found != right:
            differences.append(f"{number} {kind}: {first_difference(right, found)}")
    return done, differences


def first_difference(a: tuple[str, bytes], b: tuple[str, bytes]) -> str:
    if a[0] != b[0]:
        at = next((i for i, (p, q) in enumerate(zip(a[0], b[0])) if p != q), -1)
        return f"history: …{a[0][max(at - 90, 0) : at + 25]}… | …{b[0][max(at - 25, 0) : at + 25]}…"
    return "weights"


if __name__ == "__main__":
    first, *more = sys.argv[1:]
    if not first.isdigit():
        go_on(Path(first), *more)
    interruptions, wrong = compare(int(first), int(more[0]) if more else 0)
    print(f"{interruptions} interruptions, {len(wrong)} trainings that came out otherwise")
    print("\n".join(wrong[:10]))
