"""`handgrad train`: prove a network's gradients, train it, test it, save it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from handgrad.cli.predicting import header_option
from handgrad.cli.processes import check_processes, follow, leads, one_voice, ranks_for
from handgrad.cli.reporting import record_of
from handgrad.cli.results import MODEL, keep, show_result
from handgrad.cli.watching import tell_findings, watch_for
from handgrad.layers import SigmoidCrossEntropy, SoftmaxCrossEntropy, loss_for
from handgrad.network import Network
from handgrad.optim import make_optimizer
from handgrad.parallel import HALVES, Ranks
from handgrad.terminal import complain, patient, plain_errors, say
from handgrad.train import DivergenceError, SaveModel, Trainer, accuracy, load_checkpoint
from handgrad.train.dataset import Dataset
from handgrad.train.loading import NAMES, load_data
from handgrad.train.nets import fitted, network_for
from handgrad.train.proof import Proof, prove_network
from handgrad.train.tables import read_table
from handgrad.train.tables.spec import unlike
from handgrad.train.tables.table import SUFFIXES
from handgrad.train.write import write_whole

WORK = 1e9  # multiplications that the proof may take, about: a second
PROVED = 8  # samples of the proof

WISHES = {
    "number": "a column to take as numbers",
    "categorical": "a column to take as categories",
    "date": "a column to take as dates",
    "text": "a column to take as text, a bag of words",
    "embed": "a column of categories to embed, as those of more than 64 values are",
    "drop": "a column to leave out",
}


def table_options(command: Any) -> Any:
    """The options that say what columns of a table are."""
    for name, says in WISHES.items():
        option = click.option(f"--{name}", multiple=True, metavar="COLUMN", help=says)
        command = option(command)
    command = click.option("--separator", help="of a CSV file's cells  [default: found]")(command)
    return click.option(
        "--task", type=click.Choice(["classification", "regression"]),
        help="what integers as targets mean  [default: found]",
    )(command)  # fmt: skip


@click.command()
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help=f"{', '.join(NAMES)}, FILE.csv (.tsv, .parquet, …), a folder of pictures, or FILE.npz",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="COLUMN",
    help="column to predict, by name or by number, counted from 0; several as a,b or one by one  "
    "[default: the last]",
)
@header_option
@table_options
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
@click.option("--balance", is_flag=True, help="weigh classes so that each counts the same")
@click.option("--shards", type=int, metavar="POWER OF 2",
              help="parts in which each batch is computed  [default: as a whole]")  # fmt: skip
@click.option("--batch-norm", type=click.Choice(["global", "shard"]), default="global",
              show_default=True, help="with --shards: whose statistics")  # fmt: skip
@click.option("--gradients", type=click.Choice(list(HALVES)),
              help="with --shards: how their sums travel  [default: in full]")  # fmt: skip
@click.option("--processes", type=click.IntRange(min=1), metavar="INTEGER",
              help="train in so many processes of this machine; needs handgrad[mpi]")  # fmt: skip
@click.option("--watch", is_flag=True, help="let the training doctor look, and say what ails it")
@click.option("--resume", is_flag=True, help="continue the training whose model is in --out")
@click.option("--no-proof", is_flag=True, help="skip the comparison of the gradients")
@click.option("--quiet", is_flag=True, help="print the test result only")
def train(processes: int | None, **options: Any) -> None:
    """Prove a network's gradients, train it, test it, save it.

    Ctrl-C ends after the present step and saves; --resume goes on from there, to the bit.
    A Python file named by --net is executed. Started by mpirun or srun, all processes train one
    network; --processes starts them. The weights are the same bits for any number of them.
    """
    with plain_errors():
        ranks = ranks_for(processes)
    with one_voice(ranks), plain_errors():
        check_processes(processes, ranks)
        _train(ranks=ranks, **options)


def _train(
    *, data: str, net: str | None, optimizer: str, lr: float | None, batch: int | None,
    epochs: int, seed: int, out: Path, balance: bool, watch: bool, resume: bool, no_proof: bool,
    quiet: bool, shards: int | None, batch_norm: str, gradients: str | None, ranks: Ranks | None,
    **reading: Any,
) -> None:  # fmt: skip
    leading = leads(ranks)
    tell = say if leading and not quiet else (lambda text="": None)
    dataset = _load(data, seed, tell, leading, embed_many=".py" not in (net or ""), **reading)
    network, classes = network_for(net, dataset, seed)
    saved = load_checkpoint(_model_in(out), classes=classes) if resume else None
    if saved is not None and saved.table != dataset.table:
        how = unlike(dataset.table, saved.table)
        raise ValueError(f"--resume: these are not the data of the training before: {how}")
    fresh, network = network, network if saved is None else saved.network
    loss = _loss(dataset, balance)
    dataset = fitted(network, dataset)
    if net and fresh is not network:
        _same_sizes(fresh, network, dataset)
    rule = make_optimizer(optimizer, lr)
    model = SaveModel(out / MODEL, seconds=5, info=dataset.info, input=dataset.input,
                      output=dataset.output, table=dataset.table)  # fmt: skip
    trainer = Trainer(
        network, dataset.x_train, dataset.t_train, loss=loss, optimizer=rule, epochs=epochs,
        batch=batch, seed=seed, validation=(dataset.x_test, dataset.t_test),
        metrics=[accuracy] if dataset.classes or dataset.heads else [],  # else the loss says it
        callbacks=[model, record_of(out, data, seed, dataset, reading)],
        progress=False if quiet else None,
        watch=watch_for(network, loss, dataset, watch), shards=shards, batch_norm=batch_norm,
        gradients=gradients, parallel=ranks,
    )  # fmt: skip
    if saved is not None:
        if saved.training is None:
            raise ValueError(f"--resume: {out / MODEL} holds no training to continue")
        trainer.load_state_dict(saved.training)
    if not leading:
        follow(trainer)
        return
    _probe(out, network)
    tell(f"{dataset.name}: {len(dataset.x_train):,} samples to learn from, "
        f"{len(dataset.x_test):,} to test\n")  # fmt: skip
    tell(network.summary(dataset.x_train[:8]) + "\n")
    if not no_proof:
        _prove(network, dataset, loss, tell)
    if not sys.stderr.isatty():  # where it is, the bar says it
        tell(f"running: {trainer.engine}")
    _carry_out(trainer, dataset, model, out, watch, tell)


def _carry_out(
    trainer: Trainer, dataset: Dataset, model: SaveModel, out: Path, watch: bool, tell: Any
) -> None:
    """Train, say what came of it and save it; exit code 1 for what diverged, or is not saved."""
    with patient():
        start = trainer.network.parameters.copy()
        ended = _run(trainer, tell)
        show_result(trainer.network, dataset)
        if watch:
            tell_findings(trainer, start)
        whole = keep(trainer, model, out, tell)
    if isinstance(ended, DivergenceError):
        complain(str(ended))
    if isinstance(ended, DivergenceError) or not whole:
        raise SystemExit(1)


def _load(
    data: str, seed: int, tell: Any, leading: bool, *, targets: tuple[str, ...],
    header: bool | None, data_dir: Path | None, download: bool, separator: str | None,
    task: str | None, **wishes: Any,
) -> Dataset:  # fmt: skip
    """The data; of a table, what was understood is shown."""
    if Path(data).suffix.lower() not in SUFFIXES:
        said = {"target": targets, "header": header is not None, "separator": separator,
                "task": task} | {name: wishes.get(name) for name in WISHES}  # fmt: skip
        for name in (name for name, value in said.items() if value):
            raise ValueError(f"--{name}: is for tables; --data FILE.csv would be one, not {data}")
        return load_data(data, data_dir, download=download, seed=seed)
    with _bar(Path(data), tell is say) as told:
        table = read_table(
            data, targets or -1, header=header, separator=separator, task=task,
            told=told, **wishes,
        )  # fmt: skip
    dataset = table.split(seed=seed)
    assert dataset.table is not None
    tell(f"{data}: {table.frame.rows:,} rows, {table.frame.how}\n\n{table.show(dataset.table)}\n")
    for note in dataset.notes if leading else ():
        complain(note)
    return dataset


@contextmanager
def _bar(path: Path, shown: bool) -> Iterator[Any]:
    """A bar of the bytes read, where someone looks at standard error."""
    if not (shown and sys.stderr.isatty() and path.is_file()):
        yield None
        return
    from tqdm import tqdm  # here, for it takes longer to import than all of handgrad

    with tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc="reading",
              dynamic_ncols=True, leave=False) as bar:  # fmt: skip
        yield bar.update


def _loss(dataset: Dataset, balance: bool) -> Any:
    """The usual loss; balanced, a class has the weight N / (K n) of its n samples."""
    if dataset.labels and not balance:
        return SigmoidCrossEntropy()
    if not balance:
        return loss_for(dataset.t_train)
    if dataset.classes is None:
        raise ValueError("--balance: weighs the classes of one target, which these data have not")
    count = np.bincount(dataset.t_train, minlength=len(dataset.classes))
    return SoftmaxCrossEntropy(class_weights=count.sum() / (len(count) * np.maximum(count, 1)))


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
    count = network.parameters.size
    most = max(100, min(20_000, int(WORK / (2 * PROVED * max(count, 1)))))
    chosen = f"\n{most:,} of {count:,} entries, chosen at random" if most < count else ""
    tell(
        f"proof: backprop against numerical differentiation, in float64, on {PROVED} samples"
        f"{chosen}"
    )
    proof: Proof = prove_network(
        network, dataset.x_train[:PROVED], dataset.t_train[:PROVED], loss, limit=most
    )
    tell(str(proof))
    tell(
        f"worst relative error {proof.worst:.1e}; for all {network.parameters.size:,} gradients "
        f"numerical differentiation\ntakes {_seconds(proof.numerical_seconds)}, backprop "
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
