"""`handgrad.train.metrics` by a shorter name."""

import sys
from typing import TYPE_CHECKING

from handgrad.train import metrics

if TYPE_CHECKING:
    from handgrad.train.metrics import *  # noqa: F403

sys.modules[__name__] = metrics
