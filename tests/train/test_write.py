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
