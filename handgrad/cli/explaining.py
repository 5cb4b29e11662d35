"""`handgrad explain`: a page on which a network is stepped through, on rows of data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import numpy as np

from handgrad.cli.predicting import header_option
from handgrad.explain.stepping import step_page
from handgrad.network import Network
from handgrad.terminal import plain_errors
from handgrad.train import load_checkpoint
from handgrad.train.dataset import Dataset
from handgrad.train.loading import NAMES, load_data
from handgrad.train.module import load_module
from handgrad.train.nets import fitted, network_from_file, network_in


@click.command()
@click.argument("target")
@click.option("--data", help=f"as in training: {', '.join(NAMES)}, or a file  "
              "[default: x, and t and loss if there are, in FILE.py]")  # fmt: skip
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


def _explain(target: str, *, data: str | None, rows: str, out: Path, **reading: Any) -> None:
    wanted = _rows(rows)
    if data is None:
        network, x, t, loss = _of_file(target)
        name = "its x"
    else:
        network, dataset = _on_data(target, data, **reading)
        x, t, loss, name = dataset.x_train, dataset.t_train, None, dataset.name
    if not len(x[wanted]):
        raise ValueError(
            f"--rows: {name} has {len(x):,} samples, numbered from 0; none is in {rows}"
        )
    title = f"{Path(target).name} on {name}, rows {rows}"
    page = step_page(network, x[wanted], t=None if t is None else t[wanted], loss=loss, title=title)
    page.save(out)
    size = out.stat().st_size / 1e6
    click.echo(f"{out}: {size:.2f} MB, {page.steps} steps; open it in a browser")
    if page.uncomputed:
        click.echo(f"not computed by the page, with Python's numbers: {', '.join(page.uncomputed)}")


def _of_file(target: str) -> tuple[Network, Any, Any, Any]:
    """The network of a Python file, and its x, t and loss."""
    path, _, name = target.partition(":")
    if not path.endswith(".py"):
        raise ValueError(f"--data: the data to show {target} on are needed")
    module = load_module(Path(path))
    network, _ = network_in(module, path, name, target)
    if not hasattr(module, "x"):
        raise ValueError(f"--data: data are needed, or an array x (and t) in {path}")
    x, t = np.asarray(module.x), getattr(module, "t", None)
    if not x.ndim:
        raise ValueError(f"{path}: x must have a row for each sample, got a number")
    return network, x, None if t is None else np.asarray(t), getattr(module, "loss", None)


def _on_data(
    target: str, data: str, *, net: str | None, column: str, seed: int, header: bool | None,
    data_dir: Path | None,
) -> tuple[Network, Dataset]:  # fmt: skip
    """The network, and data in the shape that it takes."""
    number = int(column) if re.fullmatch(r"-?\d+", column) else column
    dataset = load_data(data, data_dir, target=number, header=header, seed=seed)
    network = _network(target, net, dataset)
    return network, fitted(network, dataset, target)


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
