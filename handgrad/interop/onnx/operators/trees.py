"""The operators of classical machine learning that are plain arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.reduction import softmax
from handgrad.interop.onnx.operators.registry import ML, operator

COMPARE = (np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal)


@operator("Binarizer", domain=ML)
def binarizer(x, *, threshold=0.0):
    return (x > threshold).astype(x.dtype)


@operator("TreeEnsemble", domain=ML, since=5)
def tree_ensemble(x, *, aggregate_function=1, post_transform=0, n_targets=1, tree_roots,
                  nodes_featureids, nodes_modes, nodes_splits, nodes_truenodeids,
                  nodes_falsenodeids, nodes_trueleafs, nodes_falseleafs, leaf_targetids,
                  leaf_weights, nodes_missing_value_tracks_true=None, nodes_hitrates=None,
                  membership_values=None):  # fmt: skip
    """For each target the sum (or mean, least, greatest) of the leaves that x falls into."""
    members = members_of(nodes_modes, membership_values)
    missing = nodes_missing_value_tracks_true or [0] * len(nodes_modes)

    def leaf(sample: Any, node: int) -> int:
        for _ in range(len(nodes_modes)):
            value = sample[nodes_featureids[node]]
            if np.isnan(value):
                yes = bool(missing[node])
            elif nodes_modes[node] == 6:
                yes = value in members[node]
            else:
                yes = bool(COMPARE[int(nodes_modes[node])](value, nodes_splits[node]))
            ids, leaves = (
                (nodes_truenodeids, nodes_trueleafs) if yes else
                (nodes_falsenodeids, nodes_falseleafs)
            )  # fmt: skip
            if leaves[node]:
                return int(ids[node])
            node = ids[node]
        raise ValueError("a tree has no leaf at its end")

    y = np.zeros((len(x), n_targets), x.dtype)
    combine = (np.mean, np.sum, np.min, np.max)[aggregate_function]
    for i, sample in enumerate(x):
        found: dict[int, list[Any]] = {}
        for root in tree_roots:
            at = leaf(sample, root)
            found.setdefault(leaf_targetids[at], []).append(leaf_weights[at])
        for target, weights in found.items():
            y[i, target] = combine(weights)
    if post_transform == 1:
        return softmax(y)
    return 1 / (1 + np.exp(-y)) if post_transform == 2 else y


def members_of(modes: Any, values: Any) -> dict[int, set[float]]:
    """The members of each node that asks for them; NaN stands between two sets."""
    if values is None:
        return {}
    sets, now = [], set[float]()
    for v in values.reshape(-1):
        if np.isnan(v):
            sets.append(now)
            now = set()
        else:
            now.add(v)
    return dict(zip(np.flatnonzero(modes == 6), [*sets, now]))
