"""The model of cost: its arithmetic on invented constants, its fit, and what the command says."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad.cli import costing, main
from handgrad.parallel import Shards
from handgrad.parallel.cost import Cost, fit_exchange, fit_line

MADE = Cost(batch=1600, size=1e6, fixed=1e-3, each=1e-5, latency=1e-4, bandwidth=1e9)


def test_one_process_exchanges_nothing():
    assert MADE.update(1) == pytest.approx(1e-3 + 1600e-5)
    assert MADE.exchange(1) == 0
    assert MADE.faster(1) == 1


def test_powers_of_two_have_one_block_each():
    assert MADE.compute(4) == pytest.approx(1e-3 + 400e-5)
    assert MADE.exchange(4) == pytest.approx(2 * 1e-4 + 2 * 0.75 * 1e6 / 1e9)
    assert MADE.faster(4) == pytest.approx(17e-3 / (5e-3 + 1.7e-3))


def test_the_busiest_rank_and_its_blocks_count():
    shares = [Shards(16).share(rank, 3) for rank in range(3)]
    assert max(b - a for a, b in shares) == 6
    assert MADE.compute(3) == pytest.approx(1e-3 + 600e-5)
    rows = max(len(Shards(16).blocks(*share)) for share in shares)
    assert MADE.exchange(3) == pytest.approx(2 * 1e-4 + (rows + 1) * 2 / 3 * 1e6 / 1e9)


def test_more_ranks_than_shards_bring_nothing_more():
    few = Cost(**{**vars(MADE), "shards": 4})
    assert few.compute(4) == few.compute(8) == few.compute(1024)
    assert few.update(8) > few.update(4)
    assert MADE.compute(1024) < MADE.compute(512)  # with as many shards as ranks


@pytest.mark.parametrize(
    ("change", "enough", "said"),
    [
        ({}, 8, "Up to 8 processes pay: an update is 3.4 times as fast. 16 would be 1.18 times as "
         "fast as 8: the exchange takes 53% of the update."),
        ({"fixed": 1e-2}, 4, "Up to 4 processes pay: an update is 1.7 times as fast. 8 would be "
         "1.12 times as fast as 4: 71% of the update is what each process does, however few"),
        ({"latency": 1.0}, 1, "More than one process does not pay. 2 would be 0.02 times as fast "
         "as 1: the exchange takes 99% of the update."),
        ({"latency": 0, "fixed": 0, "size": 0, "batch": 2**14}, 1024, "Up to 1,024 processes pay: "
         "an update is 1024.0 times as fast. More may pay too."),
        ({"latency": 0, "fixed": 0, "size": 0, "shards": 16}, 16, "Up to 16 processes pay: an "
         "update is 16.0 times as fast. 32 would be 1.00 times as fast as 16: the busiest process "
         "has 6% of the samples."),
    ],
)  # fmt: skip
def test_where_more_stop_paying(change, enough, said):
    cost = Cost(**{**vars(MADE), **change})
    assert cost.enough() == enough
    assert cost.sentence().startswith(said)
    assert cost.enough(2) <= 2


def test_the_table_goes_to_1024():
    lines = list(MADE.table())
    assert len(lines) == 1 + 11 + 2
    assert lines[1].split() == ["1", "1,600", "17", "ms", "0", "µs", "17", "ms", "1.00", "100%"]
    assert lines[11].split()[:2] == ["1,024", "1.562"]
    assert len({len(line) for line in lines[:12]}) == 1


def test_lines_are_found_again_and_never_negative():
    n = np.array([64, 128, 256, 512, 1024.0])
    assert fit_line(zip(n, 3e-5 + 2e-6 * n)) == pytest.approx((3e-5, 2e-6))
    assert fit_line(zip(n, 2e-6 * n - 5e-5))[0] == 0
    assert fit_line(zip(n, 1e-3 - 1e-7 * n))[1] == 0
    noisy = (3e-5 + 2e-6 * n) * np.array([1.1, 0.9, 1.05, 0.95, 1.02])
    assert fit_line(zip(n, noisy)) == pytest.approx((3e-5, 2e-6), rel=0.5)
    with pytest.raises(ValueError, match="two or more sizes"):
        fit_line([(64, 1e-3), (64, 2e-3)])


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_what_exchanges_took_gives_their_constants(ranks):
    made = Cost(**{**vars(MADE), "shards": 8})
    points = []
    for size in (4, 4e3, 4e5, 4e6):
        points.append((size, Cost(**{**vars(made), "size": size}).exchange(ranks)))
    assert fit_exchange(points, ranks) == pytest.approx((1e-4, 1e9))


@pytest.mark.parametrize("change", [{"each": -1}, {"bandwidth": 0}, {"latency": np.nan}])
def test_wrong_constants_are_refused(change):
    with pytest.raises(ValueError, match="finite numbers ≥ 0, and a bandwidth > 0"):
        Cost(**{**vars(MADE), **change})


def command(*arguments):
    return CliRunner().invoke(main, ["cost", *arguments])


def test_the_command_measures_and_says(monkeypatch, tmp_path):
    monkeypatch.setattr(costing, "SECONDS", 0.0)
    wire = "--latency", "20", "--bandwidth", "1"
    result = command("6-4-2", "--batch", "64", *wire, "--most", "8")
    assert result.exit_code == 0, result.output
    assert "6-4-2: 38 parameters, batches of 64\n" in result.output
    assert "a message takes 20 µs, and 1 GB/s travel (as said)" in result.output
    assert len([line for line in result.output.splitlines() if line.endswith("%")]) == 4
    (tmp_path / "net.py").write_text(
        "import handgrad as hg\nnetwork = hg.Sequential(hg.Flatten(), hg.Affine(1))\n"
    )
    path = str(tmp_path / "net.py")
    assert "15 parameters" in command(path, "--input", "2,7", "--batch", "16", *wire).output
    for arguments, said in (
        ([path], "--input: the shape of a sample of"),
        (["6-x"], "NET: a model, FILE.py, or sizes such as 784-50-10, got '6-x'"),
        (["6-2", "--shards", "3"], "shards: a power of two"),
        (["6-2", "--input", "a"], "--input: numbers with commas between"),
    ):
        result = command(*arguments, *wire)
        assert result.exit_code != 0
        assert said in result.output
