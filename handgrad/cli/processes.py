"""How a command runs in several processes, and `handgrad check-mpi`."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from handgrad.parallel import Ranks
from handgrad.parallel.check import Line, check_installation, measured
from handgrad.parallel.launch import start
from handgrad.parallel.mpi import MPIRanks, world
from handgrad.parallel.partner import launched
from handgrad.parallel.probe import found_by
from handgrad.terminal import plain_errors, say
from handgrad.train import DivergenceError, Trainer


def ranks_for(processes: int | None) -> Ranks | None:
    """The ranks of this process, where a launcher started it; None where nobody did.

    processes: how many are wanted; without a launcher this process becomes one, and they begin
    with the same arguments.
    """
    if launched()[0] == 1:
        if processes is not None and processes > 1:
            start(processes, ["-m", "handgrad", *sys.argv[1:]])
        return None
    # Open MPI answers Ctrl-C with this signal, and Slurm the end of a job's time.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    return world()


def check_processes(processes: int | None, ranks: Ranks | None) -> None:
    """Raise ValueError where a launcher has started another number of them."""
    if ranks is not None and processes not in (None, ranks.size):
        raise ValueError(
            f"--processes: {processes}, but a launcher has started {ranks.size}; leave it out"
        )


@contextmanager
def one_voice(ranks: Ranks | None) -> Iterator[None]:
    """What ends the command is said once: by rank 0, or by the one rank that met it."""
    try:
        yield
    except click.ClickException as error:
        if not isinstance(ranks, MPIRanks):
            raise
        ranks.fail(error.exit_code, error.show)
        raise SystemExit(error.exit_code) from None


def leads(ranks: Ranks | None) -> bool:
    """Whether this process shows and writes something; the warnings of the others are not shown."""
    if ranks is None or ranks.rank == 0:
        return True
    warnings.simplefilter("ignore")
    return False


def follow(trainer: Trainer) -> None:
    """Train as one of the ranks that show and write nothing."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # after the first, rank 0 is asked alone
    try:
        trainer.run()
    except KeyboardInterrupt:
        pass
    except DivergenceError:
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGINT, before)


@click.command("check-mpi")
@click.option("--processes", type=click.IntRange(min=2), default=2, show_default=True,
              help="how many to start and to measure")  # fmt: skip
def check_mpi(processes: int) -> None:
    """Test whether training on several processes works here, and measure it.

    Started by mpirun or srun itself, it measures the processes that there are, on all machines.
    Exit code: 0 all right, 1 something is broken; the line says what would do.
    """
    with plain_errors():
        lines = check_installation(processes)
        if launched()[0] > 1:
            ranks = world()
            assert isinstance(ranks, MPIRanks)
            found = found_by(ranks)
            lines = measured(found, ranks.size) if ranks.rank == 0 else iter(())
        right = True
        for line in lines:
            right = right and line.right
            show(line)
    raise SystemExit(0 if right else 1)


def show(line: Line) -> None:
    """One line: what, whether, and what was found."""
    mark = "  " if line.right else "✗ "
    say(f"{mark}{line.what:<14}{line.found}")
