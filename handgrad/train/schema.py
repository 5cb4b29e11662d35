"""Checks of data that came from outside: what a value must be, and one line for what it is not.

A check is a function of (value, where) that returns the value, or raises ValueError naming where
in the data it stands, the rule, and what was found. Checks are combined into larger ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Check = Callable[[Any, str], Any]

DEPTH = 200  # levels of lists and dicts in a document: what builds and walks them is recursive
WORD = 2**64  # numbers of random streams are 64-bit words


def brief(value: Any) -> str:
    """A value in an error: cut where it is long, and on one line."""
    shown = " ".join(repr(value)[:200].split())
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def refuse(where: str, rule: str, value: Any) -> ValueError:
    """The error for a value that breaks a rule; to be raised."""
    return ValueError(f"{where} must be {rule}, got {brief(value)}")


def kind(rule: str, *types: type) -> Check:
    """A value of one of these types; True and False count as integers only where bool is named."""

    def check(value: Any, where: str) -> Any:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise refuse(where, rule, value)
        return value

    return check


text = kind("text", str)
number = kind("a number", int, float)
anything: Check = lambda value, where: value  # noqa: E731


def integer(low: int, high: int) -> Check:
    """An integer from low up to, not including, high."""

    def check(value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < high:
            raise refuse(where, f"an integer from {low} to {high - 1}", value)
        return value

    return check


def one_of(*values: Any) -> Check:
    """One of these values."""

    def check(value: Any, where: str) -> Any:
        if not any(type(value) is type(v) and value == v for v in values):
            raise refuse(where, f"one of {', '.join(map(repr, values))}", value)
        return value

    return check


def optional(check: Check) -> Check:
    """None, or what `check` wants."""
    return lambda value, where: value if value is None else check(value, where)


def list_of(check: Check, length: int | None = None) -> Check:
    """A list whose every entry passes."""

    def checked(value: Any, where: str) -> Any:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            raise refuse(where, "a list" if length is None else f"a list of {length}", value)
        for i, entry in enumerate(value):
            check(entry, f"{where}[{i}]")
        return value

    return checked


def mapping(check: Check) -> Check:
    """A dict from text to what passes."""

    def checked(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise refuse(where, "a dict", value)
        for key, entry in value.items():
            check(entry, f"{where}.{text(key, f'a key of {where}')}")
        return value

    return checked


def record(required: Mapping[str, Check], also: Mapping[str, Check] | None = None) -> Check:
    """A dict with these keys, and perhaps those of `also`, and no others."""
    checks = {**required, **(also or {})}

    def checked(value: Any, where: str) -> Any:
        mapping(anything)(value, where)
        for key in required:
            if key not in value:
                raise ValueError(f"{where} lacks {key!r}")
        for key, entry in value.items():
            if key not in checks:
                raise ValueError(f"{where} has an unknown entry {brief(key)}")
            checks[key](entry, f"{where}.{key}")
        return value

    return checked


def parse(source: str | bytes, where: str) -> Any:
    """JSON as data, of at most DEPTH levels."""
    try:
        value = json.loads(source)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"{where} is not JSON ({reason})") from None
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"{where} is nested more than {DEPTH} levels deep")
        inner = [v.values() if isinstance(v, dict) else v for v in level
                 if isinstance(v, dict | list)]  # fmt: skip
        level = [entry for entries in inner for entry in entries]
    return value


def plain(value: Any, where: str, level: int = 0) -> Any:
    """A value as JSON data: dicts with text keys, lists, text, numbers, None; arrays stay.

    Raises ValueError naming where something else stands, or what is nested too deeply.
    """
    if level > DEPTH:
        raise ValueError(f"{where[:60]}… cannot be saved: it is nested more than {DEPTH} levels")
    if value is None or isinstance(value, bool | int | float | str | np.ndarray):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {
            text(k, f"a key of {where}"): plain(v, f"{where}.{k}", level + 1)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(v, f"{where}[{i}]", level + 1) for i, v in enumerate(value)]
    raise ValueError(f"{where} cannot be saved: {type(value).__name__} is not plain data")


def like(state: Any, pattern: Any, where: str) -> None:
    """Raise ValueError unless `state` has the keys and the kinds of values of `pattern`.

    An empty dict or list in the pattern stands for any; None for anything.
    """
    if isinstance(pattern, Mapping):
        if not isinstance(state, Mapping):
            raise refuse(where, "a dict", state)
        for key in pattern if pattern else ():
            if key not in state:
                raise ValueError(f"{where} lacks {key!r}")
            like(state[key], pattern[key], f"{where}.{key}")
    elif isinstance(pattern, np.ndarray):
        same = isinstance(state, np.ndarray) and state.dtype.kind == pattern.dtype.kind
        if not same or state.ndim != pattern.ndim:
            raise refuse(where, f"an array of {pattern.ndim} axes of {pattern.dtype}", state)
    elif isinstance(pattern, list):
        kind("a list", list)(state, where)
    elif isinstance(pattern, int | float) and not isinstance(pattern, bool):
        wanted = (int,) if isinstance(pattern, int) else (int, float)
        kind("an integer" if wanted == (int,) else "a number", *wanted)(state, where)
