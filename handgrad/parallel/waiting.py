"""Waiting for other processes: at first without giving the core away, and at last in sleep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

# Where each process has a core: seconds in which it is kept, for on a busy machine it comes back
# milliseconds later; and seconds without sleep.
SPIN, PATIENT = 1e-4, 0.002
NAP, LONG = 20e-6, 0.005  # the shortest and the longest sleep
_give_way = getattr(os, "sched_yield", lambda: time.sleep(0))


def wait(ready: Callable[[], bool], crowded: bool) -> None:
    """Return when `ready()`: when others have come, which may take any time.

    Python's signal handlers run meanwhile, so Ctrl-C is heard. crowded: there are more processes
    than cores, so that the others can only go on while this one sleeps.
    """
    began = time.monotonic()
    while not ready():
        waited = time.monotonic() - began
        if crowded or waited > PATIENT:
            time.sleep(min(max(NAP, waited / 50), LONG))
        elif waited > SPIN:
            _give_way()


def push(ready: Callable[[], bool], crowded: bool) -> None:
    """Return when `ready()`, where all have come and each call moves messages on."""
    while not ready():
        if crowded:
            time.sleep(NAP)
        else:
            _give_way()
