"""Waiting for other processes: without sleep while that is quick, and then ever more sleep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

PATIENT = 0.002  # seconds without sleep, where each process has a core
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
        else:
            _give_way()


def push(ready: Callable[[], bool], crowded: bool) -> None:
    """Return when `ready()`, where all have come and each call moves messages on."""
    while not ready():
        if crowded:
            time.sleep(NAP)
        else:
            _give_way()
