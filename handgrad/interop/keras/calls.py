"""Calls of layers as a functional model's file states them: what each takes, in which order."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping
from typing import Any

from handgrad.interop.keras.builder import Value

Made = Value | list[Value]  # what a layer gives: a list, where it has several outputs
Key = tuple[str, int, int]  # an output: the layer's name, the number of the call, which output


def in_order(
    needed: dict[tuple[str, int], list[tuple[str, int]]], known: Mapping[tuple[str, int], Made]
) -> Iterator[tuple[str, int]]:  # fmt: skip
    """The calls, each behind those whose outputs it takes."""
    left = {key: set(sources) - known.keys() for key, sources in needed.items()}
    users: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for key, sources in left.items():
        for source in sources:
            users.setdefault(source, []).append(key)
    ready = deque(key for key, sources in left.items() if not sources and key not in known)
    while ready:
        key = ready.popleft()
        yield key
        for user in users.get(key, ()):
            left[user].discard(key)
            if not left[user]:
                ready.append(user)
    stuck = [name for (name, _), sources in left.items() if sources]
    if stuck:
        raise ValueError(f"{stuck[0]!r} takes what no layer gives")


def keys(value: Any) -> list[Key]:
    """Inputs or outputs; a single one lies without a list."""
    if len(value) == 3 and isinstance(value[0], str):
        value = [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [(name, int(node), int(which)) for name, node, which in value]


def chosen(outputs: list[Key], name: str | None) -> Key:
    """The output of this name, or the only one."""
    names = [f"{n}:{which}" if which else n for n, _, which in outputs]
    if name is None and len(outputs) > 1:
        raise ValueError(f"the model has the outputs {', '.join(names)}; choose one by output=")
    if name is not None and name not in names:
        raise ValueError(f"there is no output {name!r}; there are {', '.join(names)}")
    return outputs[0 if name is None else names.index(name)]


def output_of(
    key: Key, values: Mapping[tuple[str, int], Made], wrong: Container[str]
) -> Value:  # fmt: skip
    """One output of a layer; of one that has no counterpart, what stands for it."""
    name, call, which = key
    made = values[name, call]
    found = made if isinstance(made, list) else [made]
    if which >= len(found) and name in wrong:
        which = 0
    if not 0 <= which < len(found):
        raise ValueError(f"{name!r} gives {len(found)} outputs; number {which} is taken")
    return found[which]


def sources(node: Any) -> list[tuple[str, int]]:
    """The calls whose outputs a node takes."""
    if isinstance(node, list):  # as older versions wrote it
        return [(one[0], one[1]) for one in node]
    return [key[:2] for key in _tensors([node["args"], *node.get("kwargs", {}).values()])]


def _tensors(arg: Any) -> list[Key]:
    if isinstance(arg, list):
        return [key for one in arg for key in _tensors(one)]
    if isinstance(arg, dict) and arg.get("class_name") == "__keras_tensor__":
        name, node, which = arg["config"]["keras_history"]
        return [(name, node, which)]
    return []


def arguments(
    node: Any, values: Mapping[tuple[str, int], Made], wrong: Container[str]
) -> tuple[list[Any], dict[str, Any]]:  # fmt: skip
    """What a node takes, values and numbers in order, and its options where they say anything."""
    if isinstance(node, list):
        for one in node:
            if any(v not in (None, False) for v in (one[3] if len(one) > 3 else {}).values()):
                raise ValueError(f"a call with {', '.join(one[3])}, as an older version wrote it")
        return [output_of((one[0], one[1], one[2]), values, wrong) for one in node], {}

    def resolved(arg: Any) -> Any:
        if isinstance(arg, list):
            return [resolved(one) for one in arg]
        found = _tensors(arg)
        return output_of(found[0], values, wrong) if found else arg

    options = {k: v for k, v in node.get("kwargs", {}).items() if v not in (None, False)}
    flat = [one for arg in node["args"] for one in (arg if isinstance(arg, list) else [arg])]
    return [resolved(arg) for arg in flat], {k: resolved(v) for k, v in options.items()}
