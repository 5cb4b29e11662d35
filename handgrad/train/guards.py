"""What surrounds a training: the network's mode, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from handgrad.network import Network


@contextmanager
def training_mode(network: Network) -> Iterator[None]:
    """Training mode, and no gradient of x; both as before afterwards."""
    with network.mode(True):
        wanted, network.needs_input_grad = network.needs_input_grad, False
        try:
            yield
        finally:
            network.needs_input_grad = wanted


@contextmanager
def first_ctrl_c(act: Callable[[], None]) -> Iterator[None]:
    """Inside, the first Ctrl-C calls `act` alone; a second one acts as before, at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(signum: int, frame: Any) -> None:
        act()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
