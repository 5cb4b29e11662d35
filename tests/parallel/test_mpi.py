"""Trainings in several processes of MPI: bits, starts, and what is said of bad input."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad.cli import main
from handgrad.parallel import Shards, TreeSum
from handgrad.parallel.buffers import Buffers, opened
from handgrad.parallel.launch import Launcher
from handgrad.parallel.meeting import Header, Mismatch, blocks_of, check_headers, fold
from handgrad.parallel.partner import check_size, launched, name_of
from handgrad.parallel.threads import divided
from handgrad.train import load_checkpoint
from tests.parallel.bits import digests
from tests.parallel.jobs import code, command, job, needs_mpi, why_none

STEPS = 6


@pytest.fixture(scope="module")
def alone():
    return digests(STEPS)


@needs_mpi
@pytest.mark.parametrize(("processes", "shared"), [(2, "on"), (3, "off"), (4, "on"), (8, "on")])
def test_the_bits_do_not_depend_on_the_number_of_processes(processes, shared, alone):
    ended = job(processes, "-m", "tests.parallel.bits", str(STEPS), HANDGRAD_MPI_SHARED=shared)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == alone


@needs_mpi
@pytest.mark.parametrize("way", ["on", "off"])
def test_sums_are_those_of_the_tree_in_shared_memory_and_by_messages(way):
    text = """
import numpy as np
from handgrad.parallel import Shards
from handgrad.parallel.probe import part_of, rows_of
right = True
for count in (1, 2, 16, 64):
    shards = Shards(count)
    for length in (1, 5, 3000, 70_000, 1_200_000 if count == 16 else 2):
        wanted = shards.sum(part_of(i, length) for i in range(count))
        rows = rows_of(ranks, shards, length)
        buffer = ranks.buffer(*rows.shape, np.float32)
        buffer[...] = rows
        for sums in (buffer, rows):
            ranks.combine(shards, sums)
            right = right and sums[0].tobytes() == wanted.tobytes()
whole = ranks.gather(np.full((ranks.rank, 2), ranks.rank, np.float64))
right = right and whole[:, 0].tolist() == [r for r in range(ranks.size) for _ in range(r)]
array = np.arange(10**6, dtype=np.float32) * (ranks.rank == 0)
ranks.broadcast(array)
right = right and bool((array == np.arange(10**6)).all())
scalar = np.array(ranks.rank + 5)
ranks.broadcast(scalar)
values = ranks.share([ranks.rank, float("inf"), None, "é"])
right = right and values == [[r, float("inf"), None, "é"] for r in range(ranks.size)]
ranks.agree({"nan": float("nan")})
if not all(ranks.share(right and int(scalar) == 5)):
    sys.exit("wrong")
if ranks.rank == 0:
    print(ranks.way)
