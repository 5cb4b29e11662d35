"""Jobs that cannot go on: they end soon, with a code that is not 0, and say why."""

from __future__ import annotations

import json

import pytest

from tests.parallel.jobs import code, job, needs_mpi
from tests.parallel.kills import compare

pytestmark = needs_mpi

SOON = 30  # seconds: on an idle machine it is below 5, `python -m tests.parallel.kills` shows

# Each rank trains a little network, and at update 5 rank 1 does something else.
TRAINING = """
import os, signal
import handgrad as hg
from handgrad.train.datasets import spiral
def bad():
    {bad}
seen = 0
def augment(x, number):
    global seen
    seen += 1
    if seen == 12:
        {limit}
        if ranks.rank == 1:
            print("now", time.time(), flush=True)
            bad()
    return x
seed = {seed}
network = hg.Sequential(hg.Affine(8), hg.Dropout(0.2), hg.Affine(3), seed=1)
x, t = spiral(30)
{first}
hg.fit(network, x, t, epochs={epochs}, seed=seed, parallel="mpi", augment=augment,
       engine="numpy", progress=False)
"""


def training(bad: str = "pass", first: str = "", processes: int = 2, **more: str):
    usual = {"seed": "0", "epochs": "9", "limit": "pass"}
    options = {name: more.pop(name, of) for name, of in usual.items()}
    text = TRAINING.format(bad=bad, first=first, **options)
    return job(processes, *code(text), **more)


def test_an_exception_of_one_rank_ends_all_within_seconds():
    ended = training("raise RuntimeError('a wrong turn')", processes=3)
    assert ended.code not in (0, None)
    assert ended.seconds < SOON
    lines = ended.err.splitlines()
    assert lines[0] == "handgrad: rank 1 failed, and the job ends:"
    assert lines[1].startswith("Traceback")
    assert "RuntimeError: a wrong turn" in lines
    assert ended.err.count("Traceback") == 1


@pytest.mark.parametrize("bad", ["sys.exit(4)", "raise SystemExit"])
def test_a_rank_that_leaves_is_named(bad):
    ended = training(bad)
    assert ended.code
    assert ended.seconds < SOON
    assert "rank 1 has ended after" in ended.err
    assert "rank 0 is at exchange" in ended.err


def test_a_rank_that_is_killed_ends_the_job():
    ended = training("os.kill(os.getpid(), signal.SIGKILL)")
    assert ended.code
    assert ended.seconds < SOON


def test_a_rank_that_makes_another_call_is_named():
    ended = training("ranks.barrier()")
    assert ended.code
    assert ended.seconds < SOON
    assert "rank 1 is at exchange" in ended.err
    assert "(barrier)" in ended.err


@pytest.mark.parametrize(
    ("bad", "says"),
    [("os.kill(os.getpid(), signal.SIGSTOP)", "rank 1 does not answer"),
     ("time.sleep(60)", "rank 1 is computing since")],
    ids=["stopped", "slow"],
)  # fmt: skip
def test_hanging_has_a_limit(bad, says):
    # Set once all train: how long MPI's start may take is nothing that a test can say.
    ended = training(bad, limit="ranks._watchdog.limit = 2")
    assert ended.code
    assert 2 <= ended.seconds < SOON
    assert says in ended.err
    assert "rank 0 waits in exchange" in ended.err
    assert "the limit is 2 s" in ended.err


DIFFERENT = {
    "seed": ({"seed": "ranks.rank + 4"}, "rank 1: seed 5, rank 0: seed 4"),
    "updates": ({"epochs": "9 + ranks.rank"}, "rank 1: steps 30, rank 0: steps 27"),
    "version": ({"first": "if ranks.rank: hg.__version__ = '0.0.1'"},
                "rank 1: handgrad 0.0.1, rank 0: handgrad"),
    "data": ({"first": "x = x + ranks.rank"}, "rank 1: x float32[90, 2]"),
    "layers": ({"first": "network.members[1].ratio = 0.1 + ranks.rank / 2"},
               "rank 1: layer 1 Dropout(0.6), rank 0: layer 1 Dropout(0.1)"),
    "frozen": ({"first": "network.build(x); network.freeze(*['0'] * ranks.rank)"},
               "rank 1: frozen 0.W 0.b"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "says"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_is_named_before_the_first_update(options, says):
    ended = training("raise RuntimeError('too late')", **options)
    assert ended.code
    assert says in ended.err, ended.err
    assert "too late" not in ended.err
    assert ended.err.count("Traceback") == 1


def test_scripts_that_differ_are_found():
    ended = job(2, *code("ranks.barrier() if ranks.rank else ranks.share(1)"))
    assert ended.code
    assert "rank 0 is at exchange 3 (share) and rank 1 is at exchange 3 (barrier)" in ended.err


def test_an_error_that_a_program_catches_ends_nothing():
    text = """
try:
    raise ValueError("caught")
except ValueError:
    pass
ranks.barrier()
if ranks.rank == 0:
    print("end")
"""
    ended = job(2, *code(text))
    assert ended.code == 0, ended.err
    assert ended.out.split() == ["end"]
    assert json.dumps(ended.err) == '""'


def test_killed_jobs_go_on_with_another_number_of_processes():
    kills, wrong = compare(3)
    assert len(kills) >= 3
    assert wrong == []


@pytest.mark.parametrize("bad", ["sys.exit(3)", "import nothing_such"])
def test_a_rank_that_fails_before_mpi_starts_ends_the_job(bad):
    rank = "os.environ.get('PMI_RANK', os.environ.get('OMPI_COMM_WORLD_RANK'))"
    text = f"import os, sys\nif {rank} == '1':\n    {bad}\n"
    ended = job(2, "-c", text + code("")[1], HANDGRAD_MPI_TIMEOUT="3")
    assert ended.code
    assert "MPI has not started since 3 s" in ended.err or "non-zero status" in ended.err
