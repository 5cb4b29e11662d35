"""The books *Deep Learning from Scratch* 1 and 2: their scripts, run on handgrad's layers."""

from handgrad.book.run import run_script

__all__ = ["run_script"]
