"""`handgrad.train.datasets` by a shorter name."""

import sys
from typing import TYPE_CHECKING

from handgrad.train import datasets

if TYPE_CHECKING:
    from handgrad.train.datasets import *  # noqa: F403

sys.modules[__name__] = datasets
