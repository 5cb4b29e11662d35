"""`handgrad.interop.onnx` by a shorter name."""

import sys
from typing import TYPE_CHECKING

from handgrad.interop import onnx

if TYPE_CHECKING:
    from handgrad.interop.onnx import *  # noqa: F403

sys.modules[__name__] = onnx
