"""Binary: the shared library with the native code, found beside the package and loaded.

The environment variable HANDGRAD_NATIVE names another file, or is `off` for none. Without the
library everything runs in NumPy; `why_not` says why.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path

from handgrad.compile import schema

NAME = "_handgrad" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


def library() -> ctypes.CDLL | None:
    """The loaded library, or None where there is none that can run here."""
    return _load()[0]


def why_not() -> str:
    """Why nothing can be compiled here, in one sentence; empty where it can."""
    return _load()[1]


def isa() -> str:
    """The instruction set that programs use here: AVX-512, AVX2 or NEON; empty without any."""
    found = library()
    return found.hg_isa().decode() if found else ""


def usable_threads() -> int:
    """Threads that this process may use: by affinity, cgroup and OMP_NUM_THREADS."""
    found = library()
    return found.hg_threads() if found else 1


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    asked = os.environ.get("HANDGRAD_NATIVE", "")
    if asked == "off":
        return None, "HANDGRAD_NATIVE is off"
    # `files` knows the second folder of an editable install, where what was built lies.
    path = Path(asked or str(files("handgrad") / NAME))
    if not path.exists():
        return None, f"no native library at {asked}" if asked else "no native library was built"
    try:
        found = _declare(ctypes.CDLL(str(path)))
    except (OSError, AttributeError) as error:  # of another machine; without a function of ours
        return None, f"the native library cannot be loaded: {error}"
    if found.hg_isa() and found.hg_abi() != schema.hash_of(schema.PATH.read_text("ascii")):
        return None, (
            f"the native library is of another version, with other kernels or arguments: {path}; "
            "install handgrad again"
        )
    if not found.hg_isa():
        return None, "this processor has no AVX2"
    return found, ""


def _declare(found: ctypes.CDLL) -> ctypes.CDLL:
    """Say the types of the functions of native/api.h that know nothing of programs."""
    found.hg_abi.argtypes, found.hg_abi.restype = [], ctypes.c_uint32
    found.hg_threads.argtypes = []
    found.hg_isa.argtypes, found.hg_isa.restype = [], ctypes.c_char_p
    found.hg_use_isa.argtypes = [ctypes.c_char_p]
    return found
