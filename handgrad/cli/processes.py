"""`handgrad check-mpi`, and how a command runs in several processes."""

from __future__ import annotations

import click

from handgrad.parallel.check import Line, check_installation, measured
from handgrad.parallel.mpi import MPIRanks, world
from handgrad.parallel.partner import launched
from handgrad.parallel.probe import found_by
from handgrad.terminal import plain_errors, say


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