"""
    ended = job(3, *code(text), HANDGRAD_MPI_SHARED=way)
    assert ended.code == 0, ended.err
    assert ended.out.split("\n")[0] == {"on": "shared memory", "off": "messages"}[way]


@needs_mpi
def test_the_command_starts_processes_and_goes_on_with_another_number(tmp_path):
    options = "train", "--net", "64-9-10", "--no-proof", "--epochs"
    for epochs, more in [("1", ("--processes", "3")), ("2", ("--processes", "2", "--resume"))]:
        ended = command(*options, epochs, "--out", "b", *more, cwd=tmp_path)
        assert ended.code == 0, ended.err
        assert ended.out.count("running: ") == 1
        assert f"{more[1]} ranks" in ended.out
    arguments = [*options, "2", "--out", str(tmp_path / "a"), "--shards", "16"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    a, b = (load_checkpoint(tmp_path / out / "model.safetensors") for out in "ab")
    assert a.network.parameters.tobytes() == b.network.parameters.tobytes()
    columns = [dict(m.training["history"]["columns"], seconds=0) for m in (a, b)]
    assert columns[0] == columns[1]


@needs_mpi
def test_bad_input_of_all_ranks_is_said_once(tmp_path):
    ended = command("train", "--data", "none.csv", "--processes", "2", cwd=tmp_path)
    assert ended.code == 2
    assert ended.err.count("none.csv") == 1


@needs_mpi
def test_an_installation_is_checked(tmp_path):
    ended = command("check-mpi", cwd=tmp_path)
    assert ended.code == 0, ended.out + ended.err
    words = [line.split()[0] for line in ended.out.splitlines()]
    wanted = "mpi4py wheels library launcher time processes watchdog shared messages"
    assert words == wanted.split()


@needs_mpi
@pytest.mark.parametrize(
    ("more", "says"),
    [({"MPI4PY_LIBMPI": "/none.so"}, "mpi4py finds no MPI library"),
     ({"HANDGRAD_MPI_TIMEOUT": "soon"}, "a positive number of seconds")],
)  # fmt: skip
def test_a_broken_installation_is_named(more, says, tmp_path):
    ended = command("check-mpi", cwd=tmp_path, **more)
    assert ended.code == 1
    assert says in ended.out.splitlines()[-1]
    assert ended.out.splitlines()[-1].startswith("✗")


@pytest.mark.skipif("mpi4py" not in why_none(), reason="mpi4py is here")
def test_without_mpi4py_it_is_said_how_to_get_it(tmp_path):
    for arguments in (["train", "--processes", "2"], ["check-mpi"]):
        ended = command(*arguments, cwd=tmp_path)
        assert ended.code
        assert "pip install 'handgrad[mpi]'" in ended.out + ended.err


@needs_mpi
def test_one_process_alone_says_so_and_goes_on():
    ended = job(1, *code("print(ranks.size, type(ranks).__name__)"))
    assert ended.code == 0
    assert "goes on alone" in ended.err
    assert ended.out.split() == ["1", "Alone"]


# -- parts that need no MPI -------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 19])
def test_blocks_of_ranks_fold_into_the_sum_of_the_tree(size, rng):
    shards = Shards(16)
    parts = (rng.normal(size=(16, 40)) * 10.0 ** rng.integers(-5, 5, (16, 1))).astype(np.float32)
    nodes = [node for of in blocks_of(shards, size) for node in of]
    rows = []
    for first, many in nodes:
        tree = TreeSum()
        for i in range(first, first + many):
            tree.add(parts[i], i)
        rows.append(np.array(tree.only()))
    found = fold(nodes, rows)
    assert found is rows[0]
    assert found.tobytes() == shards.sum(parts).tobytes()


@pytest.mark.skipif(sys.platform != "linux", reason="buffers are usual arrays on this system")
def test_a_buffer_is_opened_where_it_is_the_one_that_was_meant(tmp_path):
    buffers = Buffers()
    array = buffers.make(2, 5, np.float32)
    assert buffers.number(array) == 1
    assert buffers.number(array[:1]) == buffers.number(np.zeros((2, 5))) == 0
    told = buffers.told(array)
    other = opened(told)
    other[1, 3] = 7
    assert array[1, 3] == 7
    path, *rest = json.loads(bytes(told))
    (tmp_path / "f").write_bytes(bytes(10_000))
    for wrong in (tmp_path / "f", tmp_path / "none", path + "9", tmp_path):
        text = json.dumps([str(wrong), *rest]).encode()
        assert opened(np.frombuffer(text, np.uint8)) is None
    del array
    assert buffers.numbers() == set()


def test_ranks_in_different_calls_are_named():
    check_headers([Header(3, 0, 10, 4, given=1), Header(3, 0, 10, 4, given=2)])
    with pytest.raises(Mismatch, match=r"rank 0 is at exchange 3 \(combine of 10 numbers\) and "
                       r"rank 2 has failed after 2 exchanges") as caught:  # fmt: skip
        check_headers([Header(3, 0, 10, 4), Header(3, 0, 10, 4), Header(3, 5, failed=1)])
    assert caught.value.failed


@pytest.mark.parametrize(
    ("usable", "mine", "here", "environment", "threads"),
    [(8, 8, [8] * 4, {}, 2), (8, 8, [8] * 3, {}, 2), (2, 2, [2] * 8, {}, 1),
     (2, 8, [8] * 2, {}, 1), (4, 8, [8] * 2, {"OMP_NUM_THREADS": "4"}, 4), (6, 6, [6], {}, 6)],
)  # fmt: skip
def test_threads_are_divided_among_the_ranks_of_a_machine(usable, mine, here, environment, threads):
    cores = [set(range(n)) for n in here]
    assert divided(usable, set(range(mine)), cores, environment) == threads


def test_ranks_that_are_bound_to_cores_of_their_own_keep_them():
    assert divided(2, {2, 3}, [{0, 1}, {2, 3}], {}) == 2


def test_launchers_and_libraries_say_what_they_are():
    assert name_of("MPICH Version:      5.0.2\nMPICH Release date: …") == "MPICH 5.0.2"
    assert name_of("HYDRA build details:\n    Version:    5.0.2\n") == "MPICH 5.0.2"
    assert name_of("mpiexec (Open MPI) 5.0.11\n") == "Open MPI 5.0.11"
    assert name_of("Open MPI v5.0.11, package: Open MPI x\0") == "Open MPI 5.0.11"
    assert launched({"PMI_SIZE": "4"}) == (4, "MPICH")
    assert launched({}) == (1, "")
    flags = Launcher("mpiexec", "Open MPI 5.0.11").command(4, ["a.py"])
    assert flags[:4] == ["mpiexec", "--oversubscribe", "--bind-to", "none"]
    assert Launcher("mpiexec", "MPICH 5.0.2").command(4, ["a.py"])[:3] == ["mpiexec", "-n", "4"]


def test_processes_of_another_mpis_launcher_are_refused(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(ValueError, match="Open MPI started 4 processes, but mpi4py's library, MPI"):
        check_size(1, "MPICH 5.0.2")
    check_size(4, "Open MPI 5.0.11")
