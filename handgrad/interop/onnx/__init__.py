"""ONNX files: `load` one as a network that learns on, `save` one, `backend` to run them all."""

from handgrad.naming import names_of

__all__ = [
    "backend", "load", "load_training", "prepare", "run_model", "save", "save_training",
    "table_inputs", "verify",
]  # fmt: skip

__getattr__, __dir__ = names_of(
    __name__,
    __all__,
    later={
        "handgrad.interop.onnx.prepared": ("backend", "prepare", "run_model"),
        "handgrad.interop.onnx.convert": ("load",),
        "handgrad.interop.onnx.convert.training": ("load_training",),
        "handgrad.interop.onnx.export": ("save",),
        "handgrad.interop.onnx.export.training": ("save_training",),
        "handgrad.interop.onnx.export.tables": ("table_inputs",),
        "handgrad.interop.onnx.against": ("verify",),
    },
)
