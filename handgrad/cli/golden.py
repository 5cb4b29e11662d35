"""`handgrad golden`: vectors for ports to test themselves by."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from handgrad.interop.files import check_golden, write_golden
from handgrad.terminal import plain_errors, say

MOST = 20  # differences that are shown


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="compare the vectors in FOLDER with this library")
def golden(folder: Path, check: bool) -> None:
    """Write golden vectors into FOLDER: index.json, float64.npz, float32.npz.

    For every layer: arguments, inputs, parameters, outputs, upstream and all gradients, so that a
    port in any language can test itself.
    """
    with plain_errors():
        if not check:
            for path in write_golden(folder):
                say(f"{path.stat().st_size / 1e6:.2f} MB  {path}")
            return
        wrong = check_golden(folder)
    for line in wrong[:MOST]:
        say(line)
    if len(wrong) > MOST:
        say(f"and {len(wrong) - MOST} more")
    counted = f"{len(wrong)} difference{'s' * (len(wrong) > 1)}"
    say(counted if wrong else "the vectors are those of this library")
    sys.exit(1 if wrong else 0)
