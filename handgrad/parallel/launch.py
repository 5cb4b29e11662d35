"""The launcher of MPI: the one that belongs to mpi4py's library, and how it is called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

from handgrad.parallel.partner import INSTALL, name_of

NAMES = ("mpiexec", "mpirun")
# mpi4py's library, asked without starting MPI in this process.
ASK = (
    "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; "
    "print(MPI.Get_library_version())"
)


class Launcher(NamedTuple):
    """A program that starts processes: its path, and its MPI's name and version."""

    path: Path
    name: str

    def command(self, processes: int, arguments: Sequence[str]) -> list[str]:
        """Start so many processes on this machine, each running Python with these arguments."""
        flags = []
        if self.name.startswith("Open MPI"):
            # It takes no more processes than cores, and refuses root, unless told otherwise; and
            # it would bind each process to one core, whatever its threads.
            flags = ["--oversubscribe", "--bind-to", "none"]
            flags += ["--allow-run-as-root"] * (hasattr(os, "geteuid") and os.geteuid() == 0)
        return [str(self.path), *flags, "-n", str(processes), sys.executable, *arguments]


@cache
def library() -> str:
    """The name and version of the MPI that mpi4py uses.

    Raises ModuleNotFoundError without mpi4py, ImportError where it finds no library.
    """
    asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True)
    if asked.returncode == 0:
        return name_of(asked.stdout)
    last = asked.stderr.strip().splitlines()[-1:]
    if "No module named 'mpi4py'" in asked.stderr:
        raise ModuleNotFoundError(f"parallel='mpi' needs mpi4py: {INSTALL}")
    raise ImportError(f"mpi4py finds no MPI library: {INSTALL} ({''.join(last)})")


def launchers() -> Iterator[Launcher]:
    """The launchers that are here: those beside this Python, then those on PATH."""
    beside = Path(sysconfig.get_path("scripts"))
    paths = [beside / name for name in NAMES]
    paths += [Path(found) for name in NAMES if (found := shutil.which(name))]
    return (Launcher(p, said_by(p)) for p in dict.fromkeys(paths) if p.exists())


def find_launcher() -> Launcher:
    """The first launcher of the same MPI as mpi4py's library. Raises ValueError for none."""
    wanted, others = library(), []
    family = wanted.rsplit(" ", 1)[0]
    for launcher in launchers():
        if launcher.name.rsplit(" ", 1)[0] == family:
            return launcher
        others.append(f"{launcher.path} ({launcher.name})")
    found = ", ".join(others) or "none at all"
    raise ValueError(
        f"no launcher of {wanted}, mpi4py's library, beside {sys.executable} or on PATH; found: "
        f"{found}. {INSTALL}"
    )


def said_by(path: Path) -> str:
    """The name and version that a launcher says of itself."""
    try:
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"broken: {error}"
    return name_of(asked.stdout + asked.stderr)


def start(processes: int, arguments: Sequence[str]) -> NoReturn:
    """Become the launcher of so many processes, each running Python with these arguments."""
    command = find_launcher().command(processes, arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)
