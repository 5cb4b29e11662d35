"""PyTorch both ways: modules in, weights in and out, our layers among its modules."""

from handgrad.interop.compared import Verification
from handgrad.interop.torch.graph import from_torch
from handgrad.interop.torch.read_pt import read_pt
from handgrad.interop.torch.state import load_state_dict, state_arrays, state_dict
from handgrad.interop.torch.verify import verify
from handgrad.interop.torch.wrap import as_torch

__all__ = [
    "Verification",
    "as_torch",
    "from_torch",
    "load_state_dict",
    "read_pt",
    "state_arrays",
    "state_dict",
    "verify",
]
