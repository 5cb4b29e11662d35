"""Training: data, the loop, metrics, callbacks, model files."""

from typing import TYPE_CHECKING

from handgrad.naming import names_of
from handgrad.train.averaging import EMA, SWA
from handgrad.train.callbacks import Call, Callback, EarlyStopping, Progress, SaveModel
from handgrad.train.checkpoint import Checkpoint, load, load_checkpoint, save
from handgrad.train.data import split
from handgrad.train.datasets import circles, digits, gates, moons, sine, spiral
from handgrad.train.diverge import DivergenceError
from handgrad.train.fitting import fit
from handgrad.train.history import History
from handgrad.train.loop import Trainer
from handgrad.train.metrics import (
    accuracy,
    average_precision,
    balanced_accuracy,
    brier_loss,
    calibration_curve,
    confusion_matrix,
    f1,
    log_loss,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    ndcg,
    precision,
    r2,
    recall,
    roc_auc,
    root_mean_squared_error,
    top_k_accuracy,
)
from handgrad.train.spec import InputSpec, OutputSpec
from handgrad.train.watch import Watch, diagnose, why_moved

if TYPE_CHECKING:
    from handgrad.train import augment as augment
    from handgrad.train import datasets as datasets
    from handgrad.train import metrics as metrics
    from handgrad.train import text as text
    from handgrad.train.cifar import cifar10
    from handgrad.train.files import read_csv
    from handgrad.train.images import fashion_mnist, mnist
    from handgrad.train.pictures import read_pictures
    from handgrad.train.sliding import windows
    from handgrad.train.tables import Table, TableSpec, read_table

__all__ = [
    "EMA", "SWA", "Call", "Callback", "Checkpoint", "DivergenceError", "EarlyStopping", "History",
    "InputSpec", "OutputSpec", "Progress", "SaveModel", "Table", "TableSpec", "Trainer", "Watch",
    "accuracy", "average_precision", "balanced_accuracy", "brier_loss", "calibration_curve",
    "cifar10", "circles", "confusion_matrix", "diagnose", "digits", "f1", "fashion_mnist", "fit",
    "gates", "load", "load_checkpoint", "log_loss", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mnist", "moons", "ndcg", "precision",
    "r2", "read_csv", "read_pictures", "read_table", "recall", "roc_auc",
    "root_mean_squared_error", "save", "sine", "spiral", "split", "top_k_accuracy", "why_moved",
    "windows",
]  # fmt: skip

# What reads archives and speaks to servers is imported when first asked for.
__getattr__, __dir__ = names_of(
    __name__,
    __all__,
    later={
        "handgrad.train.cifar": ("cifar10",),
        "handgrad.train.files": ("read_csv",),
        "handgrad.train.images": ("fashion_mnist", "mnist"),
        "handgrad.train.pictures": ("read_pictures",),
        "handgrad.train.tables": ("Table", "TableSpec", "read_table"),
        "handgrad.train.sliding": ("windows",),
    },
    modules={name: f"{__name__}.{name}" for name in ("augment", "datasets", "metrics", "text")},
)
