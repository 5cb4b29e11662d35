"""Second derivatives: what backward returns is a function too, and has a backward of its own.

    g(x, dy) = dx = (∂y/∂x)ᵀ dy        differentiated by x and by dy, and proved like any layer

PyTorch and JAX differentiate the rules of their subject once more, `handgrad.derivative` the code
of a layer. Where nothing does, backward is differentiated numerically: as the gradient of a
function it has to have a symmetric Jacobian, vᵀ (H w) = wᵀ (H v).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.derivative import grad
from handgrad.findings.report import RIGHT, UNKNOWN, WRONG, Report
from handgrad.layer import Layer, Slot, slots
from handgrad.prove.verdict.trial import Case
from handgrad.subject.copying import duplicate
from handgrad.subject.dressing import ANY, Box, dressed, parameters
from handgrad.subject.parameters import put
from handgrad.subject.peers.library import Peer, dys, plain
from handgrad.subject.sandbox import SubjectError
from handgrad.tensor import Tensor

_SYMMETRIC = 1e-5  # of the largest product


class Recorded(Peer):
    """The gradients of a layer as a function of inputs, parameters and upstream gradients."""

    derived = "a layer"

    def __init__(self, layer: Any, count: int):
        self.own = Box(layer=layer, count=count)  # how many inputs there are

    def forward(self, *arrays: Any) -> Any:
        layer, count = duplicate(self.own.layer), self.own.count
        given = [Tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in arrays]
        learned = slots(layer)
        inputs, upstream = given[:count], given[count + len(learned) :]
        for slot, value in zip(learned, arrays[count:]):
            put(slot.owner, ((".", slot.name),), value)
        outputs = layer(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        total: Any = sum((y * dy).sum() for y, dy in zip(outputs, upstream))
        xs = [*(x for x in inputs if isinstance(x, Tensor)), *learned]
        found = grad(total, xs, create_graph=True)
        self.graph = Box(found=found, given=[*inputs, *learned, *upstream])
        return tuple(g.data.copy() for g in found)

    def backward(self, *gradients: Any) -> Any:
        found, given = self.graph.found, self.graph.given
        total: Any = sum((g * v).sum() for g, v in zip(found, gradients))
        real = [x for x in given if isinstance(x, Tensor | Slot)]
        second = dict(zip(map(id, real), grad(total, real)))
        return tuple(second.get(id(x)) for x in given)


def prove_second(case: Case, report: Report, examine: Callable[..., Report]) -> Report:
    """The report on the second derivatives of a case whose first ones are right."""
    try:
        thing, inputs = _first_derivative(case)
        second = examine(thing, inputs)
    except NotImplementedError:
        return _symmetric(case, report)
    except SubjectError as error:
        if isinstance(error.__cause__, NotImplementedError) and isinstance(thing, Recorded):
            return _symmetric(case, report)
        sentence = f"The first derivatives are right; the second cannot be had: {error.sentence}."
        return Report(report.subject, UNKNOWN, evidence=[sentence], line=error.line)
    if second.verdict == RIGHT:
        names = ", ".join(row.gradient[1:] for row in second.table)
        report.notes.append(f"second derivatives are right too, with respect to {names}")
        return report
    heading = "The first derivatives are right; the second, those of what backward returns, are "
    heading += "wrong." if second.verdict == WRONG else "in doubt."
    second.subject, second.evidence = report.subject, [heading, *second.evidence]
    return second


def _first_derivative(case: Case) -> tuple[Any, list[Any]]:
    """The first derivative as a subject, and its inputs; NotImplementedError where nothing is."""
    subject = case.subject.copy()
    thing = subject.thing
    if hasattr(thing, "derivative"):
        return subject.sandbox.call("forward", thing.derivative, case.inputs)
    if not isinstance(thing, Layer):
        raise NotImplementedError
    outputs = case.forward(case.subject.copy(), case.inputs)
    learned = slots(thing)
    inputs = [*case.inputs, *(slot.value for slot in learned), *case.upstream(outputs)]
    names = parameters(plain([*case.names, *(slot.path for slot in learned), *dys(outputs)]))
    made = dressed(
        Recorded, f"gradient of {subject.name}", thing.backward, thing.backward, names, ANY
    )
    return made(thing, len(case.inputs)), inputs


def _symmetric(case: Case, report: Report) -> Report:
    """Whether the numerical derivative of backward is symmetric, in random directions."""
    upstream = case.upstream(case.forward(case.subject.copy(), case.inputs))
    rng, worst, size = np.random.default_rng(case.seed), 0.0, 1e-12
    values = {n: _value(case, n) for n in case.wanted}
    for _ in range(3):
        v, w = ({n: rng.choice([-1.0, 1.0], x.shape) for n, x in values.items()} for _ in "vw")
        hv, hw = _along(case, values, v, upstream), _along(case, values, w, upstream)
        a, b = (sum(float((p[n] * q[n]).sum()) for n in p) for p, q in ((w, hv), (v, hw)))
        worst, size = max(worst, abs(a - b)), max(size, abs(a), abs(b))
    said = "there is no code for its second derivatives; its backward, differentiated numerically, "
    if worst <= _SYMMETRIC * size:
        report.notes.append(said + f"is symmetric to {worst / size:.1e}, as a gradient's has to be")
        return report
    sentence = f"Second derivatives: {said}is not symmetric here, by {worst / size:.1e}."
    return Report(report.subject, UNKNOWN, evidence=[sentence], table=report.table)


def _value(case: Case, name: str) -> Array:
    at = dict(zip(case.names, case.inputs))
    return np.asarray(at[name] if name in at else case.subject.get(name), dtype=np.float64)


def _along(case: Case, values: Any, move: Any, upstream: list[Array]) -> dict[str, Array]:
    """The derivative of all gradients in one direction, by Richardson's extrapolation."""

    def gradients(t: float) -> dict[str, Array]:
        subject = case.subject.copy()
        inputs = [values[n] + t * move[n] if n in move else x
                  for n, x in zip(case.names, case.inputs)]  # fmt: skip
        for name in set(move) - set(case.names):
            subject.put(name, values[name] + t * move[name])
        found = case.run(inputs, upstream, subject, keep=True).gradients
        return {n: np.asarray(found[n] if found[n] is not None else 0 * values[n]) for n in move}

    near, far = ([gradients(s * h) for s in (1, -1)] for h in (5e-4, 1e-3))
    return {n: (8 * (near[0][n] - near[1][n]) - (far[0][n] - far[1][n])) / 6e-3 for n in move}
