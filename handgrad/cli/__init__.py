"""The `handgrad` command: train, predict, report, explain, check, golden, book and others."""

import click

from handgrad.cli.books import book
from handgrad.cli.checking import check_command
from handgrad.cli.costing import cost
from handgrad.cli.explaining import explain
from handgrad.cli.golden import golden
from handgrad.cli.predicting import predict
from handgrad.cli.processes import check_mpi
from handgrad.cli.reporting import replay_command, report
from handgrad.cli.training import train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="handgrad", prog_name="handgrad")
def main() -> None:
    """Neural networks whose every gradient can be read, proved and run."""


for command in (train, predict, report, replay_command, explain, check_command, golden, book,
                check_mpi, cost):  # fmt: skip
    main.add_command(command)
