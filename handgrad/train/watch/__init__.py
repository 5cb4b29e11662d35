"""The training doctor: what ails a training, measured while it runs or read from its history.

finding.py   what is found and read, as plain data      rules.py   one table of all rules
measure/     the measurements                           judge/     what a rule looks for in them
watcher.py   the callback                               moved.py   why a weight moved
"""

from handgrad.train.watch.finding import (
    Diagnosis,
    Finding,
    Histogram,
    OutputReading,
    ParameterReading,
    Reading,
)
from handgrad.train.watch.moved import Move, Part, why_moved
from handgrad.train.watch.watcher import Watch, diagnose

__all__ = [
    "Diagnosis",
    "Finding",
    "Histogram",
    "Move",
    "OutputReading",
    "ParameterReading",
    "Part",
    "Reading",
    "Watch",
    "diagnose",
    "why_moved",
]
