"""`handgrad train --watch`: findings on standard output, and a range test where the rate is one."""

from __future__ import annotations

import re

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad.cli import main

OPTIONS = ("--no-proof", "--quiet", "--watch")


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["train", *OPTIONS, *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_a_healthy_training_is_said_to_be_so(train):
    assert "training doctor: nothing found" in train("--epochs", "4")


def test_a_rate_that_is_too_low_leads_to_a_range_test(train):
    said = train("--epochs", "4", "--optimizer", "sgd", "--lr", "0.0001")
    assert "the learning rate is too low" in said
    found = re.search(r"range test: --lr ([\d.]+) learns fastest; worse from ([\d.]+) on", said)
    assert 0.01 < float(found[1]) < float(found[2]) < 10


def test_columns_of_a_table_have_their_names(train, tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    y = x @ [1, 2, 0] + 0.1 * random.normal(size=200)
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{y[i]:.4f},{2 * y[i] + 1:.4f}" for i, (a, b, c)
            in enumerate(x)]  # fmt: skip
    (tmp_path / "homes.csv").write_text("\n".join(["area,rooms,age,euro,price", *rows]) + "\n")
    said = train("--data", "homes.csv", "--epochs", "4")
    assert "the target among the inputs: column 'euro'" in said
