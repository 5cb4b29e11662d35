"""Attributes of objects: which a method assigns, which are arguments, how they are shown."""

from __future__ import annotations

import dis
import inspect
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

import numpy as np


@lru_cache(maxsize=1024)
def assigned(cls: type, method: str) -> frozenset[str]:
    """Names of the attributes that a method, with the class's methods that it calls, assigns.

    What code in C or outside the class does is not seen.
    """
    names: set[str] = set()
    seen: set[CodeType] = set()
    waiting = _codes(cls, method, inherited=False)
    while waiting:
        code = waiting.pop()
        if code in seen:
            continue
        seen.add(code)
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        inherited = "super" in code.co_names
        for instruction in dis.get_instructions(code):
            if instruction.opname == "STORE_ATTR":
                names.add(instruction.argval)
            elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"):
                waiting += _codes(cls, instruction.argval, inherited)
    return frozenset(names)


def _codes(cls: type, name: str, inherited: bool) -> list[CodeType]:
    """The code of a method; with `inherited`, of all classes behind this one that have it."""
    found = [vars(c)[name] for c in cls.__mro__ if name in vars(c)]
    plain = [f.__func__ if isinstance(f, staticmethod | classmethod) else f for f in found]
    functions = [inspect.unwrap(f) for f in plain[: None if inherited else 1] if callable(f)]
    return [f.__code__ for f in functions if isinstance(f, FunctionType)]


def arguments(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor's parameters by name, without self and without *args."""
    constructor: Any = inspect.getattr_static(cls, "__init__")
    if constructor is object.__init__:
        return {}
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        parameters = list(inspect.signature(constructor).parameters.values())[1:]
    except (TypeError, ValueError):  # written in C, without a signature
        return {}
    return {p.name: p for p in parameters if p.kind not in variadic}


def given(thing: Any, members: tuple[Any, ...] = ()) -> list[str]:
    """How members, and arguments that are not the usual ones, are shown in a repr."""
    shown = [short(member) for member in members]
    for name, parameter in arguments(type(thing)).items():
        try:
            value = getattr(thing, name)
            text, usual = short(value), (value == parameter.default) is True
        except Exception:  # an argument that was not kept, a property that fails
            text, usual = "?", False
        if not usual and text != short(parameter.default):
            bare = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
            shown.append(text if bare and not members else f"{name}={text}")
    return shown


def short(value: Any) -> str:
    """The repr of a value in one piece; never raises."""
    if isinstance(value, np.ndarray) and value.size > 16:
        return f"array(shape={value.shape}, dtype={value.dtype})"
    try:
        return repr(value)
    except Exception:  # a __repr__ that fails
        return f"<{type(value).__name__}>"
