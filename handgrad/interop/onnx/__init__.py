"""ONNX files: `load` one as a network that learns on, `save` one, `backend` to run them all."""

from typing import Any

from handgrad.interop.onnx.backend import prepare, run_model, supports_device
from handgrad.naming import names_of

__all__ = ["backend", "load", "prepare", "run_model", "save", "supports_device"]

_find, __dir__ = names_of(
    __name__,
    __all__,
    later={
        "handgrad.interop.onnx.convert": ("load",),
        "handgrad.interop.onnx.export": ("save",),
    },
)


def __getattr__(name: str) -> Any:
    if name == "backend":  # a class of the onnx package's, made where that package is
        from handgrad.interop.onnx import backend as module

        return module.backend()
    return _find(name)
