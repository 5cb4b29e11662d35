"""`handgrad report` and `handgrad replay`: what a run was, as a page, and the same run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handgrad.report import Record, replay, run_report
from handgrad.terminal import plain_errors
from handgrad.train.dataset import Dataset


def record_of(out: Path, data: str, seed: int, dataset: Dataset, reading: dict[str, Any]) -> Record:
    """The callback that writes run.json for a training by the command."""
    known = ("targets", "header", "separator", "task")
    columns = {k: list(v) for k, v in reading.items() if isinstance(v, tuple) and k not in known}
    folder = reading["data_dir"]
    source = {name: reading[name] for name in known[1:]} | {
        "name": data, "seed": seed, "folder": None if folder is None else str(folder),
        "columns": columns, "targets": list(reading["targets"]),
    }  # fmt: skip
    return Record(out, data=source, classes=dataset.classes, columns=dataset.columns,
                  shape=dataset.shape)  # fmt: skip


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN…")
@click.option("--out", type=click.Path(path_type=Path), default=Path("report.html"),
              show_default=True, help="the page to write")  # fmt: skip
def report(runs: tuple[Path, ...], out: Path) -> None:
    """One HTML page of one run or of several, side by side, that needs no other file.

    RUN is the folder of a training, or its run.json.
    """
    with plain_errors():
        run_report(*runs, out=out)
        click.echo(f"report  {out}")


@click.command("replay")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path),
              help="where the data are now, if they have moved")  # fmt: skip
@click.option("--quiet", is_flag=True, help="no bar")
def replay_command(run: Path, data: Path | None, quiet: bool) -> None:
    """Train the RUN of a folder or run.json again, and say whether the weights are the same bits.

    The files of your own layers that it names are executed, if they are unchanged. Exit code: 0
    the same bits, 1 others, 2 the run cannot be trained again.
    """
    with plain_errors():
        replayed = replay(run, data=data, progress=False if quiet else None)
        click.echo(str(replayed))
    raise SystemExit(0 if replayed.same else 1)
