"""Rows of every kernel: legal ones run within their segments, spoilt ones are refused or harmless.

The rows are random; each segment ends at, or begins after, memory that must not be touched.
"""

from __future__ import annotations

import re

import pytest

from tests.native.conftest import build, digests, run

SEEDS = (1, 2, 3)


def assert_tried(printed: str) -> None:
    refused, tried = map(int, re.findall(r"\d+", printed)[:2])
    assert 0 < refused < tried


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_no_table_of_rows_harms(program, seed):
    assert_tried(run([str(program), "fuzz", str(seed), "40"]))


def test_a_result_has_the_same_bits_on_any_number_of_threads(program):
    alone = digests(run([str(program), "bits", "1", "60", "1"]))
    assert len(set(alone.values())) > 0.8 * len(alone)
    for threads in ("2", "3", "8"):
        assert digests(run([str(program), "bits", "1", "60", threads])) == alone


@pytest.mark.sanitizers
def test_addresses_and_undefined_behaviour(tmp_path):
    # Without the checks of pointers that addresses make needless, and slow to compile.
    checks = "address,undefined -fno-sanitize=alignment,null,object-size,vptr"
    checked = build(tmp_path, f"-O1 -g1 -fsanitize={checks} -fno-sanitize-recover=all")
    options = {
        # A table that asks for much memory is refused, as on a machine that has less.
        "ASAN_OPTIONS": "max_allocation_size_mb=512:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:abort_on_error=1",
    }
    assert_tried(run([str(checked), "fuzz", "4", "20"], options))


@pytest.mark.sanitizers
def test_threads_do_not_race(tmp_path):
    checked = build(tmp_path, "-O0 -g1 -fsanitize=thread")
    for seed in SEEDS:
        run([str(checked), "bits", str(seed), "15", "4"], {"TSAN_OPTIONS": "halt_on_error=1"})
