"""Schema: what the kernels of native/ are called, and their arguments by name.

Each kernel declares its arguments beside itself in C++; the library says them as one text
(`hg_schema`), of which schema.txt is a copy. Rows are built and checked by it, and its hash is what
must be the same in a library that is loaded. After a change of a kernel, `write` makes it anew.
"""

from __future__ import annotations

import ctypes
import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("schema.txt")
_DEFAULTS: dict[str, Any] = {"flag": False, "real": 0.0}
_ARRAYS = ("read", "write", "update")


@dataclass(frozen=True)
class Argument:
    """One argument of a kernel.

    kind: size, fixed (a size that does not grow with the batch), integer, flag, option, hyper (the
        index of a number of the step), real, or of an array read, write, update; values: the names
        of an option's values.
    """

    name: str
    kind: str
    optional: bool = False
    values: tuple[str, ...] = ()

    @property
    def array(self) -> bool:
        """Whether it is the address of an array."""
        return self.kind in _ARRAYS

    @property
    def required(self) -> bool:
        """Whether a row must give it."""
        return not (self.optional or self.values or self.kind in _DEFAULTS)

    @property
    def default(self) -> Any:
        """What it is in a row that does not give it."""
        return self.values[0] if self.values else _DEFAULTS.get(self.kind)


@dataclass(frozen=True)
class Kernel:
    """One kernel: its number in the library, its arguments in order, and what rows of it may do.

    samples: rows may take some samples through a stage. concurrent: they may run at the same time
    as others of their kind. shards: they add up over the batch by shards, where it is in shards.
    """

    name: str
    number: int
    arguments: dict[str, Argument]
    samples: bool
    concurrent: bool
    shards: bool

    def complete(self, given: dict[str, Any]) -> dict[str, Any]:
        """All arguments in order, from those given; ValueError names what does not fit."""
        if not (self._required <= given.keys() <= self._defaults.keys()):
            self._refuse(given)
        for name, values in self._options.items():
            if name in given and given[name] not in values:
                raise ValueError(
                    f"kernel {self.name}: {name} is {given[name]!r}, not one of {', '.join(values)}"
                )
        return self._defaults | given

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        return {name: a.default for name, a in self.arguments.items()}

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(name for name, a in self.arguments.items() if a.required)

    @cached_property
    def _options(self) -> dict[str, tuple[str, ...]]:
        return {name: a.values for name, a in self.arguments.items() if a.values}

    def _refuse(self, given: dict[str, Any]) -> None:
        unknown = [name for name in given if name not in self.arguments]
        missing = [name for name in self.arguments if name in self._required - given.keys()]
        wrong = [f"has no argument {', '.join(unknown)}"] if unknown else []
        wrong += [f"needs {', '.join(missing)}"] if missing else []
        raise ValueError(
            f"kernel {self.name} {' and '.join(wrong)}; it takes {', '.join(self.arguments)}"
        )


@cache
def kernels() -> dict[str, Kernel]:
    """Every kernel by its name."""
    return parse(PATH.read_text(encoding="ascii"))


def kernel(name: str) -> Kernel:
    """A kernel by its name; ValueError names those that there are."""
    found = kernels().get(name)
    if found is None:
        raise ValueError(f"there is no kernel {name!r}; there are {', '.join(sorted(kernels()))}")
    return found


def parse(text: str) -> dict[str, Kernel]:
    """The kernels that a schema describes (its form: native/schema.cpp)."""
    enums: dict[str, tuple[str, ...]] = {}
    found: dict[str, Kernel] = {}
    for line in text.splitlines():
        name, *words = line.split()
        if not line.startswith("  "):
            if name == "enum":
                enums[words[0]] = tuple(words[1:])
            elif name == "kernel":
                may = (word in words[1:] for word in ("samples", "concurrent", "shards"))
                last = Kernel(words[0], len(found), {}, *may)
                found[last.name] = last
            continue
        kind, *more = words
        values = enums[more[0]] if kind == "option" else ()
        last.arguments[name] = Argument(name, kind, words[-1] == "optional", values)
    return found


def hash_of(text: str) -> int:
    """The hash of a schema that a library says as hg_abi: CRC-32."""
    return zlib.crc32(text.encode("ascii"))


def text_of(library: str | Path) -> str:
    """The schema of a library file."""
    found = ctypes.CDLL(str(library))
    found.hg_schema.argtypes, found.hg_schema.restype = [], ctypes.c_char_p
    text: bytes = found.hg_schema()
    return text.decode("ascii")


def write(library: str | Path) -> None:
    """Make schema.txt anew from a library that was just built."""
    PATH.write_text(text_of(library), encoding="ascii")
