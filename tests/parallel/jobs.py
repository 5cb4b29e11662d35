"""Programs that the launcher of MPI starts in several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from handgrad.parallel.launch import Launcher, find_launcher

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How a job ended: its code, what it said, and seconds from its line "now" to its end."""

    code: int
    out: str
    err: str
    seconds: float


@cache
def why_none() -> str:
    """Why nothing can be started here; empty where it can."""
    try:
        find_launcher()
    except (ImportError, ValueError) as error:
        return str(error)
    return ""


needs_mpi = pytest.mark.skipif(bool(why_none()), reason=why_none())


def launcher() -> Launcher:
    return find_launcher()


def environment(**more: str) -> dict[str, str]:
    """That of this process, with this checkout first and one thread for NumPy's products."""
    here = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return os.environ | here | more


def job(
    processes: int, *arguments: str, seconds: float = 300, cwd: Path = ROOT, **more: str
) -> Ended:
    """Run Python with these arguments in so many processes. A job that does not end fails."""
    command = launcher().command(processes, arguments)
    with subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(**more), errors="replace",
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    ended, began = time.time(), [line for line in out.split("\n") if line.startswith("now ")]
    took = ended - float(began[0].split()[1]) if began else float("nan")
    return Ended(process.returncode, out, err.replace("\0", ""), took)


def code(text: str) -> tuple[str, str]:
    """The arguments that run a piece of code, in which `ranks` are there."""
    first = "import sys, time\nfrom handgrad.parallel.mpi import world\nranks = world()\n"
    return "-c", first + text


def command(*arguments: str, cwd: Path, **more: str) -> Ended:
    """Run the `handgrad` command as one process."""
    run = subprocess.run(
        [sys.executable, "-m", "handgrad", *arguments], cwd=cwd, capture_output=True, text=True,
        env=environment(**more), timeout=300, errors="replace",
    )  # fmt: skip
    return Ended(run.returncode, run.stdout, run.stderr, 0.0)
