"""`handgrad predict`: a table of predictions of a saved model."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from handgrad.terminal import complain, plain_errors
from handgrad.train import load_checkpoint
from handgrad.train.inputs import predictions
from handgrad.train.nets import network_from_file
from handgrad.train.write import written

UNIX: Any = {"lineterminator": "\n"}

header_option = click.option(
    "--header/--no-header", default=None, help="line 1 of a CSV file has names, or data"
)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--net", help="FILE.py with the classes of a network of your own; it is executed")
@click.option("--out", type=click.Path(path_type=Path), help="write the table to this file")
@click.option("--id", "name", help="column that names the rows  [default: the one of training]")
@click.option("--probabilities", is_flag=True, help="a column for the probability of each class")
@header_option
def predict(
    model: Path, file: Path, net: str | None, out: Path | None, name: str | None,
    probabilities: bool, header: bool | None,
) -> None:  # fmt: skip
    """Predictions of a saved MODEL for the rows of FILE, as a CSV table.

    FILE is .npz, or a table such as the model was trained on, with the same columns in any order.
    Beside the predictions stands the column that names the rows, or else their number.
    """
    with plain_errors():
        classes = network_from_file(net)[1] if net else []
        saved = load_checkpoint(model, classes=classes)
        rows = predictions(saved, file, header, name, probabilities, complain)
        if out is None:
            csv.writer(_Text(lambda text: click.echo(text, nl=False)), **UNIX).writerows(rows)
            return
        with written(out) as table:
            csv.writer(_Text(lambda text: table.write(text.encode())), **UNIX).writerows(rows)


class _Text:
    """What the csv module writes to: text that goes to a function."""

    def __init__(self, write: Callable[[str], Any]):
        self.write = write
