"""The command: its output, its files, its exit codes, and bad input."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad.cli import main
from handgrad.train import load
from handgrad.train.datasets import digits


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HANDGRAD_DATA", raising=False)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        text = result.output
        assert "Traceback" not in text
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, text
        return text

    return call


def test_the_default_command_shows_all_in_order(run):
    text = run("train")
    marks = ["output shape", "proof: backprop", "worst relative error", "times faster",
             "test accuracy", "model ", "history ", "learning curve"]  # fmt: skip
    positions = [text.index(mark) for mark in marks]
    assert positions == sorted(positions)
    assert float(re.search(r"test accuracy ([\d.]+)%", text)[1]) >= 97
    assert float(re.search(r"worst relative error ([\d.e+-]+);", text)[1]) < 1e-6
    assert sorted(p.name for p in Path("out").iterdir()) == [
        "history.csv", "learning_curve.png", "model.safetensors", "run.json",
    ]  # fmt: skip
    assert Path("out/history.csv").read_text().count("\n") == 41
    assert Path("out/learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_says_so_and_goes_on(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = run("train", "--epochs", 1, "--no-proof")
    assert "no learning curve: pictures need matplotlib: pip install 'handgrad[plot]'" in text
    assert Path("out/model.safetensors").exists()


def test_quiet_prints_the_result_alone(run):
    text = run("train", "--data", "spiral", "--epochs", 2, "--quiet")
    assert re.fullmatch(r"test accuracy [\d.]+% on 60 samples \(always '\d': [\d.]+%\)\n", text)


@pytest.mark.parametrize("data", ["spiral", "moons", "circles", "sine"])
def test_made_data(run, data):
    text = run("train", "--data", data, "--epochs", 3, "--optimizer", "momentum", "--lr", 0.01)
    assert "test " in text


def test_csv_with_text_labels_and_columns_of_any_scale(run, rng):
    x = rng.normal(size=(120, 3)) * [1, 1000, 0.001] + [0, 5000, 0]
    names = np.where(x[:, 0] + x[:, 1] / 1000 > 5, "big", "small")
    rows = [f"{a},{b},{c},{n}" for (a, b, c), n in zip(x, names)]
    Path("d.csv").write_text("\n".join(["a,b,c,size", *rows]))
    text = run("train", "--data", "d.csv", "--epochs", 60, "--lr", 0.01)
    assert text.count("scaled\n") == 3
    assert float(re.search(r"test accuracy ([\d.]+)%", text)[1]) > 85
    table = run("predict", "out/model.safetensors", "d.csv").splitlines()
    assert table[0] == "row,class,probability"
    assert len(table) == 121
    said = [line.split(",")[1] for line in table[1:]]
    assert np.mean(np.array(said) == names) > 0.9


def test_regression_from_npz(run, rng):
    x = rng.normal(size=(80, 2))
    np.savez("d.npz", x=x, t=x @ [1.0, -2.0])
    assert "test R²" in run("train", "--data", "d.npz", "--epochs", 20, "--lr", 0.02)
    run("predict", "out/model.safetensors", "d.npz", "--out", "p.csv")
    lines = Path("p.csv").read_text().splitlines()
    assert lines[0] == "row,value"
    assert len(lines) == 81


NETWORK = """
import numpy as np
from handgrad import Affine, Network, Sequential

class Relu:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask
    def backward(self, dout):
        return dout * self.mask{scale}

class Mine(Network):
    def __init__(self):
        self.a, self.relu, self.b = Affine(20), Relu(), Affine(10)
    def __call__(self, x):
        return self.b(self.use(self.a(x)))
    def use(self, x):
        from handgrad.layer import apply
        return apply(self.relu, x)

