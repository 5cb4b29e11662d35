"""The training doctor: what ails a training, measured while it runs or read from its history."""

from handgrad.train.watch.finding import (
    Diagnosis,
    Finding,
    Histogram,
    OutputReading,
    ParameterReading,
    Reading,
)

__all__ = [
    "Diagnosis",
    "Finding",
    "Histogram",
    "OutputReading",
    "ParameterReading",
    "Reading",
]
