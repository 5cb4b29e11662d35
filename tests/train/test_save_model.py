"""SaveModel: no result is lost where it cannot be written, and no epoch is left out."""

import os
import shutil

import numpy as np
import pytest

from handgrad import Adam, Affine, Sequential, Tanh
from handgrad.train import (
    Call,
    Callback,
    EarlyStopping,
    SaveModel,
    Trainer,
    load,
    load_checkpoint,
)

X = np.random.default_rng(0).normal(size=(24, 3))
T = (X[:, 0] > 0).astype(int)


def trainer(*callbacks, network=None, **options) -> Trainer:
    network = Sequential(Affine(4), Tanh(), Affine(2), seed=1) if network is None else network
    options = {"epochs": 4, "batch": 7, "optimizer": Adam(0.05)} | options
    return Trainer(network, X, T, callbacks=callbacks, progress=False, **options)


@pytest.fixture
def disk(monkeypatch):
    """A disk that is full as long as `disk["full"]`."""
    state, fsync = {"full": False}, os.fsync

    def write(file):
        if state["full"]:
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", write)
    return state


def test_a_full_disk_is_tried_again_at_the_next_epoch(disk, tmp_path):
    model = SaveModel(tmp_path / "m")
    seen = []

    def look(trainer):
        seen.append((trainer.epoch, model.unsaved is None, (tmp_path / "m").exists()))
        disk["full"] = trainer.epoch == 2

    with pytest.warns(
        RuntimeWarning, match="m: No space left on device; the model is kept"
    ) as said:
        trainer(Call(look), model).run()
    assert len(said) == 1
    assert seen == [(1, True, False), (2, True, True), (3, False, True), (4, True, True)]
    assert model.unsaved is None
    assert load_checkpoint(tmp_path / "m").training["epoch"] == 4


def test_at_the_end_another_path_is_offered(disk, tmp_path):
    disk["full"] = True
    model = SaveModel(tmp_path / "m")
    now = trainer(model, epochs=2)
    with pytest.warns(RuntimeWarning) as said:
        now.run()
    assert "rescue(path) writes it elsewhere" in str(said[-1].message)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space left"):
        model.rescue(tmp_path / "n")
    disk["full"] = False
    model.rescue(tmp_path / "n")
    assert model.unsaved is None
    np.testing.assert_array_equal(load(tmp_path / "n").parameters, now.network.parameters)


def test_a_folder_that_vanishes(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()

    def vanish(trainer):
        if trainer.epoch == 2:
            shutil.rmtree(folder)
        elif trainer.epoch == 3:
            folder.mkdir()

    with pytest.warns(RuntimeWarning, match="m: No such file or directory; the model is kept"):
        trainer(Call(vanish), SaveModel(folder / "m")).run()
    assert load_checkpoint(folder / "m").training["epoch"] == 4


def test_the_end_is_written_even_if_epochs_were_too_short(tmp_path):
    now = trainer(SaveModel(tmp_path / "m", seconds=1e9), steps=6, epochs=None)
    now.run()
    np.testing.assert_array_equal(load(tmp_path / "m").parameters, now.network.parameters)


def test_an_error_in_mid_step_is_not_taken_for_a_result(tmp_path):
    class Broken:
        def on_step(self, trainer):
            if trainer.step == 3:
                trainer.stop("interrupted")
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(Broken(), SaveModel(tmp_path / "m", seconds=1e9)).run()
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("patience", [1, 3])
def test_patience_goes_on_where_it_was(order, patience, tmp_path):
    options = {"epochs": 40, "validation": (X[::2], 1 - T[::2])}

    def callbacks():
        return [EarlyStopping(patience), SaveModel(tmp_path / "m")][::order]

    whole = trainer(*callbacks(), **options)
    whole.run()
    assert "has not improved for" in whole.history.stopped
    assert len(whole.history) < 20

    class Stop(Callback):
        def on_epoch(self, trainer):
            trainer.interrupted = True
            trainer.stop("interrupted")

    now = trainer(*callbacks(), Stop(), **options)
    for _ in range(40):
        try:
            now.run()
            break
        except KeyboardInterrupt:
            saved = load_checkpoint(tmp_path / "m")
            now = trainer(*callbacks(), Stop(), network=saved.network, **options)
            now.load_state_dict(saved.training)
    assert now.history.stopped == whole.history.stopped
    assert {k: v for k, v in now.history.columns.items() if k != "seconds"} == {
        k: v for k, v in whole.history.columns.items() if k != "seconds"
    }
    np.testing.assert_array_equal(now.network.parameters, whole.network.parameters)


def test_a_finished_training_goes_on_from_its_last_weights_not_its_best(tmp_path):
    options = {"validation": (X[::2], 1 - T[::2])}
    whole = trainer(EarlyStopping(30), epochs=6, **options)
    whole.run()
    trainer(EarlyStopping(30), SaveModel(tmp_path / "m"), epochs=3, **options).run()
    saved = load_checkpoint(tmp_path / "m")
    now = trainer(EarlyStopping(30), network=saved.network, epochs=6, **options)
    now.load_state_dict(saved.training)
    now.run()
    assert now.history["loss"] == whole.history["loss"]
    np.testing.assert_array_equal(now.network.parameters, whole.network.parameters)


def test_a_path_that_is_none_is_refused_when_the_callback_is_made():
    with pytest.raises(ValueError, match="^SaveModel: path must be that of a file, got 3"):
        SaveModel(3)
