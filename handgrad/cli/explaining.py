"""`handgrad explain`: a page on which a network is stepped through, on rows of data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from handgrad.cli.predicting import header_option
from handgrad.explain.stepping import step_page
from handgrad.network import Network
from handgrad.terminal import plain_errors
from handgrad.train import load_checkpoint
from handgrad.train.dataset import Dataset
from handgrad.train.loading import NAMES, load_data
from handgrad.train.nets import fitted, network_from_file


@click.command()
@click.argument("target")
@click.option("--data", required=True, help=f"as in training: {', '.join(NAMES)}, or a file")
@click.option("--rows", default="0:8", show_default=True, metavar="FIRST:END",
              help="which of the samples to learn from")  # fmt: skip
@click.option("--net", help="FILE.py with the classes of a MODEL of your own; it is executed")
@click.option("--out", type=click.Path(path_type=Path), default=Path("explain.html"),
              show_default=True, help="the page")  # fmt: skip
@click.option("--target", "column", default="-1", metavar="COLUMN",
              help="of a table, what is predicted  [default: the last]")  # fmt: skip
@header_option
@click.option("--seed", type=int, default=0, show_default=True, help="of the training's split")
@click.option("--data-dir", type=click.Path(path_type=Path), help="folder with MNIST's files")
def explain(target: str, **options: Any) -> None:
    """Step through a network of FILE.py[:name], or of MODEL.safetensors, in a browser.

    One HTML file, which needs no other: forward and backward, one layer at a time, with the chain
    rule in numbers, the layer's own code, and numerical differentiation beside it; inputs and
    parameters can be edited, and trained. A Python file is executed.
    """
    with plain_errors():
        _explain(target, **options)


def _explain(
    target: str, *, data: str, rows: str, net: str | None, out: Path, column: str, seed: int,
    header: bool | None, data_dir: Path | None,
) -> None:  # fmt: skip
    wanted = _rows(rows)
    number = int(column) if re.fullmatch(r"-?\d+", column) else column
    dataset = load_data(data, data_dir, target=number, header=header, seed=seed)
    network = _network(target, net, dataset)
    dataset = fitted(network, dataset, target)
    x, t = dataset.x_train[wanted], dataset.t_train[wanted]
    if not len(x):
        raise ValueError(
            f"--rows: {data} has {len(dataset.x_train):,} samples to learn from, numbered from 0; "
            f"none is in {rows}"
        )
    page = step_page(network, x, t=t, title=f"{Path(target).name} on {dataset.name}, rows {rows}")
    page.save(out)
    size = out.stat().st_size / 1e6
    click.echo(f"{out}: {size:.2f} MB, {page.steps} steps; open it in a browser")
    if page.uncomputed:
        click.echo(f"not computed by the page, with Python's numbers: {', '.join(page.uncomputed)}")


def _rows(text: str) -> slice:
    """Rows as Python slices them, or the number of one. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d*):(\d*)|(\d+)", text.strip())
    if found is None:
        raise ValueError(f"--rows: numbers such as 0:8 or 3 are needed, got {text!r}")
    first, end, one = found.groups()
    if one is not None:
        return slice(int(one), int(one) + 1)
    return slice(int(first or 0), int(end) if end else None)


def _network(target: str, net: str | None, dataset: Dataset) -> Network:
    """The network of a Python file or of a saved model."""
    if ".py" in target:
        return network_from_file(target, target)[0]
    saved = load_checkpoint(target, classes=network_from_file(net)[1] if net else [])
    if saved.table != dataset.table:
        raise ValueError(
            f"--data: {dataset.name} is not the table that {target} was trained on, or --seed and "
            "--target are others than there"
        )
    return saved.network
