"""Files are written whole, and what killed writers left is cleared away by the next one."""

import os
import signal
import subprocess
import sys

import pytest

from handgrad.train.write import write_whole

KILLED = """
import os, sys
from handgrad.train.write import write_whole
os.fsync = lambda file: (print("ready", flush=True), sys.stdin.read())
write_whole(sys.argv[1], b"half")
"""


def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path):
    path = tmp_path / "out" / "m.safetensors"
    path.parent.mkdir()
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    process.stdout.readline()
    (left,) = path.parent.iterdir()
    write_whole(path, b"while the other one is at work")
    assert left.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    write_whole(path.with_name("another"), b"")
    assert left.exists()
    write_whole(path, b"whole")
    assert sorted(p.name for p in path.parent.iterdir()) == ["another", "m.safetensors"]
    assert path.read_bytes() == b"whole"


def test_only_files_of_writers_that_are_gone_are_removed(tmp_path):
    gone = 2**22 + 1  # more than any process has
    names = [f".m.{gone}", f".m.{gone}.5", f".m.{gone**3}",
             f".m.{os.getpid()}", ".m.1x", f".mm.{gone}", f"m.{gone}", f".m.{gone}.x"]  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(b"")
    write_whole(tmp_path / "m", b"")
    assert {p.name for p in tmp_path.iterdir()} == {"m", *names[3:]}


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "m", b"")


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", b"content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_full_disk_is_said_with_the_file(tmp_path, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*model"):
        write_whole(tmp_path / "model", b"")
    assert not list(tmp_path.iterdir())
