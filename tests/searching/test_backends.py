"""Where candidates are tried changes nothing in the table: executors, joblib, ranks of MPI."""

from __future__ import annotations

import copy
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import ModuleType

import numpy as np
import pytest

from handgrad.parallel import choose
from handgrad.searching import search
from handgrad.searching.workers import one_thread
from tests.parallel import simulated
from tests.searching import candidates as tried
from tests.searching.candidates import OPTIONS, SPACE, data


def found(backend, **options):
    given = {"candidates": 6, "epochs": 3, "options": OPTIONS, "show": False, "seed": 3}
    make = options.pop("make", tried.failing)
    return search(make, SPACE, *data(), backend=backend, **{**given, **options})


def table(result):
    rows = [
        (r.number, r.rung, dict(r.params), r.epochs, dict(r.scores), dict(r.curves), r.error)
        for r in result.rows
    ]
    return rows, result.model.parameters.tobytes()


@pytest.fixture(scope="module")
def alone():
    return table(found(None, processes=1))


def test_executors_give_the_same_table(alone):
    with ThreadPoolExecutor(1) as pool:
        assert table(found(pool)) == alone
    with one_thread(), ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert table(found(pool)) == alone


def test_joblib_and_the_backend_that_it_is_told_give_the_same_table(alone):
    joblib = pytest.importorskip("joblib", reason="the backends are joblib's")
    from joblib._parallel_backends import SequentialBackend

    seen = []

    class Elsewhere(SequentialBackend):
        def configure(self, *args, **options):
            seen.append(1)
            return super().configure(*args, **options)

    joblib.register_parallel_backend("elsewhere", Elsewhere)
    assert table(found("elsewhere")) == alone
    assert seen == [1]
    with joblib.parallel_config(backend="elsewhere"):
        assert table(found("joblib", method="halving")) == table(
            found(None, processes=1, method="halving")
        )
    assert len(seen) == 3  # two rounds more
    with pytest.raises(ValueError, match="search: backend: joblib has no 'nowhere'"):
        found("nowhere")


def test_what_is_no_backend_is_refused():
    with pytest.raises(ValueError, match="search: backend must be None, 'mpi', 'joblib', the name"):
        found(3)


class Common:
    """What mpi4py.futures has, of threads: rank 0 gets an executor, the others wait for its end."""

    over = threading.Event()

    def __init__(self, comm, root):
        self.rank = int(threading.current_thread().name)

    def __enter__(self):
        if self.rank:
            assert self.over.wait(600)
            return None
        self.pool = ThreadPoolExecutor(1)
        return self.pool

    def __exit__(self, *error):
        if self.rank == 0:
            self.pool.shutdown()
            self.over.set()


def test_every_rank_has_the_table_and_rank_0_writes_it(alone, monkeypatch, tmp_path):
    for name in ("mpi4py", "mpi4py.futures", "mpi4py.MPI"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["mpi4py"].MPI = sys.modules["mpi4py.MPI"]
    sys.modules["mpi4py.MPI"].COMM_WORLD = None
    sys.modules["mpi4py.futures"].MPICommExecutor = Common
    local = threading.local()
    monkeypatch.setattr(choose, "world", lambda: local.ranks)

    def own(lr, units):  # which no other process could have
        return tried.failing(lr, units)

    def work(ranks):
        threading.current_thread().name = str(ranks.rank)
        local.ranks = ranks
        return found("mpi", path=tmp_path / "s.json", make=own)

    results = simulated.run(2, work)
    assert [table(result) for result in results] == [alone] * 2
    assert (tmp_path / "s.json").exists()
    with pytest.raises(ValueError, match="leave parallel out of its options"):
        simulated.run(2, lambda ranks: (
            setattr(local, "ranks", ranks), found("mpi", options={"parallel": "mpi"})
        ))  # fmt: skip


PROGRAM = """
import sys, zlib
from tests.searching.test_backends import found, table
import numpy as np
from handgrad.sklearn import MLPRegressor
rows, model = table(found("mpi"))
x = np.random.default_rng(0).normal(size=(60, 3))
several = MLPRegressor(hidden_layer_sizes=5, n_members=3, n_jobs="mpi", max_iter=5, random_state=1)
several.fit(x, x[:, 0])
sys.stdout.write(f"{zlib.crc32(str(rows).encode())} {several.predict(x[:5]).tobytes().hex()}\\n")
"""


def test_ranks_of_mpi(tmp_path):
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
    from handgrad.parallel.launch import find_launcher

    (tmp_path / "program.py").write_text(PROGRAM)
    outputs = []
    for count in (1, 3):
        command = find_launcher().command(count, ["-W", "ignore", str(tmp_path / "program.py")])
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)  # fmt: skip
        assert run.returncode == 0, run.stderr
        outputs.append(run.stdout.split())
    assert outputs[1] == outputs[0] * 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_members_that_joblib_teaches_elsewhere_come_back():
    joblib = pytest.importorskip("joblib", reason="the backends are joblib's")
    pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
    from joblib._parallel_backends import ThreadingBackend

    from handgrad.sklearn import MLPRegressor

    seen = []

    class Copies(ThreadingBackend):
        """As another process would: what it is given is not changed."""

        def submit(self, func, callback=None):
            seen.append(1)
            return super().submit(copy.deepcopy(func), callback)

    joblib.register_parallel_backend("copies", Copies)
    x = np.random.default_rng(0).normal(size=(60, 3))
    several = MLPRegressor(hidden_layer_sizes=5, n_members=2, n_jobs=2, max_iter=20)
    several.random_state = 1
    with joblib.parallel_config(backend="copies"):
        there = several.fit(x, x[:, 0]).predict(x)
    assert len(seen) == 2
    np.testing.assert_array_equal(several.fit(x, x[:, 0]).predict(x), there)
