"""`handgrad cost`: what more processes would bring, fitted to this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import click
import numpy as np

from handgrad.arrays import Array
from handgrad.layers import Affine, ReLU
from handgrad.network import Network, Sequential
from handgrad.parallel import HALVES, Alone, Feedback, Shards
from handgrad.parallel.check import probed
from handgrad.parallel.cost import MOST, Cost, fit_exchange, fit_line, in_words
from handgrad.parallel.launch import find_launcher
from handgrad.terminal import plain_errors, say
from handgrad.train import Trainer, load_checkpoint
from handgrad.train.nets import network_from_file

LATENCY, BANDWIDTH = 2e-6, 1e10  # of a fast network, where nothing is measured nor said
PARTS = 5  # of the batch: all, a half, a quarter, …
SECONDS, TURNS = 1.5, 5  # that they are measured, at least
RUN = 0.02  # seconds of a run


@click.command()
@click.argument("net")
@click.option("--input", "shape", metavar="D,…", help="shape of a sample, for FILE.py")
@click.option("--batch", type=click.IntRange(min=16), default=1024, show_default=True,
              help="samples of all processes together")  # fmt: skip
@click.option("--shards", type=click.IntRange(min=1),
              help="of a batch  [default: 16, or as many as processes]")  # fmt: skip
@click.option("--processes", type=click.IntRange(min=2), default=2, show_default=True,
              help="that measure their exchange here, where there is MPI")  # fmt: skip
@click.option("--latency", type=float, help="microseconds of a message, instead of measuring")
@click.option("--bandwidth", type=float, help="GB/s between processes, instead of measuring")
@click.option("--gradients", type=click.Choice(list(HALVES)),
              help="how they travel  [default: in full]")  # fmt: skip
@click.option("--most", type=click.IntRange(min=1, max=2**16), default=MOST, show_default=True,
              help="processes up to which to compute")  # fmt: skip
def cost(
    net: str, shape: str | None, batch: int, shards: int | None, processes: int,
    latency: float | None, bandwidth: float | None, gradients: str | None, most: int,
) -> None:  # fmt: skip
    """What an update of NET would take on 1, 2, 4, … processes, and when more stop paying.

    NET is a model file, FILE.py[:name] with a network (which is executed), or sizes such as
    784-50-10. Updates with one thread are measured here for parts of the batch, and the
    exchange of processes where there is MPI; the rest is computed from a model of the cost.
    """
    with plain_errors():
        network, x = taken(net, shape, batch)
        times = dict(measured(network, x))
        fixed, each = fit_line(times.items())
        wire, how = wire_of(processes, latency, bandwidth)
        size, rounding = network.parameters.size * (2 if gradients else 4), 0.0
        say(f"{net}: {network.parameters.size:,} parameters, batches of {batch:,}")
        say(f"an update takes {in_words(fixed)} and {in_words(each)} a sample, with one thread")
        say(f"(a line through {len(times)} sizes, {off(times, fixed, each):.0%} off at most)")
        say(
            f"a message takes {in_words(wire[0])}, and {wire[1] / 1e9:.3g} GB/s travel ({how})"
            + ("" if gradients else "\n")
        )
        if gradients:
            rounding = rounded(gradients, network.parameters)
            say(f"gradients travel in {gradients}, half the bytes; to round them takes "
                f"{in_words(rounding)} for a shard, and for each sum of two\n")  # fmt: skip
        for line in Cost(batch, size, fixed, each, *wire, shards, rounding).table(most):
            say(line)


def taken(net: str, shape: str | None, batch: int) -> tuple[Network, Array]:
    """The network, built, and samples of noise."""
    if shape and not all(n.strip().isdecimal() for n in shape.split(",")):
        raise ValueError(f"--input: numbers with commas between, such as 1,28,28, got {shape!r}")
    sample = tuple(map(int, shape.split(","))) if shape else ()
    if Path(net.partition(":")[0]).suffix == ".py":
        network = network_from_file(net, "NET")[0]
        if not sample:
            raise ValueError(f"--input: the shape of a sample of {net} is needed, such as 784 or "
                             "1,28,28")  # fmt: skip
    elif Path(net).suffix == ".safetensors":
        saved = load_checkpoint(net)
        network, sample = saved.network, sample or (saved.input.shape if saved.input else ())
        if not sample:
            raise ValueError(f"--input: {net} does not say what a sample is; give its shape")
    else:
        sizes = [int(n) for n in net.split("-") if n.isdecimal()]
        if len(sizes) < 2 or min(sizes) < 1 or "-".join(map(str, sizes)) != net:
            raise ValueError(f"NET: a model, FILE.py, or sizes such as 784-50-10, got {net!r}")
        inner = [layer for n in sizes[1:-1] for layer in (Affine(n), ReLU())]
        network, sample = Sequential(*inner, Affine(sizes[-1]), seed=0), (sizes[0],)
    x = np.random.default_rng(0).normal(size=(batch, *sample)).astype(np.float32)
    network.build(x[:2])
    return network, x


def measured(network: Network, x: Array) -> Iterator[tuple[int, float]]:
    """Numbers of samples, and the seconds of an update with one thread: the least of several, all
    sizes in turns, of the processor: so what else runs here disturbs them little, and all alike."""
    y = network.predict(x[:2])
    rng = np.random.default_rng(1)
    labels = y.ndim > 1 and y.shape[-1] > 1
    t = rng.integers(0, y.shape[-1], (len(x), *y.shape[1:-1])) if labels else rng.normal(
        size=(len(x), *y.shape[1:])).astype(np.float32)  # fmt: skip
    sizes = [len(x) >> part for part in range(PARTS)]
    trainers = [
        Trainer(network, x[:n], t[:n], batch=n, steps=1, threads=1, metrics=(), shuffle=False,
                progress=False)
        for n in sizes
    ]  # fmt: skip
    once = [_seconds(trainer, 1, first=True) for trainer in trainers]
    least, until = list(once), time.perf_counter() + SECONDS
    for turn in count():
        for i, trainer in enumerate(trainers):
            least[i] = min(least[i], _seconds(trainer, max(1, int(RUN / once[i]))))
        if turn >= TURNS and time.perf_counter() > until:
            break
    yield from zip(sizes, least)


def _seconds(trainer: Trainer, updates: int, first: bool = False) -> float:
    """Processor time of an update, of some in one run; the first one makes a program too."""
    if first:
        trainer.run()
    trainer.total_steps += updates
    began = time.process_time()
    trainer.run()
    return max(time.process_time() - began, 1e-7) / updates


def rounded(gradients: str, parameters: Array) -> float:
    """Seconds in which so many sums of a shard, or of two, are rounded: the least of several."""
    feedback, least = Feedback(gradients, Shards(1), Alone()), math.inf
    for _ in range(TURNS):
        began = time.process_time()
        feedback.leaf(parameters, 0)
        least = min(least, time.process_time() - began)
    return max(least, 1e-7)


def off(times: dict[int, float], fixed: float, each: float) -> float:
    """How far the line is from what was measured, relatively, at most."""
    return max(abs(fixed + each * n - seconds) / seconds for n, seconds in times.items())


def wire_of(
    processes: int, latency: float | None, bandwidth: float | None
) -> tuple[tuple[float, float], str]:
    """Seconds of a message, bytes in a second, and where they are from."""
    said = None if latency is None else latency * 1e-6, (
        None if bandwidth is None else bandwidth * 1e9)  # fmt: skip
    if said[0] is not None and said[1] is not None:
        return (said[0], said[1]), "as said"
    try:
        found = probed(find_launcher().command(processes, ["-m", "handgrad.parallel.probe"]))
    except (ValueError, ImportError) as error:
        found = str(error)
    if isinstance(found, str):
        mine, how = (LATENCY, BANDWIDTH), f"a fast network, assumed: {found}"
    else:
        way: dict[str, Any] = found["ways"][0]
        mine = fit_exchange([(4 * n, seconds) for n, _, seconds in way["sums"]], processes)
        how = f"measured: {processes} processes, {way['way']}"
    return (mine[0] if said[0] is None else said[0], mine[1] if said[1] is None else said[1]), how
