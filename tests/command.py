"""The `handgrad` command as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

COMMAND = [sys.executable, "-m", "handgrad"]
WAITING = """
import sys
from handgrad.cli import main, training
keep = training.keep
def waiting(*given):
    print("writing", flush=True)
    sys.stdin.readline()
    return keep(*given)
training.keep = waiting
main()
"""


def twice_stopped_training(folder: Path) -> None:
    """An endless training that gets a Ctrl-C, and another one before it has written the result."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "train", "--epochs", "100000", "--no-proof"], cwd=folder,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (folder / "out/run.json").exists():  # which is written when the training begins
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    time.sleep(0.3)  # a few epochs, or none: it should end well whenever it is stopped
    process.send_signal(signal.SIGINT)
    said = "".join(takewhile("writing\n".__ne__, process.stdout))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate("\n", timeout=600)
    assert process.returncode == 0, err
    assert "--resume goes on from here" in said
    assert "ending, and writing the result" in err
    assert "Traceback" not in err
