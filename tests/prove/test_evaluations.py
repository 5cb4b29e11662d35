"""How many evaluations a derivative takes: the fewest that tell right from wrong."""

import numpy as np
import pytest

from handgrad.prove.measure.compare import compare, probe
from handgrad.prove.measure.point import Point, differentiate
from handgrad.prove.verdict.prepare import prepare
from handgrad.subject.adapt import adapt
from handgrad.subject.sandbox import Sandbox


class Counted:
    """An elementwise function, or one of whole rows; factor 1 is right."""

    def __init__(self, rows=False, factor=1.0):
        self.rows, self.factor, self.calls = rows, factor, []

    def __deepcopy__(self, memo):  # copies count together
        other = Counted(self.rows, self.factor)
        other.calls = self.calls
        return other

    def forward(self, x):
        self.calls.append(x)
        self.x = x
        return np.tanh(x.sum(1) if self.rows else x)

    def backward(self, dy):
        y = np.tanh(self.x.sum(1) if self.rows else self.x)
        local = self.factor * dy * (1 - y**2)
        return np.repeat(local[:, None], self.x.shape[1], 1) if self.rows else local


def measured(layer, rng, given=True):
    """The part, the mismatch with backward, and the evaluations that differentiation took."""

    def work():
        case = prepare(adapt(layer, sandbox), [rng.normal(size=(6, 10))])
        run = case.run()
        point = Point(case.subject, case.names, case.inputs, 1, None, run.outputs)
        point.settle()
        before, upstream = len(layer.calls), run.flat_upstream
        probe(point, upstream, {"x": run.gradients["x"]}, rng)
        probed, gradient = len(layer.calls) - before, run.gradients["x"]
        known = (upstream, gradient) if given else None
        part = differentiate(point, "x", 1e6, rng, known)
        taken = len(layer.calls) - before - probed
        return probed, taken, compare(point, part, upstream, gradient)[0]

    sandbox = Sandbox()
    return sandbox.run(work)


def test_two_points_are_enough_where_backward_agrees(rng):
    assert measured(Counted(), rng)[0] == 2
    assert measured(Counted(factor=1.001), rng)[0] == 4


@pytest.mark.parametrize(("rows", "most"), [(False, 60 + 3 + 3), (True, 60 + 10 * 3 + 3)])
def test_entries_that_touch_other_outputs_move_together(rows, most, rng):
    _, taken, mismatch = measured(Counted(rows), rng, given=False)
    assert taken <= most
    assert not mismatch.bad.any()
    _, taken, mismatch = measured(Counted(rows, factor=1.01), rng)
    assert taken <= most
    assert mismatch.bad.all()
    assert np.allclose(mismatch.numeric * 1.01, mismatch.given, rtol=1e-9)
