"""The `handgrad` command: train, predict, check."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from importlib.metadata import version
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np

from handgrad.book.run import run_script
from handgrad.explain import draw_curves
from handgrad.layers import loss_for
from handgrad.layers.samples import SAMPLES
from handgrad.network import Network
from handgrad.optim import make_optimizer
from handgrad.prove import check
from handgrad.prove.proof import Proof, prove_network
from handgrad.prove.show.html import report_html
from handgrad.terminal import Refused, complain, patient, plain_errors, say
from handgrad.testing.discover import discover
from handgrad.testing.formats import Found, to_json, to_junit, to_sarif, to_text
from handgrad.train import (
    DivergenceError,
    OutputSpec,
    SaveModel,
    Trainer,
    accuracy,
    load_checkpoint,
)
from handgrad.train.history import History
from handgrad.train.inputs import all_predictions, read_inputs
from handgrad.train.loading import NAMES, Dataset, load_data
from handgrad.train.metrics import r2
from handgrad.train.nets import fitted, network_for, network_from_file
from handgrad.train.write import write_whole

MODEL, TABLE, PICTURE = "model.safetensors", "history.csv", "learning_curve.png"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="handgrad", prog_name="handgrad")
def main() -> None:
    """Neural networks whose every gradient can be read, proved and run."""


header_option = click.option(
    "--header/--no-header", default=None, help="line 1 of a CSV file has names, or data"
)


@main.command()
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help=f"{', '.join(NAMES)}, FILE.csv or FILE.npz",
)
@click.option(
    "--target",
    help="name of the column to predict, or its number, counted from 0  [default: the last]",
)
@header_option
@click.option("--net", help="sizes such as 64-100-10, or FILE.py[:name] with a network")
@click.option("--optimizer", default="adam", show_default=True, help="sgd, momentum, adam, …")
@click.option("--lr", type=float, help="learning rate; by default the optimizer's usual one")
@click.option("--batch", type=int, help="samples per batch  [default: 32, or all where fewer]")
@click.option("--epochs", type=int, default=40, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="folder for the model, the history and the learning curve",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="folder with MNIST's files  [default: HANDGRAD_DATA]",
)
@click.option("--download", is_flag=True, help="fetch mnist or fashion where it is missing")
@click.option("--resume", is_flag=True, help="continue the training whose model is in --out")
@click.option("--no-proof", is_flag=True, help="skip the comparison of the gradients")
@click.option("--quiet", is_flag=True, help="print the test result only")
def train(**options: Any) -> None:
    """Prove a network's gradients, train it, test it, save it.

    Ctrl-C ends after the present step and saves; --resume goes on from there, to the bit.
    A Python file named by --net is executed.
    """
    with plain_errors():
        _train(**options)


def _train(
    *, data: str, target: str | None, header: bool | None, net: str | None, optimizer: str,
    lr: float | None, batch: int | None, epochs: int, seed: int, out: Path,
    data_dir: Path | None, download: bool, resume: bool, no_proof: bool, quiet: bool,
) -> None:  # fmt: skip
    tell = (lambda text="": None) if quiet else say
    dataset = load_data(
        data, data_dir, download=download, seed=seed, header=header, target=_column(target)
    )
    network, classes = network_for(net, dataset, seed)
    saved = load_checkpoint(_model_in(out), classes=classes) if resume else None
    fresh, network = network, network if saved is None else saved.network
    loss = loss_for(dataset.t_train)
    dataset = fitted(network, dataset)
    if net and fresh is not network:
        _same_sizes(fresh, network, dataset)
    rule = make_optimizer(optimizer, lr)
    model = SaveModel(out / MODEL, seconds=5, info={"data": dataset.name}, input=dataset.input,
                      output=dataset.output)  # fmt: skip
    trainer = Trainer(
        network, dataset.x_train, dataset.t_train, loss=loss, optimizer=rule, epochs=epochs,
        batch=batch, seed=seed, validation=(dataset.x_test, dataset.t_test),
        metrics=[accuracy] if dataset.classes else [r2],
        callbacks=[model], progress=False if quiet else None,
    )  # fmt: skip
    if saved is not None:
        if saved.training is None:
            raise ValueError(f"--resume: {out / MODEL} holds no training to continue")
        trainer.load_state_dict(saved.training)
    _probe(out, network)
    tell(f"{dataset.name}: {len(dataset.x_train):,} samples to learn from, "
        f"{len(dataset.x_test):,} to test\n")  # fmt: skip
    tell(network.summary(dataset.x_train[:8]) + "\n")
    if not no_proof:
        _prove(network, dataset, loss, tell)
    if not sys.stderr.isatty():  # where it is, the bar says it
        tell(f"running: {trainer.engine}")
    with patient():
        ended = _run(trainer, tell)
        _show_result(network, dataset)
        whole = _keep(trainer, model, out, tell)
    if isinstance(ended, DivergenceError):
        complain(str(ended))
    if isinstance(ended, DivergenceError) or not whole:
        raise SystemExit(1)


def _column(target: str | None) -> int | str:
    """The column of --target: a number as such, else a name."""
    if target is None:
        return -1
    return int(target) if target.removeprefix("-").isdecimal() else target


def _same_sizes(asked: Network, saved: Network, dataset: Dataset) -> None:
    """Raise ValueError where --net is another network than the one to continue."""
    asked.build(dataset.x_train[:2])
    if asked.layout != saved.layout:
        raise ValueError(
            f"--net: the training to continue has another network, {len(saved.parameters):,} "
            f"parameters instead of {len(asked.parameters):,}; leave --net out, or --resume"
        )


def _model_in(out: Path) -> Path:
    if not (out / MODEL).exists():
        raise ValueError(f"--resume: there is no {out / MODEL}; train without it first")
    return out / MODEL


def _probe(out: Path, network: Network) -> None:
    """Find out now, not after the training, whether the folder can hold the model."""
    out.mkdir(parents=True, exist_ok=True)
    room = bytes(4 * network.parameters.nbytes + 100_000)
    write_whole(out / ".room", room).unlink()


def _prove(network: Network, dataset: Dataset, loss: Any, tell: Any) -> None:
    tell("proof: backprop against numerical differentiation, in float64, on 8 samples")
    proof: Proof = prove_network(network, dataset.x_train[:8], dataset.t_train[:8], loss)
    tell(str(proof))
    tell(
        f"worst relative error {proof.worst:.1e}; for all {network.parameters.size:,} gradients "
        f"numerical differentiation takes {_seconds(proof.numerical_seconds)}, backprop "
        f"{_seconds(proof.backprop_seconds)}: {proof.times_faster:,.0f} times faster\n"
    )
    if not proof.right:
        raise ValueError(
            "the proof failed: backprop and numerical differentiation differ; `handgrad check "
            "FILE.py` says which mistake it is, --no-proof trains all the same"
        )


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds:.2f} s"


def _run(trainer: Trainer, tell: Any) -> BaseException | None:
    """Train; what ended it early, if anything did."""
    try:
        trainer.run()
    except KeyboardInterrupt as stopped:
        tell(f"\nstopped at step {trainer.step}; --resume goes on from here")
        return stopped
    except DivergenceError as error:
        return error
    return None


def _show_result(network: Network, dataset: Dataset) -> None:
    metric = accuracy if dataset.classes else r2
    value = metric(network.predict(dataset.x_test), dataset.t_test)
    text = f"test accuracy {value:.2%}" if dataset.classes else f"test R² {value:.4f}"
    say(f"{text} on {len(dataset.x_test):,} samples")


def _keep(trainer: Trainer, model: SaveModel, out: Path, tell: Any) -> bool:
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
    if not len(history):
        return
    try:
        draw_curves(history.columns, out / PICTURE, held_out="test")
        tell(f"learning curve  {out / PICTURE}")
    except ModuleNotFoundError as missing:
        tell(f"no learning curve: {missing}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--net", help="FILE.py with the classes of a network of your own; it is executed")
@click.option("--out", type=click.Path(path_type=Path), help="write the table to this file")
@header_option
def predict(
    model: Path, file: Path, net: str | None, out: Path | None, header: bool | None
) -> None:
    """Predictions of a saved MODEL for the rows of FILE (.csv or .npz), as a CSV table.

    Columns are found by the names that the model learned them under, in any order.
    """
    with plain_errors():
        classes = network_from_file(net)[1] if net else []
        saved = load_checkpoint(model, classes=classes)
        y = all_predictions(saved, read_inputs(file, saved, header))
        table = io.StringIO()
        rows = (saved.output or OutputSpec()).rows(y)
        csv.writer(table, lineterminator="\n").writerows(rows)
        if out is None:
            click.echo(table.getvalue(), nl=False)
        else:
            write_whole(out, table.getvalue().encode())


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--book", "number", type=click.IntRange(1, 2), metavar="INTEGER",
              help="1 or 2  [default: found by the script's folder]")  # fmt: skip
@click.option("--strict", is_flag=True, help="with the original's mistakes")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    metavar="INTEGER",
    help="only so many examples of each data set, for a try",
)
def book(
    script: Path, arguments: tuple[str, ...], number: int | None, strict: bool, samples: int | None
) -> None:
    """Run a chapter's SCRIPT of "Deep Learning from Scratch" 1 or 2, unchanged, on handgrad.

    The script is executed. Its `common` and `dataset` are handgrad's; MNIST is read from
    HANDGRAD_DATA; pictures go to files where there is no screen.
    """
    with plain_errors():
        if not script.is_file():
            raise ValueError(f"book: no script {script}")
    try:
        run_script(script, arguments, book=number, strict=strict, samples=samples)
    except FileNotFoundError as missing:
        raise Refused(str(missing)) from None


# What `handgrad check` can write, by option: from the list of what was found to the file's bytes.
WRITERS: dict[str, Callable[[list[Found]], bytes]] = {
    "html": lambda found: report_html([f.report for f in found if f.report is not None]).encode(),
    "json": to_json,
    "junit": to_junit,
    "sarif": lambda found: to_sarif(found, version("handgrad")),
}


@main.command("check")
@click.argument("target", required=False)
@click.option("--html", type=click.Path(path_type=Path), help="write a report with all details")
@click.option("--json", type=click.Path(path_type=Path, allow_dash=True),
              help="write the verdicts for programs; - for the standard output")  # fmt: skip
@click.option("--junit", type=click.Path(path_type=Path), help="write JUnit's XML, for CI servers")
@click.option("--sarif", type=click.Path(path_type=Path), help="write SARIF, for code review")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=20.0,
              show_default=True, help="seconds that one call may take")  # fmt: skip
def check_command(target: str | None, seed: int, timeout: float, **files: Path | None) -> None:
    """Prove the backward pass of every class in FILE.py, or of FILE.py:Class.

    The file is executed. Inputs come from its `samples`, from docstrings, or are found by running
    forward; the report says which. Without a file, handgrad's own layers are proved on this
    machine. Exit code: 0 all right, 1 one is wrong, 2 one could not be checked.
    """
    piped = [option for option, path in files.items() if path == Path("-")]
    with plain_errors():
        with redirect_stdout(sys.stderr if piped else sys.stdout):  # what the file prints
            found = _own_layers(seed) if target is None else _layers_in(target, seed, timeout)
        if not piped:
            click.echo(to_text(found, brief=target is None))
        for option, path in files.items():
            if option in piped:
                click.echo(WRITERS[option](found))
            elif path is not None:
                write_whole(path, WRITERS[option](found))
    verdicts = {one.verdict for one in found}
    raise SystemExit(1 if "wrong" in verdicts else 0 if verdicts == {"right"} else 2)


def _layers_in(target: str, seed: int, timeout: float) -> list[Found]:
    path, _, only = target.partition(".py:")
    return discover(path + ".py" if only else path, only or None, seed=seed, timeout=timeout)


def _own_layers(seed: int) -> list[Found]:
    """The whole table of samples, divided among the processors; the order is the table's."""
    quickest = "fork" if sys.platform == "linux" else "spawn"  # elsewhere a fork can break
    with ProcessPoolExecutor(mp_context=get_context(quickest)) as pool:
        return list(pool.map(_own_layer, range(len(SAMPLES)), repeat(seed), chunksize=2))


def _own_layer(number: int, seed: int) -> Found:
    sample = SAMPLES[number]
    inputs = sample.inputs(np.random.default_rng(seed + number))
    return Found(str(sample), check(sample.make(), *inputs, seed=seed))


if __name__ == "__main__":
    main()
