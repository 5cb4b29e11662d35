"""The command and files: what it writes, obeys, refuses, and rescues."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad import ReLU, Sequential, cli
from handgrad.cli import training
from handgrad.train import Call, InputSpec, OutputSpec, SaveModel, load, load_checkpoint
from handgrad.train.checkpoint import pack
from handgrad.train.datasets import digits

from .command import COMMAND, twice_stopped_training
from .test_cli import run  # noqa: F401
from .train.mutate import pack as packed
from .train.mutate import unpack


def names_in_help() -> list[str]:
    text = CliRunner().invoke(cli.main, ["train", "--help"], terminal_width=500).output
    (listed,) = re.findall(r"--data TEXT +(.*?) or FILE.npz", text)
    return [name for name in listed.split(", ") if name.isalpha()]


def test_the_help_lists_what_there_is():
    assert {"digits", "spiral", "xor", "mnist"} <= set(names_in_help())


@pytest.mark.parametrize("name", names_in_help())
def test_every_name_in_the_help_is_taken(run, name):  # noqa: F811
    if name in ("mnist", "fashion"):
        said = run("train", "--data", name, "--data-dir", ".", code=2)
        assert re.fullmatch(r"handgrad: (fashion-)?mnist: .* lacks .*\n", said)
    else:
        said = run("train", "--data", name, "--epochs", 1, "--quiet")
        assert said.startswith("test ")


def test_xor_is_learned(run):  # noqa: F811
    assert "accuracy 100.00% on 4 samples" in run("train", "--data", "xor", "--lr", 0.01, "--quiet")


def test_a_model_says_what_it_takes_and_gives(run, rng):  # noqa: F811
    x = rng.normal(size=(60, 2))
    lines = [f"{a},{b},{'high' if a > b else 'low'}" for a, b in x]
    Path("d.csv").write_text("\n".join(["width,height,kind", *lines]))
    run("train", "--data", "d.csv", "--epochs", 5, "--no-proof", "--quiet")
    saved = load_checkpoint("out/model.safetensors")
    assert saved.input == InputSpec((2,), "float32", ("width", "height"))
    assert saved.output == OutputSpec("scores", ("high", "low"))
    wanted = run("predict", "out/model.safetensors", "d.csv")
    swapped = [f"{kind},x,{b},{a}" for a, b, kind in (line.split(",") for line in lines)]
    Path("s.csv").write_text("\n".join(["kind,note,height,width", *swapped]))
    assert run("predict", "out/model.safetensors", "s.csv") == wanted
    Path("m.csv").write_text("kind,width\nhigh,1\n")
    said = run("predict", "out/model.safetensors", "m.csv", code=2)
    assert said == "handgrad: m.csv: lacks column 'height'; it has 'kind, width'\n"


def test_the_target_may_be_any_column_and_the_header_is_said(run, rng):  # noqa: F811
    x = rng.normal(size=(40, 2))
    lines = ["label,2019,2020", *(f"{'a' if p > 0 else 'b'},{p},{q}" for p, q in x)]
    Path("d.csv").write_text("\n".join(lines))
    run("train", "--data", "d.csv", "--target", "label", "--header", "--epochs", 1, "--quiet")
    assert load_checkpoint("out/model.safetensors").input.columns == ("2019", "2020")
    assert "row,class" in run("predict", "out/model.safetensors", "d.csv")
    backwards = [",".join(line.split(",")[::-1]) for line in lines]
    Path("d.csv").write_text("\n".join(backwards))
    assert "(2020,2019,label) may hold names" in run("train", "--data", "d.csv", code=2)
    run("train", "--data", "d.csv", "--header", "--epochs", 1, "--quiet")
    assert "no column 'c' among" in run(
        "train", "--data", "d.csv", "--header", "--target", "c", code=2
    )


def test_pictures_of_bytes_are_scaled_in_prediction_too(run, rng):  # noqa: F811
    x = rng.integers(0, 256, size=(40, 4, 4)).astype(np.uint8)
    np.savez("d.npz", x=x, t=(x[:, 0, 0] > 127).astype(int))
    run("train", "--data", "d.npz", "--epochs", 3, "--no-proof", "--quiet")
    saved = load_checkpoint("out/model.safetensors")
    assert saved.input == InputSpec((16,), "uint8", scale=255.0)
    wanted = saved.output.rows(saved.network.predict((x / 255).astype(np.float32).reshape(40, 16)))
    table = "".join(",".join(map(str, row)) + "\n" for row in wanted)
    Path("d.csv").write_text("\n".join(",".join(map(str, row.ravel())) for row in x))
    np.savez("scaled.npz", x=x / 255)
    for data in ("d.npz", "scaled.npz", "d.csv"):
        assert run("predict", "out/model.safetensors", data, "--no-header") == table


CONVOLUTIONAL = """
from handgrad import *
network = Sequential(Convolution(4, 3), ReLU(), Flatten(), Affine(10))
"""


def test_a_convolutional_model_takes_pictures_and_tables(run):  # noqa: F811
    Path("mine.py").write_text(CONVOLUTIONAL)
    run("train", "--net", "mine.py", "--epochs", 1, "--no-proof", "--quiet")
    assert load_checkpoint("out/model.safetensors").input.shape == (1, 8, 8)
    x = digits(images=True)[0][:5]
    np.savez("x.npz", x=x)
    Path("x.csv").write_text("\n".join(",".join(map(repr, row.ravel().tolist())) for row in x))
    table = run("predict", "out/model.safetensors", "x.npz")
    assert len(table.splitlines()) == 6
    assert run("predict", "out/model.safetensors", "x.csv") == table


def test_a_large_regression_target_passes_the_proof(run, rng):  # noqa: F811
    x = rng.normal(size=(80, 3))
    np.savez("d.npz", x=x, t=400_000 + 1000 * x @ [1.0, 2.0, 3.0])
    said = run("train", "--data", "d.npz", "--epochs", 1)
    assert "WRONG" not in said
    assert "test R²" in said


def wrong(change) -> bytes:
    tensors, document, format = unpack(Path("out/model.safetensors").read_bytes())
    change(tensors, document)
    return packed(tensors, document, format)


WRONG = [
    lambda t, d: d.pop("architecture"),
    lambda t, d: d["architecture"].update(members=[{"class": "im2col", "config": {}}]),
    lambda t, d: d["architecture"].update(members=3),
    lambda t, d: d["architecture"]["members"][0]["config"].update(outputs=10**12),
    lambda t, d: d["architecture"]["members"][0]["config"].update(outputs="many"),
    lambda t, d: d["architecture"]["members"][0]["config"].update(unknown=1),
    lambda t, d: d["architecture"].update(config={"seed": [[1]]}),
    lambda t, d: t.pop("parameters/0.W"),
    lambda t, d: t.update({"parameters/0.W": np.ones(3, np.float32)}),
    lambda t, d: t.update({"parameters/0.W": np.ones((64, 100), int)}),
    lambda t, d: d["input"].update(shape=[10**9]),
    lambda t, d: d["output"].update(classes=["a"]),
    lambda t, d: d["streams"].update({"0": [2**64, 0, 0]}),
    lambda t, d: d["streams"].update({"nowhere": [0, 0, 0]}),
    lambda t, d: d.update(training=3),
    lambda t, d: d["training"].pop("epoch"),
    lambda t, d: d["training"].update(history={}),
    lambda t, d: d["training"].update(optimizer={"steps": "x"}),
    lambda t, d: d["training"].update(callbacks=[1]),
]


def test_wrong_content_is_one_line(run):  # noqa: F811
    run("train", "--epochs", 1, "--no-proof", "--quiet")
    np.savez("x.npz", x=digits()[0][:3])
    whole = Path("out/model.safetensors").read_bytes()
    for number, change in enumerate(WRONG):
        Path("out/model.safetensors").write_bytes(whole)
        Path("out/model.safetensors").write_bytes(wrong(change))
        commands = [("train", "--resume", "--epochs", 2, "--no-proof")]
        if number < len(WRONG) - 4:
            commands.append(("predict", "out/model.safetensors", "x.npz"))
        for command in commands:
            said = run(*command, code=2)
            assert re.fullmatch(r"handgrad: .*\n", said), said


def full(*_):
    raise OSError(28, "No space left on device")


def test_a_result_that_cannot_be_written_is_rescued(run, monkeypatch, tmp_path):  # noqa: F811
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    write, seen = SaveModel.rescue, []

    def rescue(self, path):
        seen.append(str(path))
        if "home" not in str(path):
            full()
        write(self, path)

    monkeypatch.setattr(SaveModel, "rescue", rescue)
    said = run("train", "--epochs", 3, "--no-proof", "--quiet", code=1)
    assert re.search(
        r"handgrad: SaveModel: out/model.safetensors: No space left .* in memory", said
    )
    found = re.search(r"No space left on device; the result is in (.*) instead", said)[1]
    assert Path(found).parent == home
    assert sorted(os.listdir(found)) == ["history.csv", "learning_curve.png", "model.safetensors"]
    assert sorted(os.listdir()) == ["home", "out"]
    run("train", "--epochs", 4, "--no-proof", "--quiet", "--resume", "--out", found)


def test_an_out_folder_that_vanishes_is_no_loss(run, monkeypatch):  # noqa: F811
    train = training._run

    def vanish(trainer, tell):
        trainer.state.callbacks.append(Call(lambda _: shutil.rmtree("out", ignore_errors=True)))
        return train(trainer, tell)

    monkeypatch.setattr(training, "_run", vanish)
    said = run("train", "--epochs", 2, "--no-proof", "--quiet", code=1)
    found = re.search(r"No such file or directory; the result is in (.*) instead", said)[1]
    assert Path(found).parent == Path.cwd()
    assert load(Path(found) / "model.safetensors").parameters.size == 7510


@pytest.mark.parametrize("what", ["train", "predict", "check"])
def test_a_reader_that_goes_is_no_error(what, tmp_path):
    (tmp_path / "mine.py").write_text("from handgrad import Tanh\nclass Mine(Tanh):\n    pass\n")
    command = {
        "train": ["train", "--data", "xor", "--epochs", "2"],
        "predict": ["predict", "m", "x.npz"],
        "check": ["check", "mine.py"],
    }[what]
    if what == "predict":
        (tmp_path / "m").write_bytes(pack(Sequential(ReLU())))
        np.savez(tmp_path / "x.npz", x=np.ones((50_000, 2)))
    process = subprocess.Popen(
        [*COMMAND, *command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    process.wait(timeout=600)
    assert said == ""
    assert (tmp_path / "out" / "model.safetensors").exists() == (what == "train")


def test_ctrl_c_ends_cleanly_and_a_second_one_still_lets_it_write_the_result(tmp_path):
    twice_stopped_training(tmp_path)
    lines = (tmp_path / "out/history.csv").read_text().splitlines()
    saved = load_checkpoint(tmp_path / "out/model.safetensors")
    assert len(lines) - 1 == saved.training["epoch"]
    assert saved.network.parameters.size == 7510


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&- <&-", "> /dev/full"])
def test_a_training_needs_no_streams(closed, tmp_path):
    words = [*COMMAND, "train", "--data", "xor", "--epochs", "1", "--no-proof", "--out", "o"]
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(["sh", "-c", f"{' '.join(words)} {closed}"], cwd=tmp_path, text=True,
                          capture_output=True, env=os.environ | {"PYTHONPATH": path})  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert (tmp_path / "o" / "history.csv").exists()


def test_a_training_goes_on_with_its_own_network(run):  # noqa: F811
    words = ["train", "--data", "xor", "--epochs", "1", "--no-proof", "--net"]
    run(*words, "2-5-2")
    assert "--net: the training to continue has another network" in run(
        *words, "2-6-2", "--resume", code=2
    )
    run(*words, "2-5-2", "--resume")


@pytest.mark.parametrize("option", [("--book", "3"), ("--samples", "0")])
def test_wrong_options_of_book_are_refused(run, option):  # noqa: F811
    Path("a.py").write_text("print(1)")
    said = run("book", *option, "a.py", code=2)
    assert "Traceback" not in said
    assert option[0] in said
