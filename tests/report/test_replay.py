"""Replay: runs that are trained again to the bit, and those that are refused or part."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad import (
    SGD,
    Adam,
    Affine,
    BatchNorm,
    DivergenceError,
    Dropout,
    EarlyStopping,
    Momentum,
    ReLU,
    Sequential,
    fit,
)
from handgrad.cli import main
from handgrad.optim import CosineDecay, WarmUp
from handgrad.report import Record, record, replay
from handgrad.report.objects import describe_object, make_object
from handgrad.report.run import read_run
from handgrad.report.sums import sum_of_weights
from handgrad.train import EMA, SWA, Call, Trainer, augment, spiral, split


@pytest.fixture(scope="module")
def data():
    return split(*spiral(60, seed=4))


def trained(folder, data, network=None, **options):
    """A short training with a run.json; the network."""
    x, t, x_test, t_test = data
    network = network or Sequential(Affine(8), ReLU(), Affine(3), seed=2)
    callback = Record(folder, keep=True)
    settings = {"epochs": 3, "validation": (x_test, t_test), "progress": False} | options
    settings["callbacks"] = [callback, *settings.get("callbacks", ())]
    fit(network, x, t, **settings)
    return network


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"engine": "numpy", "optimizer": Momentum(0.05, clip_norm=1.0), "accumulate": 2},
        {"optimizer": Adam(WarmUp(CosineDecay(0.02, steps=12), steps=2), decay_on=["0"],
                           weight_decay=0.1, lr_scale={"4": 0.5}), "batch": 20, "seed": 9},
        {"average": EMA(0.9), "epochs": None, "steps": 11},
        {"callbacks": [EarlyStopping(1, min_delta=5.0)], "epochs": 6, "shuffle": False},
        {"sample_weights": np.linspace(0.1, 2, 144), "weighting": "batch", "validation": None},
    ],
    ids=["plain", "accumulate", "schedule", "average", "stopped", "weights"],
)  # fmt: skip
def test_the_same_bits(tmp_path, data, options):
    network = Sequential(Affine(8), BatchNorm(), ReLU(), Dropout(0.2), Affine(3), seed=2)
    options = {k: v for k, v in options.items() if v is not None}
    if "steps" in options:
        options["epochs"] = None
    trained(tmp_path, data, network, **options)
    run = read_run(tmp_path)
    assert run["start"]["from"] == "seed"
    again = replay(tmp_path)
    assert (again.same, again.parted, again.differences) == (True, None, [])
    assert np.array_equal(again.network.parameters, network.parameters, equal_nan=True)
    assert run["result"]["weights"] == sum_of_weights(network) == again.weights
    assert str(again).startswith("the same bits")


def test_a_divergence_leaves_the_same_bits(tmp_path, data):
    network = Sequential(Affine(8), ReLU(), Affine(3))
    with pytest.raises(DivergenceError):
        trained(tmp_path, data, network, optimizer=SGD(1e30))
    assert "became" in read_run(tmp_path)["result"]["stopped"]
    assert replay(tmp_path).same


def test_a_network_that_had_learned_before_begins_from_a_file(tmp_path, data):
    optimizer = Adam()
    network = trained(tmp_path / "a", data, optimizer=optimizer)
    trained(tmp_path / "b", data, network, optimizer=optimizer)
    assert not (tmp_path / "a" / "start.safetensors").exists()
    assert read_run(tmp_path / "b")["start"]["from"] == "file"
    assert replay(tmp_path / "b").same


def test_recording_changes_no_bit(tmp_path, data):
    with_record = trained(tmp_path, data)
    x, t, x_test, t_test = data
    without = Sequential(Affine(8), ReLU(), Affine(3), seed=2)
    fit(without, x, t, epochs=3, validation=(x_test, t_test), progress=False)
    assert np.array_equal(with_record.parameters, without.parameters)


def test_data_can_be_handed_over(tmp_path, data):
    x, t, *_ = data
    fit(Sequential(Affine(3)), x, t, epochs=2, validation=0.25, callbacks=[Record(tmp_path)],
        progress=False)  # fmt: skip
    assert replay(tmp_path, x, t, validation=0.25).same
    with pytest.raises(ValueError, match="does not say where its data are"):
        replay(tmp_path)
    with pytest.raises(ValueError, match="not those of the run: t was 108 int64 .*, is 108 int64"):
        replay(tmp_path, x, t[::-1].copy(), validation=0.25)
    with pytest.raises(ValueError, match="not those of the run: t was"):
        replay(tmp_path, x, t)
    with pytest.raises(ValueError, match="give both"):
        replay(tmp_path, x)


OWN = """
import numpy as np
class Double:
    def forward(self, x):
        return 2 * x
    def backward(self, dy):
        return 2 * dy
