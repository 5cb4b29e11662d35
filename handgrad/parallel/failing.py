"""Failures: a rank that cannot go on says why, and ends the whole job."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from handgrad.parallel.meeting import Disagreement

AFTER = 0.5  # seconds that other ranks leave rank 0 to say what all have met, as it may be
ALIKE = 10.0  # … as it surely is
CAUSE = 2.0  # seconds that a rank leaves one that has failed to say why
SPOKEN = 0.2  # seconds in which the launcher passes on what was said, before it ends all
KILLED = 2.0  # seconds after which a process ends that MPI has not ended


def end_job(mpi: Any, code: int = 1) -> None:
    """End all ranks, this one too, with an exit code that is not 0."""
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(SPOKEN)
    threading.Timer(KILLED, os._exit, (code,)).start()
    mpi.COMM_WORLD.Abort(code)


# Run by a process of its own, for MPI lets no thread of Python run while it starts.
GUARD = """
import os, signal, sys, time
parent, limit, text = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
end = time.monotonic() + limit
while os.getppid() == parent:
    time.sleep(0.1)
    if time.monotonic() > end:
        os.write(2, text.encode())
        os.kill(parent, signal.SIGKILL)
"""


@contextmanager
def guarded(limit: float, text: str) -> Iterator[None]:
    """Say the text and end this process where what is inside takes longer than so many seconds."""
    if os.name == "nt":
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), str(limit), text]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as guard:
        try:
            yield
        finally:
            guard.kill()


def end_on_errors(mpi: Any, rank: int) -> None:
    """From now on an exception that nothing catches is shown, and ends all ranks.

    So it is in a script; a notebook and pytest catch all exceptions, and then nothing ends.
    """
    before: Callable[..., Any] = sys.excepthook
    if getattr(before, "ends_job", False):
        return

    def hook(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        of_all = isinstance(error, Disagreement)
        if isinstance(error, Disagreement) and error.failed:
            time.sleep(CAUSE)
        if rank:
            time.sleep(ALIKE if of_all else AFTER + min(0.02 * rank, 1.0))
        sys.stdout.flush()
        sys.stderr.write(
            f"handgrad: {error if of_all else f'rank {rank} failed, and the job ends:'}\n"
        )
        before(kind, error, where)
        end_job(mpi, 130 if issubclass(kind, KeyboardInterrupt) else 1)

    hook.ends_job = True  # type: ignore[attr-defined]
    sys.excepthook = hook
