"""What a training leaves: the test result, model, history and learning curve."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.network import Network
from handgrad.plots import draw_curves
from handgrad.report.run import NAME as RUN
from handgrad.terminal import complain, say
from handgrad.train import SaveModel, Trainer, accuracy, recall
from handgrad.train.dataset import Dataset
from handgrad.train.history import History
from handgrad.train.metrics import mean_absolute_error, r2
from handgrad.train.write import write_whole

MODEL, TABLE, PICTURE = "model.safetensors", "history.csv", "learning_curve.png"
UNEVEN = 0.75  # share of one class from which the mean over classes is shown too


def show_result(network: Network, dataset: Dataset) -> None:
    """The score on the samples held out, beside that of knowing nothing but the targets."""
    y, t, count = network.predict(dataset.x_test), dataset.t_test, len(dataset.t_test)
    if dataset.labels:
        usual = dataset.t_train.mean(axis=0) > 0.5
        right, always = ((found == (t > 0.5)).mean() for found in (y > 0, usual))
        say(f"test accuracy {right:.2%} of labels, {count:,} samples (the usual: {always:.2%})")
        return
    if dataset.heads is not None:
        _show_heads(dataset, y, t)
        return
    if dataset.classes is None:
        say(f"test {_fit(dataset, y, t)} on {count:,} samples{_errors(dataset, y, t)}")
        return
    score, often = accuracy(y, t), int(np.bincount(dataset.t_train).argmax())
    always = float((t == often).mean())
    name = dataset.classes[often]
    say(f"test accuracy {score:.2%} on {count:,} samples (always {name!r}: {always:.2%})")
    if always > UNEVEN:
        even = 1 / len(np.unique(t))
        say(f"mean over the classes {recall(y, t):.2%} (always {name!r}: {even:.2%})")
        if score <= always:
            complain(f"the network is no better than always {name!r}; --balance may do more")


def _show_heads(dataset: Dataset, y: Any, t: Any) -> None:
    """The accuracy of each of several targets of classes, and of all together."""
    right, names = y.argmax(axis=2) == t, dataset.targets or ()
    say(f"test accuracy {right.all(axis=1).mean():.2%} of all targets together, {len(t):,} samples")
    for i, (name, classes) in enumerate(zip(names, dataset.heads or ())):
        often = int(np.bincount(dataset.t_train[:, i]).argmax())
        always = float((t[:, i] == often).mean())
        say(f"  {name} {right[:, i].mean():.2%} (always {classes[often]!r}: {always:.2%})")


def _fit(dataset: Dataset, y: Any, t: Any) -> str:
    return f"R² {r2(y, t):.4f}" if len(t) > 1 else "values"


def _errors(dataset: Dataset, y: Any, t: Any) -> str:
    """The mean absolute error on the scale of the targets, beside that of their mean."""
    output = dataset.output
    y, t = output.values(y), output.values(t)
    mean = np.broadcast_to(output.values(dataset.t_train).mean(axis=0), t.shape)
    errors = mean_absolute_error(y, t), mean_absolute_error(mean, t)
    return "\nmean absolute error {:,.4g} (always the mean: {:,.4g})".format(*errors)


def keep(trainer: Trainer, model: SaveModel, out: Path, tell: Any) -> bool:
    """Write the result, to another folder where `out` cannot hold it; whether it could."""
    try:
        model.write(trainer)
        _write_record(trainer.history, out, tell)
        return True
    except OSError as error:
        reason = f"{error.filename or out}: {error.strerror or error}"
    for base in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        other = base / f"handgrad-rescued-{os.getpid()}"
        try:
            other.mkdir()
            model.path = other / MODEL
            model.write(trainer)
            _write_record(trainer.history, other, tell)
        except OSError:
            shutil.rmtree(other, ignore_errors=True)
            continue
        complain(f"{reason}; the result is in {other} instead (--out {other} --resume goes on)")
        return False
    raise OSError(f"{reason}; nor could the result be written to {base} or its like: it is lost")


def _write_record(history: History, out: Path, tell: Any) -> None:
    tell(f"model           {out / MODEL}")
    write_whole(out / TABLE, history.to_csv().encode())
    tell(f"history         {out / TABLE}")
    if (out / RUN).exists():
        tell(f"run             {out / RUN}")
    if not len(history):
        return
    try:
        draw_curves(history.columns, out / PICTURE, held_out="test")
        tell(f"learning curve  {out / PICTURE}")
    except ModuleNotFoundError as missing:
        tell(f"no learning curve: {missing}")
