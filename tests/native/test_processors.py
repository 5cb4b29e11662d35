"""Processors: an old one gets NumPy, never an illegal instruction; others get the same bits."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import numpy as np
import pytest

import handgrad as hg
from tests.native.conftest import build, digests, need, run

# The weights lie in panels, which are as wide as suits the processor: other numbers, other results.
IN_PANELS = {"filters", "convolution", "spread"}


def results(*command: str) -> dict[tuple[str, str], str]:
    found = digests(run([*command, "bits", "1", "12", "1"]))  # emulators are slow
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


def mlp() -> tuple[hg.Sequential, np.ndarray, hg.Optimizer]:
    x = np.random.default_rng(1).random((300, 520), np.float32)
    layers = hg.Affine(50), hg.ReLU(), hg.Affine(100), hg.Tanh(), hg.Affine(37), hg.Dropout(0.2)
    layers = *layers, hg.Affine(10)
    return hg.Sequential(*layers, seed=0), x, hg.SGD(0.1)


def images() -> tuple[hg.Sequential, np.ndarray, hg.Optimizer]:
    x = np.random.default_rng(1).random((300, 3, 9, 9), np.float32)
    layers = hg.Convolution(5, 3, pad=1), hg.ReLU(), hg.MaxPooling(2), hg.Convolution(33, 3)
    return hg.Sequential(*layers, hg.ReLU(), hg.Flatten(), hg.Affine(10), seed=0), x, hg.Adam()


def sequences() -> tuple[hg.Sequential, np.ndarray, hg.Optimizer]:
    x = np.random.default_rng(1).integers(0, 40, (300, 7))
    layers = hg.Embedding(40, 12), hg.LSTM(21), hg.Affine(10)
    return hg.Sequential(*layers, seed=0), x, hg.Momentum(0.1, clip_norm=1.0)


@pytest.mark.parametrize("make", [mlp, images, sequences])
def test_a_network_learns_the_same_bits_on_avx512_and_avx2(native, make: Callable):
    """500 steps, with each instruction set and on 1, 2, 3 and 8 threads."""
    if native.hg_isa() != b"AVX-512":
        pytest.skip("this processor has no AVX-512")
    weights = {}
    try:
        for isa, threads in (("AVX-512", 1), ("AVX-512", 2), ("AVX-512", 3), ("AVX-512", 8),
                             ("AVX2", 1), ("AVX2", 2)):  # fmt: skip
            assert native.hg_use_isa(isa.encode()) == 0
            network, x, optimizer = make()
            t = np.random.default_rng(2).integers(0, 10, x.shape if x.dtype.kind == "i" else len(x))
            trainer = hg.Trainer(network, x, t, optimizer=optimizer, batch=64, steps=500,
                                 threads=threads, engine="native", progress=False)  # fmt: skip
            trainer.run()
            assert isa in trainer.engine
            weights[isa, threads] = network.parameters.tobytes()
    finally:
        native.hg_use_isa(b"AVX-512")
    assert np.isfinite(np.frombuffer(weights["AVX2", 1], np.float32)).all()
    assert len(set(weights.values())) == 1
