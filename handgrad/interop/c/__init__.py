"""One C file with its backward: see `export_c`."""

from handgrad.interop.c.export import Exported, export_c

__all__ = ["Exported", "export_c"]
