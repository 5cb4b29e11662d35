"""The `handgrad` command as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "handgrad"]


def stopped_training(folder: Path, *pauses: float) -> str:
    """What an endless training says that gets a Ctrl-C after each of these pauses in seconds."""
    process = subprocess.Popen(
        [*COMMAND, "train", "--epochs", "100000", "--no-proof"], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("running"):
            break
    for pause in pauses:
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "--resume goes on from here" in out
    assert "Traceback" not in err
    return out
