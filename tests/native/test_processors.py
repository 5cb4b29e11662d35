"""Processors: an old one gets NumPy, never an illegal instruction; others get the same bits."""

from __future__ import annotations

import subprocess

import pytest

from tests.native.conftest import build, digests, need, run

# The weights lie in panels, which are as wide as suits the processor: other numbers, other results.
IN_PANELS = {"filters", "convolution", "spread"}


def results(*command: str) -> dict[tuple[str, str], str]:
    found = digests(run([*command, "bits", "1", "30", "1"]))
    return {key: value for key, value in found.items() if key[0] not in IN_PANELS}


def assert_same(ours: dict, theirs: dict) -> None:
    """Compilers ask about a row's rules in different orders, and so may find other legal rows."""
    common = ours.keys() & theirs.keys()
    assert len(common) > 0.8 * len(ours)
    assert {k: ours[k] for k in common} == {k: theirs[k] for k in common}


@pytest.mark.parametrize("processor", ["core2duo", "Nehalem", "qemu64"])
def test_an_old_processor_is_told_that_there_are_no_kernels(program, processor):
    printed = run([need("qemu-x86_64"), "-cpu", processor, str(program), "isa"])
    assert printed == "this processor has no kernels\n"


def test_an_emulated_processor_computes_the_same_bits(program):
    qemu = need("qemu-x86_64")
    assert run([qemu, "-cpu", "max", str(program), "isa"]) == "AVX2\n"
    assert_same(results(str(program)), results(qemu, "-cpu", "max", str(program)))


def test_neon_computes_the_same_bits(program, tmp_path):
    qemu, compiler = need("qemu-aarch64"), need("aarch64-linux-gnu-g++")
    arm = build(
        tmp_path, "-O1 -static", "-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        f"-DCMAKE_CXX_COMPILER={compiler}",
    )  # fmt: skip
    assert run([qemu, str(arm), "isa"]) == "NEON\n"
    assert_same(results(str(program)), results(qemu, str(arm)))


def test_avx512_and_avx2_compute_the_same_bits(program):
    kinds = {}
    for isa in ("AVX-512", "AVX2"):
        command = [str(program), "bits", "1", "30", "1", isa]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode == 2:
            pytest.skip(f"this processor has no {isa}")
        kinds[isa] = {k: v for k, v in digests(result.stdout).items() if k[0] not in IN_PANELS}
    assert_same(kinds["AVX-512"], kinds["AVX2"])
