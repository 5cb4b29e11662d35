"""What all tests share."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings

from handgrad.subject import sandbox

# Several test processes on few cores: one BLAS thread each is faster.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The same examples in every run, however long one takes on a busy machine.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


# The longest first, so that short ones fill the time beside them and the processes end together.
LONGEST = "native", "test_zoo.py", "test_schema.py", "test_readme.py", "test_peers.py"


def pytest_collection_modifyitems(items):
    """Sort tests by how long their file takes: those of LONGEST, then all others as they come."""
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: min(order.get(part, len(order)) for part in item.path.parts))


@pytest.fixture
def rng():
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20150901)


@pytest.fixture(autouse=True)
def _close_figures():
    """pyplot, where any test has imported it, keeps all figures, and warns of more than twenty."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def hang(monkeypatch):
    """What a subject calls to hang, spinning or waiting, in no time: the clock by which it is given
    up stands still but for an hour then. Its thread ends with the test, for one that waits would
    keep others from being traced."""
    clock, over = deque([0.0]), threading.Event()  # a list would be put back as it was
    monkeypatch.setattr(sandbox, "time", SimpleNamespace(monotonic=lambda: clock[-1]))

    def hangs(spins: bool = False) -> None:
        clock.append(3600.0)
        while spins:
            pass
        over.wait()

    yield hangs
    over.set()
    for thread in sandbox._given_up:
        thread.join()


@pytest.fixture(scope="session")
def mnist_folder():
    """The folder with MNIST's four files, beside the repository or named by HANDGRAD_DATA."""
    named = os.environ.get("HANDGRAD_DATA")
    beside = Path(__file__).parents[2] / "shared" / "data" / "mnist"
    folder = Path(named) if named else beside
    if not (folder / "train-images-idx3-ubyte.gz").exists():
        pytest.skip("MNIST is not here; name its folder in HANDGRAD_DATA")
    return folder
