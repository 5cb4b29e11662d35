"""One system in a process of its own, which works when it is told and is idle otherwise.

    python -m benchmarks.worker SYSTEM WORKLOAD [CORES]

Lines of JSON come on standard input, and one is answered to each on standard output:

    {"do": "check"}             the loss after the workload's check_steps, dropout off
    {"do": "start"}             build the network that is measured
    {"do": "turn", "steps": n}  seconds of n steps; the CPU time used since the turn before
    {"do": "memory"}            the peak so far, and that right after the imports, in MB
    {"do": "profile"}           what a system can tell of where its time goes

An answer with "error" ends the process.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# One process only: PyTorch's compiler would start helpers that take turns from others.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")


def peak_memory() -> float:
    """The largest resident size of this process in MB, since its own program started."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("the system does not tell the peak memory of a process")


class Worker:
    """Answers requests about one system and one workload."""

    def __init__(self, system: str, workload: str):
        from benchmarks.systems import KINDS  # after the cores are set: NumPy counts them
        from benchmarks.workloads import find

        kind = KINDS[system]
        module = importlib.import_module(f"benchmarks.systems.{kind.module}")
        self.imported = peak_memory()
        self.make, self.options, self.workload = module.System, kind.options, find(workload)

    def check(self) -> dict[str, Any]:
        workload = self.workload.without_dropout()
        system = self.make(workload, **self.options)
        return {"loss": system.turn(workload.rows(0, workload.check_steps))()}

    def start(self) -> dict[str, Any]:
        self.system = self.make(self.workload, **self.options)
        self.done, self.ended = 0, (time.perf_counter(), time.process_time())
        return {}

    def turn(self, steps: int) -> dict[str, Any]:
        now = time.perf_counter(), time.process_time()
        pause, used = (a - b for a, b in zip(now, self.ended))
        run = self.system.turn(self.workload.rows(self.done, steps))
        self.done += steps
        began = time.perf_counter()
        run()
        seconds = time.perf_counter() - began
        self.ended = time.perf_counter(), time.process_time()
        return {"seconds": seconds, "pause": pause, "used": used}

    def memory(self) -> dict[str, Any]:
        ran = getattr(self.system, "ran", None)
        return {"peak": peak_memory(), "imported": self.imported, "ran": ran}

    def profile(self) -> dict[str, Any]:
        return self.system.profile() if hasattr(self.system, "profile") else {}


def main() -> None:
    """Answer until standard input ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    system, workload, *cores = sys.argv[1:]
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores[0])])
    try:
        worker = Worker(system, workload)
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(worker, request.pop("do"))(**request)
            print(json.dumps(answer), file=answers)
    except ImportError as error:
        print(json.dumps({"error": f"not installed: {error.name}"}), file=answers)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        print(json.dumps({"error": reason}), file=answers)


if __name__ == "__main__":
    main()
