"""`python -m handgrad`: the command without its script."""

from handgrad.cli import main

main(prog_name="handgrad")
