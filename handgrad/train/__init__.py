"""Training: data, the loop, metrics, callbacks, model files."""

from handgrad.train.callbacks import Call, Callback, EarlyStopping, Progress, SaveModel
from handgrad.train.checkpoint import Checkpoint, load, load_checkpoint, save
from handgrad.train.diverge import DivergenceError
from handgrad.train.history import History
from handgrad.train.loop import Trainer, fit
from handgrad.train.metrics import accuracy
from handgrad.train.spec import InputSpec, OutputSpec

__all__ = [
    "Call", "Callback", "Checkpoint", "DivergenceError", "EarlyStopping", "History", "InputSpec",
    "OutputSpec", "Progress", "SaveModel", "Trainer", "accuracy", "fit", "load",
    "load_checkpoint", "save",
]  # fmt: skip
