"""If, Loop and Scan, and values that may be absent."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator


@operator("If")
def if_else(condition, *, then_branch, else_branch, node):
    return tuple(node.run(then_branch if np.asarray(condition).all() else else_branch, []))


@operator("Loop")
def loop(most=None, condition=None, *states, body, node):
    """The last states, and what each turn gave, stacked."""
    turns = np.inf if most is None else int(np.asarray(most).reshape(()))
    going = True if condition is None else bool(np.asarray(condition).reshape(()))
    state, kept, turn = list(states), list[list[Any]](), 0
    while turn < turns and going:
        outcome, *results = node.run(body, [np.array(turn, np.int64), np.array(going), *state])
        going = bool(np.asarray(outcome).reshape(())) if condition is not None else True
        state = results[: len(states)]
        kept.append(results[len(states) :])
        turn += 1
    extra = len(body.outputs) - 1 - len(states)
    values = body.outputs[len(body.outputs) - extra :] if extra else []
    scanned = [np.stack([k[i] for k in kept]) if kept else nothing(v) for i, v in enumerate(values)]
    return (*state, *scanned)


def nothing(value: Any) -> Any:
    """No step of an output: its dtype, and its shape as far as it is known."""
    shape = [n if isinstance(n, int) else 0 for n in value.shape or ()]
    return np.zeros((0, *shape), value.dtype or np.float32)


@operator("Scan")
def scan_batches(lengths=None, *values, body, num_scan_inputs, directions=None, node):
    """Opset 8: each sample of the batch for itself."""
    count = len(values) - num_scan_inputs
    results = []
    for i in range(values[0].shape[0]):
        steps = values[count].shape[1] if lengths is None else int(lengths[i])
        one = [v[i] if j < count else v[i, :steps] for j, v in enumerate(values)]
        results.append(scan(*one, body=body, num_scan_inputs=num_scan_inputs,
                            scan_input_directions=directions, node=node))  # fmt: skip
    return tuple(np.stack(r) for r in zip(*results))


@operator("Scan", since=9)
def scan(*values, body, num_scan_inputs, scan_input_axes=None, scan_input_directions=None,
         scan_output_axes=None, scan_output_directions=None, node):  # fmt: skip
    """The body on one step after the other; the last states, and what each step gave."""
    count = len(values) - num_scan_inputs
    state, sequences = list(values[:count]), []
    for i, x in enumerate(values[count:]):
        x = np.moveaxis(x, scan_input_axes[i] if scan_input_axes else 0, 0)
        backwards = scan_input_directions and scan_input_directions[i]
        sequences.append(x[::-1] if backwards else x)
    kept = []
    for step in zip(*sequences, strict=True):
        results = node.run(body, [*state, *step])
        state = results[:count]
        kept.append(results[count:])
    scanned = []
    for i, value in enumerate(body.outputs[count:]):
        parts = [k[i] for k in kept]
        if scan_output_directions and scan_output_directions[i]:
            parts.reverse()
        axis = scan_output_axes[i] if scan_output_axes else 0
        scanned.append(np.stack(parts, axis) if parts else nothing(value))
    return (*state, *scanned)


@operator("Optional", since=15)
def optional(x=None, *, type=None):
    return x


@operator("OptionalHasElement", since=15)
def optional_has_element(x=None):
    return np.array(x is not None)


@operator("OptionalGetElement", since=15)
def optional_get_element(x):
    if x is None:
        raise ValueError("there is no element")
    return x
