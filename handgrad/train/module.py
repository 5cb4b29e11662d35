"""Executing a Python file that the user named."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_module(path: Path) -> ModuleType:
    """Execute a Python file as a module; files beside it can be imported by it.

    Raises ValueError, in one line, where the file is missing or its code fails.
    """
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    if not path.is_file() or path.suffix != ".py":
        raise ValueError(f"{path} is not a Python file (FILE.py)")
    name = f"handgrad_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path} cannot be executed: {what}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module
