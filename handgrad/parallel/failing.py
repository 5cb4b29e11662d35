"""Failures: a rank that cannot go on says why, and ends the whole job."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from handgrad.parallel.meeting import Mismatch

AFTER = 0.5  # seconds that other ranks leave rank 0 to say what all have met
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


def end_on_errors(mpi: Any, rank: int) -> None:
    """From now on an exception that nothing catches is shown, and ends all ranks.

    So it is in a script; a notebook and pytest catch all exceptions, and then nothing ends.
    """
    before: Callable[..., Any] = sys.excepthook
    if getattr(before, "ends_job", False):
        return

    def hook(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        caused = isinstance(error, Mismatch) and error.failed
        if rank:
            time.sleep(AFTER + min(0.02 * rank, 1.0) + CAUSE * caused)
        elif caused:
            time.sleep(CAUSE)
        sys.stdout.flush()
        sys.stderr.write(f"handgrad: rank {rank} failed, and the job ends:\n")
        before(kind, error, where)
        end_job(mpi, 130 if issubclass(kind, KeyboardInterrupt) else 1)

    hook.ends_job = True  # type: ignore[attr-defined]
    sys.excepthook = hook
