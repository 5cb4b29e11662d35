"""Keras's recurrent layers as ours: masks of steps, states given and returned, two directions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from handgrad import layers
from handgrad.interop.keras.builder import Builder, Convert, Value, need, plain, size
from handgrad.interop.keras.masks import silenced
from handgrad.interop.steps import Ref

CELLS: dict[str, tuple[Any, int]] = {
    "SimpleRNN": (layers.RNN, 1), "LSTM": (layers.LSTM, 4), "GRU": (layers.GRU, 3),
}  # fmt: skip
BACKWARDS = (slice(None), slice(None, None, -1))


def _cell(b: Builder, kind: str, c: dict[str, Any], group: str) -> Any:
    """The recurrent layer of ours, with its weights."""
    plain(c, activation="tanh", recurrent_activation="sigmoid", use_bias=True, stateful=False)
    cls, gates = CELLS[kind]
    units = size(c["units"], "units")
    Wx = b.array(f"{group}/vars/0", None, gates * units)
    Wh = b.array(f"{group}/vars/1", units, gates * units)
    after = kind == "GRU" and bool(c.get("reset_after", True))
    bias = b.array(f"{group}/vars/2", *([2] if after else []), gates * units)
    more = {"reset": "after" if after else "before"} if kind == "GRU" else {}
    layer = cls(units, inputs=len(Wx), recurrent_dropout=c.get("recurrent_dropout") or 0.0, **more)
    return b.weighted(layer, "recurrent", *((f"{group}/vars/{k}", array)
                                            for k, array in enumerate((Wx, Wh, bias))))  # fmt: skip


def _dropped(b: Builder, c: dict[str, Any], x: Value) -> Value:
    """The input with the same elements switched off at every step, as the layer's option says."""
    ratio = c.get("dropout") or 0.0
    return b.add(layers.VariationalDropout(ratio), x) if ratio else x


def _over_time(
    b: Builder, kind: str, c: dict[str, Any], group: str, x: Value, mask: Value | None,
    states: list[Value],
) -> list[Value]:  # fmt: skip
    """y of all steps, or of the last, and the last states."""
    cell, x = _cell(b, kind, c, group), _dropped(b, c, x)
    cell.return_state = bool(c.get("return_state"))
    need(len(states) in (0, len(cell.states)), f"{len(states)} arrays as initial_state")
    if c.get("go_backwards"):
        x = b.add(layers.Index(BACKWARDS), x)
        mask = mask and b.step(lambda m: m[BACKWARDS], [Ref(mask.name)], 2)
    taken = [x, *([mask] if mask or states else []), *states]
    y = b.add(cell, *taken)
    parts = [y]
    if cell.return_state:
        parts = [b.step(operator.itemgetter(k), [Ref(y.name)], 3 if k == 0 else 2)
                 for k in range(1 + len(cell.states))]  # fmt: skip
    y, *last = parts
    if mask:
        y = silenced(b, y, mask, bool(c.get("zero_output_for_mask")), bool(states))
    if not c.get("return_sequences"):
        y = b.add(layers.Index((slice(None), -1)), y, rank=2)
    return [y, *last]


def _listed(states: tuple[Value, ...], initial: Any) -> list[Value]:
    """The states that a layer is called with, one by one or in a list."""
    return list(states) or (initial if isinstance(initial, list) else [initial] * bool(initial))


def _recurrent(kind: str) -> Convert:
    def convert(
        b: Builder, c: dict[str, Any], x: Value, *states: Value, mask: Value | None = None,
        initial_state: Any = None,
    ) -> Any:  # fmt: skip
        given = _listed(states, initial_state)
        found = _over_time(b, kind, c, "cell", b.given(x), mask, given)
        return found if len(found) > 1 else found[0]

    return convert


def _bidirectional(
    b: Builder, c: dict[str, Any], x: Value, *states: Value, mask: Value | None = None,
    initial_state: Any = None,
) -> Any:  # fmt: skip
    ahead, back, mode = c["layer"], c.get("backward_layer"), c.get("merge_mode", "concat")
    kind = ahead["class_name"]
    need(kind in CELLS and (back is None or back["class_name"] == kind), f"{kind} in it")
    forward = ahead["config"]
    backward = {**forward, "go_backwards": True} if back is None else back["config"]
    need(not forward.get("go_backwards") and backward.get("go_backwards") is True, "go_backwards")
    need(mode in MERGES, f"merge_mode={mode!r}")
    given, x = _listed(states, initial_state), b.given(x)
    simple = mode == "concat" and not given and not forward.get("return_state")
    if simple and not forward.get("dropout") and not backward.get("dropout"):
        return _both(b, kind, forward, backward, x, mask)
    half, found = len(given) // 2, []
    for config, group, state in ((forward, "forward_layer", given[:half]),
                                 (backward, "backward_layer", given[half:])):  # fmt: skip
        found.append(_over_time(b, kind, config, f"{group}/cell", x, mask, state))
    (y, *last), (reversed_y, *reversed_last) = found
    if forward.get("return_sequences"):
        reversed_y = b.add(layers.Index(BACKWARDS), reversed_y)
    merged = MERGES[mode](b, y, reversed_y)
    more = [*last, *reversed_last]
    return [*merged, *more] if isinstance(merged, list) else [merged, *more] if more else merged


def _both(
    b: Builder, kind: str, forward: Any, backward: Any, x: Value, mask: Value | None
) -> Value:
    """Both directions side by side, as one layer."""
    both = layers.Bidirectional(
        _cell(b, kind, forward, "forward_layer/cell"),
        _cell(b, kind, backward, "backward_layer/cell"),
    )
    y = b.add(both, x, *([mask] if mask else []))
    if forward.get("return_sequences"):
        zero = bool(forward.get("zero_output_for_mask"))
        return silenced(b, y, mask, zero, False) if mask else y
    H = both.ahead.outputs
    last = b.add(layers.Index((slice(None), -1, slice(0, H))), y, rank=2)
    first = b.add(layers.Index((slice(None), 0, slice(H, None))), y, rank=2)
    return b.add(layers.Concat(axis=-1), last, first)


def _by(function: Any) -> Any:
    """A merge by a function of both outputs."""
    return lambda b, y, z: b.step(function, [Ref(y.name), Ref(z.name)], y.rank)


MERGES: dict[Any, Any] = {
    "concat": lambda b, y, z: b.add(layers.Concat(axis=-1), y, z), "sum": _by(operator.add),
    "mul": _by(operator.mul), "ave": _by(lambda y, z: (y + z) / np.float32(2)),
    None: lambda b, y, z: [y, z],
}  # fmt: skip
CONVERT: dict[str, Convert] = {
    **{kind: _recurrent(kind) for kind in CELLS},
    "Bidirectional": _bidirectional,
}
