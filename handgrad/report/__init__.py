"""Runs in files: what a training was, to be trained again to the bit, and as one page to read."""

from handgrad.report.page import run_report
from handgrad.report.record import Record
from handgrad.report.replay import Replayed, replay

__all__ = ["Record", "Replayed", "replay", "run_report"]
