"""What `import handgrad` takes beside NumPy's own import: the least of many fresh processes.

    python -m benchmarks.imports

Both are timed in one process each, in turns, with bytecode that lies in a folder of its own.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
LIMIT = 0.050  # seconds for handgrad where NumPy is there


def measure(turns=30):
    """Seconds for NumPy, and for handgrad after it."""
    codes = {
        "NumPy": TIMED.format("numpy"),
        "handgrad": "import numpy; " + TIMED.format("handgrad"),
    }
    with tempfile.TemporaryDirectory() as folder:
        unset = ("PYTHONDONTWRITEBYTECODE",)
        environment = {k: v for k, v in os.environ.items() if k not in unset}
        environment |= {"PYTHONPYCACHEPREFIX": folder, "PYTHONPATH": str(ROOT)}
        taken = {name: [] for name in codes}
        for _ in range(turns + 1):  # the first turn writes the bytecode
            for name, code in codes.items():
                run = subprocess.run(
                    [sys.executable, "-c", code], env=environment, capture_output=True, check=True
                )
                taken[name].append(float(run.stdout))
    return {name: min(seconds[1:]) for name, seconds in taken.items()}


def main():
    for name, seconds in measure().items():
        print(f"import {name:<9}{1e3 * seconds:6.1f} ms")
    print(f"handgrad may take {1e3 * LIMIT:.0f} ms where NumPy is imported already")


if __name__ == "__main__":
    main()
