"""Runs: stretches of the flat parameter array whose entries an optimizer treats alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from handgrad.arrays import Array

Layout = Sequence[tuple[str, int, int, tuple[int, ...]]]


class Run(NamedTuple):
    """One stretch: the path of its first parameter, its slice, its lr factor, its decay."""

    path: str
    where: slice
    scale: float
    decays: bool


def lies_under(path: str, prefix: str) -> bool:
    """Whether a parameter's path is `prefix` or lies below it; every path lies under ""."""
    return prefix in ("", path) or path.startswith(prefix + ".")


def decays(path: str, shape: tuple[int, ...], decay_on: Sequence[str] | None) -> bool:
    """Whether a parameter decays: those under `decay_on`, by default those with ≥ 2 axes."""
    if decay_on is None:
        return len(shape) >= 2
    return any(lies_under(path, prefix) for prefix in decay_on)


def scale_of(path: str, lr_scale: Mapping[str, float]) -> float:
    """The learning rate factor of a parameter: that of the longest prefix it lies under."""
    prefixes = [prefix for prefix in lr_scale if lies_under(path, prefix)]
    return lr_scale[max(prefixes, key=len)] if prefixes else 1.0


def check_prefixes(owner: str, option: str, prefixes: Iterable[str], layout: Layout) -> None:
    """ValueError for a prefix under which no parameter lies: most likely it is misspelt."""
    paths = [path for path, *_ in layout]
    for prefix in prefixes:
        if not any(lies_under(path, prefix) for path in paths):
            raise ValueError(
                f"{owner}: {option} names {prefix!r}, but the parameters are {', '.join(paths)}"
            )


def merge(runs: Iterable[Run]) -> list[Run]:
    """The same runs with neighbours that are treated alike joined: usually one run is left."""
    merged: list[Run] = []
    for run in runs:
        last = merged[-1] if merged else None
        if last and last.where.stop == run.where.start and last[2:] == run[2:]:
            merged[-1] = last._replace(where=slice(last.where.start, run.where.stop))
        else:
            merged.append(run)
    return merged


def dict_layout(owner: str, params: Mapping[str, Array], grads: Mapping[str, Array]) -> Layout:
    """The layout of a dict of parameters, by sorted key. Checks that its gradients fit."""
    if params.keys() != grads.keys():
        alone = ", ".join(sorted(map(str, params.keys() ^ grads.keys())))
        raise ValueError(f"{owner}: params and grads must have the same keys; only one has {alone}")
    layout, start = [], 0
    for key in sorted(params):
        p, g = params[key], grads[key]
        if getattr(getattr(p, "dtype", None), "kind", "") != "f":
            got = getattr(p, "dtype", type(p).__name__)
            raise ValueError(f"{owner}: params[{key!r}] must be an array of floats, got {got}")
        if getattr(g, "shape", None) != p.shape:
            got = getattr(g, "shape", type(g).__name__)
            raise ValueError(f"{owner}: grads[{key!r}] must have shape {p.shape}, got {got}")
        layout.append((key, start, start + p.size, p.shape))
        start += p.size
    return layout