network = Sequential(Affine(20), Relu(), Affine(10))
"""


def test_a_network_from_a_file_trains_predicts_and_resumes(run):
    Path("mine.py").write_text(NETWORK.format(scale=""))
    for net in ("mine.py", "mine.py:Mine"):
        assert "Relu" in run("train", "--net", net, "--epochs", 2)
        text = run("train", "--net", net, "--epochs", 4, "--resume", "--no-proof")
        assert len(Path("out/history.csv").read_text().splitlines()) == 5
        assert "test accuracy" in text
        np.savez("x.npz", x=digits()[0][:3])
        out = run("predict", "out/model.safetensors", "x.npz", "--net", net)
        assert len(out.splitlines()) == 4


def test_a_wrong_backward_fails_the_proof(run):
    Path("mine.py").write_text(NETWORK.format(scale=" * 0.99"))
    text = run("train", "--net", "mine.py", code=2)
    assert "WRONG" in text
    assert "the proof failed" in text
    assert not Path("out/model.safetensors").exists()


def test_resume_gives_the_same_bits_as_one_run(run):
    run("train", "--epochs", 6, "--no-proof", "--out", "whole")
    run("train", "--epochs", 2, "--no-proof", "--out", "parts")
    run("train", "--epochs", 6, "--no-proof", "--out", "parts", "--resume")
    whole, parts = (load(f"{name}/model.safetensors") for name in ("whole", "parts"))
    np.testing.assert_array_equal(whole.parameters, parts.parameters)


def test_resume_with_another_optimizer_is_refused_and_columns_count_from_0(run):
    run("train", "--epochs", 1, "--no-proof")
    text = run("train", "--epochs", 2, "--no-proof", "--resume", "--optimizer", "sgd", code=2)
    assert "optimizer: the training to continue had Adam, this one SGD" in text
    assert "counted from 0" in " ".join(run("train", "--help").split())


def test_shards_are_kept_in_the_model_and_must_be_the_same_to_go_on(run):
    text = run("train", "--shards", 12, "--no-proof", code=2)
    assert "shards: a power of two up to 4096, such as 8 or 16, is needed, got 12" in text
    short = ("train", "--no-proof", "--shards", 8, "--batch-norm", "shard")
    run(*short, "--epochs", 1)
    training = json.loads(Path("out/run.json").read_text())["training"]
    assert (training["shards"], training["batch_norm"]) == (8, "shard")
    text = run("train", "--no-proof", "--epochs", 2, "--resume", code=2)
    assert "shards: the training to continue had 8, this one None; with shards=8 it goes" in text
    run(*short, "--epochs", 2, "--resume")


def test_divergence_exits_with_1_and_keeps_a_good_model(run):
    Path("mine.py").write_text(
        "from handgrad import *\nnetwork = Sequential(Affine(30), Exp(), Affine(10))\n"
    )
    text = run("train", "--net", "mine.py", "--optimizer", "sgd", "--lr", 50, code=1)
    assert re.search(r"handgrad: .* at step \d+ .*it began in", text)
    assert np.isfinite(load("out/model.safetensors").parameters).all()


def bad_csv(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nothing"], "data must be digits, spiral"),
        (["--data", "nothing.csv"], "nothing.csv: No such file"),
        (["--data", "one.csv"], "one.csv: the target 'b' has one class, '0', in all 10 rows"),
        (["--data", "words.csv"], "words.csv: no column to learn from .*a: 8 of 8 differ"),
        (["--data", "empty.csv"], "empty.csv"),
        (["--data", "foreign.npz"], "foreign.npz: not an npz file"),
        (["--data", "mnist", "--data-dir", "."], "lacks train-images"),
        (["--net", "64-x"], "--net: sizes such as 64-100-10"),
        (["--net", "60-10"], "digits needs 64 inputs and 10 outputs, got 60-10"),
        (["--net", "none.py"], "none.py: there is no such file"),
        (["--net", "raises.py"], "raises.py cannot be executed: ZeroDivisionError"),
        (["--optimizer", "foo"], "optimizer must be one of sgd"),
        (["--lr", "-1"], "lr must be"),
        (["--lr", "nan"], "lr must be"),
        (["--batch", "5000"], "batch: 5000 is more than the 1438 samples"),
        (["--batch", "0"], "batch: an integer of at least 1"),
        (["--epochs", "0"], "epochs: an integer"),
        (["--seed", "-3"], "seed must be an integer"),
        (["--target", "x"], "--target: is for tables; --data FILE.csv would be one, not digits"),
        (["--no-header"], "--header: is for tables"),
        (["--drop", "x"], "--drop: is for tables"),
        (["--out", "file/below"], "file"),
        (["--resume"], "--resume: there is no out/model.safetensors"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments, message):
    Path("words.csv").write_text("a,b\n" + "".join(f"word{i},{i % 2}\n" for i in range(10)))
    Path("one.csv").write_text("a,b\n" + "1,0\n2,0\n" * 5)
    Path("empty.csv").write_text("")
    Path("foreign.npz").write_bytes(b"not a zip")
    Path("raises.py").write_text("1 / 0\n")
    Path("file").write_text("")
    text = run("train", *arguments, code=2)
    assert re.search(message, text), text
    assert len(text.strip().splitlines()) == 1
    assert not Path("out").exists()


def test_predict_refuses_what_is_no_model_or_does_not_fit(run):
    run("train", "--epochs", 1, "--no-proof")
    model = Path("out/model.safetensors")
    np.savez("x.npz", x=np.ones((2, 5)))
    assert "or of 64 columns, are needed, got shape (5,)" in run("predict", model, "x.npz", code=2)
    Path("cut").write_bytes(model.read_bytes()[:-50])
    assert "not a whole safetensors file" in run("predict", "cut", "x.npz", code=2)
    assert "No such file" in run("predict", "none", "x.npz", code=2)


def test_a_full_folder_is_found_before_training(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    run("train", "--epochs", 1, "--no-proof")
    before = Path("out/model.safetensors").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in run("train", "--epochs", 1, code=2)
    assert Path("out/model.safetensors").read_bytes() == before


LAYERS = """
import numpy as np

