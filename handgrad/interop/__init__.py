"""Interchange: doors through which networks leave and come in, each imported when used."""

from handgrad.naming import names_of

__all__: list[str] = []

__getattr__, __dir__ = names_of(
    __name__,
    __all__,
    modules={
        "c": "handgrad.interop.c", "files": "handgrad.interop.files",
        "keras": "handgrad.interop.keras", "onnx": "handgrad.interop.onnx",
        "torch": "handgrad.interop.torch",
    },
)  # fmt: skip
