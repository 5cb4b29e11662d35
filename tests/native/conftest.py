"""The program of native/tests: beside the library as it is installed, and built in other ways."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from handgrad.compile.binary import library, why_not

NATIVE = Path(__file__).parents[2] / "native"
Program = Callable[..., str]


def need(tool: str) -> str:
    """Where a tool is; the test is skipped without it."""
    path = shutil.which(tool)
    return path or pytest.skip(f"{tool} is not installed")


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """What a command prints; the test fails with its errors when it does."""
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=1800, env=os.environ | (env or {})
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr[-4000:]}"
    return result.stdout


def build(folder: Path, flags: str, *options: str) -> Path:
    """The program with the kernels for the least processor, built with other compiler flags."""
    need("cmake")
    need("c++")
    options = (
        "-DHANDGRAD_TESTS=ON", "-DHANDGRAD_ISA=v3", "-DCMAKE_BUILD_TYPE=None",
        f"-DCMAKE_CXX_FLAGS={flags}", *options,
    )  # fmt: skip
    run(["cmake", "-S", str(NATIVE), "-B", str(folder), *options])
    run(["cmake", "--build", str(folder), "--parallel", "2", "--target", "native_tests"])
    return folder / "native_tests"


@pytest.fixture(scope="session")
def native():
    """The loaded library."""
    return library() or pytest.skip(why_not())


@pytest.fixture(scope="session")
def program(native, tmp_path_factory) -> Path:
    """The program beside the library that is installed: the very code that users run."""
    path = tmp_path_factory.mktemp("native") / "native_tests"
    sources = [str(NATIVE / "tests" / f"{name}.cpp") for name in ("main", "memory", "table")]
    run([need("c++"), "-std=c++20", "-O1", *sources, native._name,
         f"-Wl,-rpath,{Path(native._name).parent}", "-o", str(path)])  # fmt: skip
    return path


def digests(printed: str) -> dict[tuple[str, str], str]:
    """For each kernel and row, the digest of its results."""
    lines = [line.split() for line in printed.splitlines()]
    return {(kernel, row): results for kernel, row, results in lines}