"""


def test_a_layer_of_ones_own_is_found_in_its_file(tmp_path, data):
    from handgrad.train.module import load_module

    (tmp_path / "own.py").write_text(OWN)
    double = load_module(tmp_path / "own.py").Double
    trained(tmp_path / "a", data, Sequential(Affine(4), double(), Affine(3)))
    (entry,) = read_run(tmp_path / "a")["start"]["classes"]
    assert entry["file"] == str(tmp_path / "own.py")
    assert replay(tmp_path / "a").same
    (tmp_path / "own.py").write_text(OWN.replace("2 *", "3 *"))
    with pytest.raises(ValueError, match=r"Double is in .*own.py, which has been changed since"):
        replay(tmp_path / "a")
    assert replay(tmp_path / "a", classes=[double]).same
    (tmp_path / "own.py").unlink()
    with pytest.raises(ValueError, match="which is not there"):
        replay(tmp_path / "a")


def test_what_no_file_can_hold_is_said_at_the_start_and_refused(tmp_path, data):
    with pytest.warns(RuntimeWarning, match="cannot be replayed: optimizer.lr is the function"):
        trained(tmp_path, data, optimizer=SGD(lambda step: 0.1))
    with pytest.raises(ValueError, match="cannot be replayed: optimizer.lr is the function <lam"):
        replay(tmp_path)
    assert read_run(tmp_path)["result"]["steps"] == 15


def test_it_says_where_it_parts_and_what_is_other(tmp_path, data):
    trained(tmp_path, data, callbacks=[Call(lambda trainer: None)])
    path = tmp_path / "run.json"
    run = json.loads(path.read_text())
    run["result"]["columns"]["loss"][1] += 1e-9
    run["result"]["weights"] = "0" * 64
    run["versions"]["numpy"] = "1.0"
    run["machine"]["processor"] = "vax"
    path.write_text(json.dumps(run))
    again = replay(path)
    assert not again.same
    assert again.parted.startswith("epoch 2: loss was ")
    assert [one.split(" then")[0] for one in again.differences] == ["numpy 1.0", "processor vax"]
    assert "took part then, and does not now: Call(" in str(again)


def test_a_run_that_was_killed_says_so(tmp_path, data):
    class Dies:
        def on_epoch(self, trainer):
            raise SystemExit

    x, t, *_ = data
    record = Record(tmp_path, keep=True)
    record.on_end = lambda trainer: None  # as where the process is killed
    with pytest.raises(SystemExit):
        fit(Sequential(Affine(3)), x, t, callbacks=[record, Dies()], progress=False)
    with pytest.raises(ValueError, match="has not ended, or was killed"):
        replay(tmp_path)


def test_an_interrupted_run_ends_at_the_same_step(tmp_path, data):
    x, t, *_ = data

    class Stops:
        def on_step(self, trainer):
            if trainer.step == 7:
                trainer._interrupt()

    network = Sequential(Affine(8), ReLU(), Affine(3))
    trainer = Trainer(network, x, t, epochs=4, progress=False,
                      callbacks=[Record(tmp_path, keep=True), Stops()])  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert read_run(tmp_path)["result"]["interrupted"]
    assert replay(tmp_path).same


def test_options_are_described_and_made_again():
    for thing in (
        Adam(0.1, beta1=0.8), WarmUp(CosineDecay(0.1, steps=5), steps=2), SWA(0.5), EMA(0.9),
        EarlyStopping(3, monitor="loss"),
        augment.Augment(augment.Flip(), augment.Crop(2), augment.Zoom(0.9, 1.1), seed=3),
        augment.Warp(10, (0.9, 1.1)), augment.Rotate(5), augment.Brightness(0.1),
    ):  # fmt: skip
        described = describe_object(thing, "it")
        again = make_object(json.loads(json.dumps(described)), "it")
        assert describe_object(again, "it") == described
        assert type(again) is type(thing)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not JSON"),
        ("[]", "must be a dict"),
        ("{}", "lacks 'format'"),
        (None, "has an unknown entry 'more'"),
    ],
)
def test_a_file_that_is_no_run_is_one_line(tmp_path, data, content, said):
    path = tmp_path / "run.json"
    if content is None:
        trained(tmp_path, data, epochs=1)
        content = json.dumps(json.loads(path.read_text()) | {"more": 1})
    path.write_text(content)
    with pytest.raises(ValueError, match=said) as error:
        replay(path)
    assert "\n" not in str(error.value)


def test_the_command_trains_records_and_replays(tmp_path):
    runner = CliRunner()
    table = tmp_path / "table.csv"
    rows = [f"{i % 7},{i % 5},{'yes' if i % 3 else 'no'}" for i in range(60)]
    table.write_text("\n".join(["a,b,answer", *rows]))
    out = str(tmp_path / "out")
    train = ["train", "--data", str(table), "--target", "answer", "--drop", "b", "--no-proof",
             "--quiet", "--out", out]  # fmt: skip
    assert runner.invoke(main, [*train, "--epochs", "3"]).exit_code == 0
    first = read_run(out)
    again = runner.invoke(main, ["replay", out, "--quiet"])
    assert again.output.startswith("the same bits: weights")
    assert again.exit_code == 0
    # A training that goes on keeps the beginning of its first part.
    assert runner.invoke(main, [*train, "--epochs", "5", "--resume"]).exit_code == 0
    run = read_run(out)
    assert run["start"] == first["start"]
    assert run["result"]["epochs"] == 5
    assert runner.invoke(main, ["replay", out, "--quiet"]).exit_code == 0
    moved = table.rename(tmp_path / "moved.csv")
    gone = runner.invoke(main, ["replay", out, "--quiet"])
    assert gone.exit_code == 2
    assert runner.invoke(main, ["replay", out, "--quiet", "--data", str(moved)]).exit_code == 0
    moved.write_text(moved.read_text().replace("yes", "no", 1))
    other = runner.invoke(main, ["replay", out, "--quiet", "--data", str(moved)])
    assert other.exit_code == 2
    assert "the data are not those of the run" in other.output
    assert runner.invoke(main, ["replay", str(tmp_path / "none")]).exit_code == 2


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path, data):
    x, t, *_ = data
    record = Record(tmp_path / "out")

    class Blocks:
        def on_epoch(self, trainer):
            (tmp_path / "out" / "run.json").unlink()
            (tmp_path / "out" / "run.json").mkdir()

    with pytest.warns(RuntimeWarning, match=r"run\.json: Is a directory; it is not written"):
        fit(Sequential(Affine(3)), x, t, epochs=1, callbacks=[record, Blocks()], progress=False)


def test_a_picture_costs_no_training(tmp_path, data, monkeypatch):
    def fails(*given):
        raise TypeError("a layer of the user's")

    monkeypatch.setattr(record, "judge", fails)
    with pytest.warns(RuntimeWarning, match="not judged: TypeError: a layer of the user's"):
        trained(tmp_path, data)
    assert replay(tmp_path).same


def test_a_path_that_is_none_is_one_line():
    with pytest.raises(ValueError, match="path must be that of a folder or"):
        Record(3)
    with pytest.raises(ValueError, match="data must be a dict"):
        Record("out", data=3)