class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out
    def backward(self, dout):
        return dout * self.out * (1 - self.out)

class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out
    def backward(self, dout):
        dout[self.mask] = 0
        return dout
"""


def test_check_names_the_mistake(run):
    Path("mylayers.py").write_text(LAYERS)
    text = run("check", "mylayers.py", code=1)
    assert re.search(r"^Sigmoid: right\.", text, re.M)
    assert re.search(r"^Relu: wrong \(inplace_dout\)\.", text, re.M)
    assert text.endswith("\n1 right, 1 wrong\n")
    alone = run("check", "mylayers.py:Sigmoid")
    assert "inputs found by running forward: x (4, 3)" in alone
    assert alone.endswith("\n1 right\n")
    run("check", "mylayers.py:Relu", "--html", "report.html", code=1)
    assert "inplace_dout" in Path("report.html").read_text()
    assert "no 'Tanh'" in run("check", "mylayers.py:Tanh", code=2)


def test_check_writes_for_programs(run):
    Path("mylayers.py").write_text(LAYERS + "print('aside')\n")
    reports = json.loads(run("check", "mylayers.py", "--json", "-", code=1).partition("aside\n")[2])
    assert [r["verdict"] for r in reports] == ["right", "wrong"]
    run("check", "mylayers.py", "--junit", "j.xml", "--sarif", "s.json", "--json", "r.json", code=1)
    assert "<failure" in Path("j.xml").read_text()
    assert "inplace_dout" in Path("s.json").read_text()
    assert json.loads(Path("r.json").read_text()) == reports


def test_check_without_a_sample_says_which_one_to_add(run):
    Path("odd.py").write_text(
        "class Odd:\n"
        "    def forward(self, q):\n        return q.nothing\n"
        "    def backward(self, dout):\n        return dout\n"
    )
    assert "samples" in run("check", "odd.py", code=2)


def test_without_a_file_the_librarys_own_layers_are_proved():
    from handgrad.cli.checking import _own_layer

    found = _own_layer(0, seed=1)
    assert found.name == "Add()-(5,3)-(5,3)"
    assert found.report.verdict == "right"


def test_help_says_that_files_are_executed(run):
    assert "executed" in run("check", "--help")
    assert "executed" in run("train", "--help")
    assert run("--version").startswith("handgrad, version 0.")
