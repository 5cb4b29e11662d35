"""Native training in all kinds of processes: threads, forks, pools, signals, other libraries."""

from __future__ import annotations

import copy
import ctypes
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from handgrad import Adam, Affine, ReLU, Sequential
from handgrad.compile.binary import why_not
from handgrad.train import Trainer

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def trainer(seed: int = 0, **options) -> Trainer:
    """A network whose products are worth several threads."""
    draw = np.random.default_rng(seed)
    x, t = draw.normal(size=(400, 96)), draw.integers(0, 10, 400)
    network = Sequential(Affine(256), ReLU(), Affine(10), seed=seed)
    options = {"epochs": 3, "threads": 2} | options
    return Trainer(network, x, t, optimizer=Adam(), batch=128, engine="native", **options)


def trained(seed: int = 0, **options) -> bytes:
    """The weights after training, to the bit."""
    one = trainer(seed, **options)
    one.run()
    return one.network.parameters.tobytes()


def python(code: str, **env: str) -> str:
    """What a fresh interpreter prints, with this file's functions at hand."""
    code = f"from tests.native.test_process import *\n{code}"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600,
        cwd=Path(__file__).parents[2], env=os.environ | env,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_same_bits_on_any_number_of_threads_and_on_a_busy_machine():
    alone = trained(threads=1)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        assert all(trained(threads=n) == alone for n in (1, 2, 3, 8))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert all(trained(threads=n) == alone for n in (2, 3, 8))


def test_several_python_threads_at_once():
    alone = [trained(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(trained, range(4))) == alone


def test_one_network_predicts_in_several_threads():
    one = trainer()
    one.run()
    x = np.random.default_rng(1).normal(size=(64, 96)).astype(np.float32)
    expected = one.network.predict(x)
    with ThreadPoolExecutor(4) as threads:
        for y in threads.map(one.network.predict, [x] * 40):
            np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_in_a_pool_of_processes(way):
    code = f"""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
if __name__ == "__main__":
    alone = [trained(seed) for seed in range(3)]  # with fork, the children's parent has threads
    with ProcessPoolExecutor(2, mp_context=get_context({way!r})) as pool:
        print(list(pool.map(trained, range(3))) == alone)
"""
    assert python(code, PYTHONWARNINGS="ignore") == "True"


def test_a_fork_while_another_thread_trains():
    code = """
import threading
alone = trained()
going = trainer(1, epochs=10**6)
thread = threading.Thread(target=going.run, daemon=True)
thread.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if trained() == alone else 1)
    assert os.waitpid(child, 0)[1] == 0
going.stop("enough")
thread.join()
print(trained() == alone)
"""
    assert python(code, PYTHONWARNINGS="ignore") == "True"


def test_an_interrupt_leaves_a_usable_network():
    code = """
import signal, threading, time
one = trainer(epochs=10**6)
def interrupt():
    while one.step == 0:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    one.run()
except KeyboardInterrupt:
    whole = bool(np.isfinite(one.network.parameters).all())
    print("interrupted", one.interrupted, one.step > 0, whole)
one.total_steps = one.step + 5
print(one.run() is one.history, one.going)
"""
    assert python(code) == "interrupted True True True\nTrue False"


def test_beside_other_libraries_with_threads_of_their_own():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    code = """
alone = trained()
import torch
from sklearn.cluster import KMeans
for _ in range(3):
    a = torch.ones(300, 300)
    assert (a @ a).sum() == 300**3
    KMeans(3, n_init=1, random_state=0).fit(np.random.default_rng(0).normal(size=(500, 8)))
    assert trained() == alone
print("beside")
"""
    assert python(code) == "beside"


def flags() -> int:
    """The register of rounding and of flushing to zero, without what happened so far."""
    environment = (ctypes.c_uint32 * 64)()
    ctypes.CDLL(None).fegetenv(environment)
    return environment[7] & ~0x3F


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the register is x86's")
def test_the_flags_of_floats_are_left_alone():
    code = """
after_import = flags()
trained(threads=3)
print(after_import == flags() == 0x1F80, np.finfo(np.float32).smallest_subnormal > 0)
"""
    assert python(code) == "True True"


COUNT = "from handgrad.compile.binary import usable_threads; print(usable_threads())"


def test_threads_obey_affinity_and_the_environment():
    assert python(COUNT, OMP_NUM_THREADS="1") == "1"
    first = min(os.sched_getaffinity(0))
    assert python(f"os.sched_setaffinity(0, {{{first}}})\n{COUNT}") == "1"
    everything = len(os.sched_getaffinity(0))
    assert 1 <= int(python(COUNT, OMP_NUM_THREADS="64")) <= everything


def test_threads_obey_the_quota_of_a_control_group():
    group = Path("/sys/fs/cgroup/cpu/handgrad_test")
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("100000")
    except OSError:
        pytest.skip("control groups cannot be made here")
    try:
        join = f"open('{group}/cgroup.procs', 'w').write(str(os.getpid()))"
        assert python(f"{join}\n{COUNT}") == "1"
    finally:
        group.rmdir()


def test_a_network_is_copied_after_native_predictions():
    network = trainer().network
    x = np.random.default_rng(1).normal(size=(64, 96)).astype(np.float32)
    for _ in range(3):
        y = network.predict(x)
    np.testing.assert_allclose(copy.deepcopy(network).predict(x), y, rtol=1e-4, atol=1e-5)
