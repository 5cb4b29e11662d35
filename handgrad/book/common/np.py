"""What the second book's scripts import with a star: the array module, and the switch."""

import numpy as np

from handgrad.book.common.config import GPU

__all__ = ["GPU", "np"]
