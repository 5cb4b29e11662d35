"""Waiting for other processes: without sleep while that is quick, and then ever more sleep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

PATIENT = 0.002  # seconds without sleep, where each process has a core
NAP, LONG = 20e-6, 0.005  # the shortest and the longest sleep
_give_way = getattr(os, "sched_yield", lambda: time.sleep(0))


def wait(ready: Callable[[], bool], crowded: bool) -> None:
    """Return when `ready()`. Python's signal handlers run meanwhile, so Ctrl-C is heard.

    crowded: there are more processes than cores, so the others can only go on while this one
    sleeps.
    """
    if ready():
        return
    began = time.monotonic()
    while not crowded:
        _give_way()
        if ready():
            return
        if time.monotonic() - began > PATIENT:
            break
    while not ready():
        time.sleep(min(max(NAP, (time.monotonic() - began) / 50), LONG))
