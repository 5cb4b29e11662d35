"""How the contributions of the outputs are added up, where several belong to one entry."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding


def overwritten(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Where several outputs contribute to one entry only the last is left, or their mean."""
    indexed = any(np.asarray(x).dtype.kind in "iu" for x in hypothesis.base.run.inputs)
    if len(hypothesis.upstream) != 1 or (hypothesis.serves_batch and not indexed):
        return
    parts = hypothesis.contributions
    axes = range(1, parts.ndim)
    sparse = [a for a in axes if not parts.any(tuple(b for b in axes if b != a)).all()]
    chosen = [c for n in range(1, len(sparse) + 1) for c in combinations(sparse, n)]
    for along in chosen:  # of plain sums see which part is left in upstream.py
        rest = tuple(a for a in axes if a not in along)
        there = parts.sum(rest).reshape(len(parts), -1)
        seen = abs(parts).max(rest, initial=0).reshape(there.shape) > 0
        count = seen.sum(1)
        if count.max(initial=0) < 2:
            continue
        entries, width = np.arange(len(there)), there.shape[1] - 1
        last = there[entries, width - seen[:, ::-1].argmax(1)]
        first = there[entries, seen.argmax(1)]
        for left, text in ((last, "only the last is left"), (first, "only the first counts"),
                           (there.sum(1) / np.maximum(count, 1), "they are averaged")):  # fmt: skip
            if hypothesis.explains(left):
                spelled = ", ".join(str(a - 1) for a in along)
                yield hypothesis.finding(
                    "missing_term",
                    f"where several numbers along axis {spelled} of the output contribute to one "
                    f"entry, as windows that overlap or indices that repeat do, {text}",
                )
                return


def mixed(hypothesis: Hypothesis) -> Iterator[Finding]:
    """An input's gradient mixes the rows of the batch, which forward keeps apart."""
    shape, upstream = hypothesis.shape, hypothesis.upstream[0]
    rows = shape[0] if shape else 0
    alike = len(hypothesis.upstream) == 1 and upstream.shape[:1] == shape[:1]
    if hypothesis.is_parameter or not hypothesis.whole or not alike or rows < 2:
        return
    links = abs(hypothesis.part.value).reshape(rows, -1, rows, upstream[0].size).max((1, 3))
    if (links * ~np.eye(rows, dtype=bool)).max() > 1e-7 * links.max():
        return
    alone = upstream * (np.arange(rows) == 0).reshape(-1, *(1,) * (upstream.ndim - 1))
    run = hypothesis.case.run(hypothesis.base.run.inputs, [alone])
    given = run.gradients[hypothesis.name]
    if given is not None and abs(given[1:]).max() > 1e-4 * abs(given).max():
        text = "rows of the batch are mixed, which forward keeps apart: look at the axis of sums"
        yield hypothesis.guess("wrong_axis", text)
