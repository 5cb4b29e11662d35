"""Page: one HTML file on which a network is stepped through, with all its arithmetic in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.explain.running import run
from handgrad.explain.stepping.arithmetic import script, wants_parts
from handgrad.explain.stepping.describe import described
from handgrad.explain.stepping.tape import Tape
from handgrad.inside import is_layer
from handgrad.layer import parameter_dtype
from handgrad.network import Network
from handgrad.subject.copying import cast
from handgrad.train.write import write_whole

LARGEST = 1_000_000  # bytes of a page
MOST, EACH_END = 400, 100  # uses of layers that are steps; of more, so many at each end

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<noscript>This page computes with JavaScript, which is switched off here.</noscript>
<script type="application/json" id="data">{data}</script>
<script>
{script}
show(new Machine(JSON.parse(document.getElementById("data").textContent)));
</script>
</body>
</html>
"""


class Page:
    """A page on which a network is stepped through: one file that needs no other."""

    def __init__(self, tape: Tape, data: dict[str, Any]):
        self.tape, self.data = tape, data

    @property
    def steps(self) -> int:
        """How many are shown, forward and backward, beside those of the loss and of the update."""
        first, end = self.data["folded"] or (0, 1)
        return (len(self.data["nodes"]) - (end - first) + 1) * (2 if self.data["backward"] else 1)

    @property
    def uncomputed(self) -> list[str]:
        """The layers that the page does not compute: there it has Python's numbers alone."""
        return list(dict.fromkeys(n["title"] for n in self.data["nodes"] if not n["op"]))

    @property
    def html(self) -> str:
        """One file that needs no other."""
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return PAGE.format(
            title=escape(self.data["title"]),
            style=Path(__file__).with_name("page.css").read_text(),
            data=data.replace("<", "\\u003c"),
            script=script(),
        )

    def save(self, path: str | Path) -> Path:
        """Write the page. Raises ValueError where it would be larger than 1 MB."""
        content = self.html.encode()
        if len(content) > LARGEST:
            values = sorted(self.tape.values, key=lambda v: -np.size(v.array))
            largest = ", ".join(f"{v.name} {np.shape(v.array)}" for v in values[:2])
            raise ValueError(
                f"explain: the page would have {len(content) / 1e6:.1f} MB, more than 1 MB; take "
                f"fewer rows or a smaller network (the largest arrays are {largest})"
            )
        return write_whole(path, content)


def step_page(
    network: Any, *inputs: Any, t: Any = None, loss: Any = None, dy: Any = None,
    title: str | None = None,
) -> Page:  # fmt: skip
    """A page that steps through a network on these rows: forward, backward, a training step.

    Each step says its chain rule with the numbers in it, shows the layer's own code with the
    lines that ran, and compares with numerical differentiation. The page computes: inputs and
    parameters can be edited, and parameters trained, in float64.
    With targets `t` (and a `loss`, as in `evaluate`), or the gradient `dy` of the output, it goes
    backward too. The network is run in the mode that it is in, and nothing of it changes but
    that it is built. A layer without arithmetic in the page shows Python's numbers, and what
    follows from it after an edit is said to be unknown.
    Raises ValueError for what is no layer, or has no rows.
    """
    name = type(network).__name__
    if isinstance(network, type) or not is_layer(network):
        raise ValueError(f"explain: a network or a layer is needed, got {name}")
    if not inputs:
        raise ValueError(f"explain: {name} is shown on rows of data: step_page(network, x, t=t)")
    if any(np.size(x) == 0 for x in inputs if x is not None):
        raise ValueError("explain: there are no rows: one at least is needed")
    if t is not None and dy is not None:
        raise ValueError("explain: either t or dy, not both: a loss starts from the gradient 1")
    wide, arrays = _in_float64(network, inputs)
    with run(wide, arrays, t, loss, dy, who="explain") as ran:
        tape = Tape(ran, wants_parts)
        data = described(tape, _folded(len(tape.uses)))
    frozen = set(getattr(network, "frozen", ()))
    for value in data["values"]:
        value["frozen"] = value["kind"] == "parameter" and value["name"] in frozen
    data["title"] = title or tape.title
    data["loss"] = t is not None
    data["goal"] = "the loss" if t is not None else "Σ dy · y"
    return Page(tape, data)


def _in_float64(network: Any, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """A copy that computes in float64, and its inputs as the network itself would round them."""
    arrays = [None if x is None else np.asarray(x) for x in inputs]
    if isinstance(network, Network):
        with np.errstate(all="ignore"):  # what is not finite is shown
            network.build(*arrays)
        dtype = network.dtype
    else:
        dtype = parameter_dtype(network) or np.float64
    rounded = [
        x.astype(dtype).astype(np.float64) if x is not None and x.dtype.kind == "f" else x
        for x in arrays
    ]
    return cast(network, np.float64), rounded


def _folded(count: int) -> tuple[int, int] | None:
    """The uses that are one step together, where there are very many."""
    return (EACH_END, count - EACH_END) if count > MOST else None
