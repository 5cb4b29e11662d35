"""The printed C file beside the native program on one thread: 784-50-10, predict and train.

`python -m benchmarks.c_file` compiles the file with -O3 -march=native, measures both in turns, and
prints the least time of each and their ratio; it ends with 1 where a ratio is above 2.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import handgrad as hg
from handgrad.compile import compile_prediction, compile_training

BATCH, STEPS, ROUNDS = 100, 5, 300
Run = Callable[[], object]


def in_turns(one: Run, other: Run) -> tuple[float, float]:
    """The least seconds of each, of ROUNDS in turns."""
    found: tuple[list[float], list[float]] = [], []
    for _ in range(ROUNDS):
        for run, times in zip((one, other), found):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return min(found[0]), min(found[1])


def c_runs(network: hg.Network, x: np.ndarray, t: np.ndarray, folder: Path) -> tuple[Run, Run]:
    """STEPS predictions, and STEPS training steps, of the compiled file."""
    e = hg.export_c(network, folder / "net", batch=BATCH, loss=hg.SoftmaxCrossEntropy())
    file = folder / "net.so"
    command = ["cc", "-std=c99", "-O3", "-march=native", "-shared", "-fPIC", str(e.source)]
    subprocess.run([*command, "-o", str(file), "-lm"], check=True)
    library = ctypes.CDLL(str(file))
    trained = (ctypes.c_char * e.weights).in_dll(library, "net_trained")
    arrays = (
        np.frombuffer(bytes(trained), np.uint8).copy(), np.zeros(e.state, np.uint8), x, t,
        np.zeros((BATCH, 10), np.float32),
    )  # fmt: skip
    w, s, px, pt, py = (a.ctypes.data_as(ctypes.c_void_p) for a in arrays)
    rate = ctypes.c_float(0.01)

    def predict() -> object:
        for _ in range(STEPS):
            library.net_predict(w, s, px, py)
        return arrays  # which must live

    def train() -> object:
        for _ in range(STEPS):
            library.net_backward(w, s, px, pt)
            library.net_update(w, s, rate)
        return arrays

    return predict, train


def native_runs(network: hg.Network, x: np.ndarray, t: np.ndarray) -> tuple[Run, Run]:
    """The same of the native program on one thread."""
    order, starts, counts = np.arange(BATCH), np.zeros(STEPS), np.full(STEPS, BATCH)
    program = compile_prediction(network, x, batch=BATCH, threads=1)
    loss, rule = hg.SoftmaxCrossEntropy(), hg.SGD(0.01)
    training = compile_training(network, loss, rule, x, t, batch=BATCH, threads=1)

    def predict() -> None:
        program.start(order, starts, counts)
        while program.go(1.0):
            pass

    return predict, lambda: training.run(order, starts, counts)


def main() -> int:
    """Measure and print."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, 784), np.float32)
    t = rng.integers(0, 10, BATCH).astype(np.int32)
    network = hg.Sequential(hg.Affine(50, inputs=784), hg.ReLU(), hg.Affine(10))
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        pairs = zip(c_runs(network, x, t, Path(folder)), native_runs(network, x, t))
        for what, (c, native) in zip(("predict", "train step"), pairs):
            a, b = in_turns(c, native)
            worst = max(worst, a / b)
            print(
                f"784-50-10, batch {BATCH}, {what}: C file {a / STEPS * 1e6:.0f} µs, "
                f"native, 1 thread {b / STEPS * 1e6:.0f} µs, ratio {a / b:.2f}"
            )
    return int(worst > 2)


if __name__ == "__main__":
    sys.exit(main())
