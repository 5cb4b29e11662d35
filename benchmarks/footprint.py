"""What handgrad costs before it computes: time of import beside NumPy's, size on disk.

    python benchmarks/footprint.py [--repeats 15]

Imports run in fresh processes, in turn; the table shows medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import handgrad

# As after an ordinary installation: the first run compiles, the others read what it wrote.
WITH_BYTECODE = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def seconds(code: str) -> float:
    """The time that a new Python needs for some code, its own start included."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=WITH_BYTECODE)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    codes = {"python": "pass", "numpy": "import numpy", "handgrad": "import handgrad"}
    times: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(repeats):
        for name, code in codes.items():
            times[name].append(seconds(code))
    median = {name: statistics.median(values) for name, values in times.items()}
    beyond = statistics.median(h - n for h, n in zip(times["handgrad"], times["numpy"]))
    print(f"import numpy     {(median['numpy'] - median['python']) * 1e3:6.0f} ms")
    print(f"import handgrad  {(median['handgrad'] - median['python']) * 1e3:6.0f} ms, "
          f"{beyond * 1e3:.0f} ms beyond NumPy")  # fmt: skip
    folder = Path(handgrad.__file__).parent
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    print(f"size of package  {sum(p.stat().st_size for p in files) / 1e6:6.2f} MB")


if __name__ == "__main__":
    main()
