"""`handgrad book`: a chapter's script of the books, on handgrad."""

from __future__ import annotations

from pathlib import Path

import click

from handgrad.book.run import run_script
from handgrad.terminal import Refused, plain_errors


@click.command(context_settings={"ignore_unknown_options": True})
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
