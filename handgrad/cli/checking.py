"""`handgrad check`: prove the backward passes of a file, or of the library itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from importlib.metadata import version
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np

from handgrad.findings.html import report_html
from handgrad.layers.samples import SAMPLES
from handgrad.prove import check
from handgrad.terminal import plain_errors
from handgrad.testing.discover import discover
from handgrad.testing.formats import Found, to_json, to_junit, to_sarif, to_text
from handgrad.train.write import write_whole

# What `handgrad check` can write, by option: from the list of what was found to the file's bytes.
WRITERS: dict[str, Callable[[list[Found]], bytes]] = {
    "html": lambda found: report_html([f.report for f in found if f.report is not None]).encode(),
    "json": to_json,
    "junit": to_junit,
    "sarif": lambda found: to_sarif(found, version("handgrad")),
}


@click.command("check")
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
