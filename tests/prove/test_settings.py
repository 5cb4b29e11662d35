"""Layers that are right for their own settings and wrong for others, and those right for all."""

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from handgrad import check
from handgrad.prove.verdict.prepare import prepare
from handgrad.prove.verdict.settings import settings
from handgrad.subject.adapt import adapt
from handgrad.subject.making import recipe
from handgrad.subject.sandbox import Sandbox


def r(*shape):
    return np.random.default_rng(3).normal(size=shape)


def found(thing, *inputs):
    """What the experiment says, alone."""
    sandbox = Sandbox()

    def work():
        case = prepare(adapt(thing, sandbox), inputs)
        return [f.sentence for f in settings(case, case.verify())]

    return sandbox.run(work)


class Windows:
    """Means of windows along the last axis; `right` says which parts of backward are."""

    def __init__(self, size=2, stride=2, pad=0, right="all"):
        self.size, self.stride, self.pad, self.right = size, stride, pad, right

    def forward(self, x):
        x = np.pad(x, ((0, 0), (self.pad, self.pad)))
        count = (x.shape[1] - self.size) // self.stride + 1
        self.index = self.stride * np.arange(count)[:, None] + np.arange(self.size)
        self.length = x.shape[1]
        return x[:, self.index].mean(2)

    def backward(self, dout):
        dx, d = np.zeros((len(dout), self.length)), dout[:, :, None] / self.size
        if self.right == "but overlap":
            dx[:, self.index] = np.broadcast_to(d, (*dout.shape, self.size))
        else:
            for k in range(self.size):
                np.add.at(dx, (slice(None), self.index[:, k]), d[:, :, 0])
        if self.right == "but padding":
            return dx
        return dx[:, self.pad : self.length - self.pad]


@dataclass
class Leaky:
    slope: float = 1.0
    known: ClassVar[bool] = True

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dout):
        return np.where(self.x > 0, 1, self.slope if self.known else 1) * dout


class Forgetful(Leaky):
    known = False


class Slotted:
    __slots__ = ("axis", "shape")

    def __init__(self, axis=0):
        self.axis = axis

    def forward(self, x):
        self.shape = x.shape
        return x.sum(self.axis)

    def backward(self, dout):
        return np.zeros(self.shape) + np.expand_dims(dout, 0)


class Right(Slotted):
    __slots__ = ()

    def backward(self, dout):
        return np.zeros(self.shape) + np.expand_dims(dout, self.axis)


class Linear:
    """A bias whose gradient has a factor too many; lengths and the switch are not kept."""

    def __init__(self, n, m, bias=False, scale=1.0):
        self.W, self.scale = r(n, m), scale
        self.b = np.zeros(m) if bias else None

    def forward(self, x):
        self.x = x
        return self.scale * (x @ self.W) + (0 if self.b is None else self.b)

    def backward(self, dout):
        self.dW = self.scale * self.x.T @ dout
        if self.b is not None:
            self.db = self.scale * dout.sum(0)
        return self.scale * dout @ self.W.T


def powers(p=2):
    def forward(x):
        return x**p, x

    return forward, lambda dout, cache: dout * p * cache ** (p - 1)


def squares(p=2):
    def forward(x):
        return x**p, x

    def backward(dout, cache):
        return dout * 2 * cache

    return forward, backward


def power(x, p=2):
    return x**p, x


def power_backward(dout, cache, p=2):
    return dout * 2 * cache


WRONG = {
    "overlap": (lambda: Windows(right="but overlap"), r(3, 6), "stride = 1"),
    "padding": (lambda: Windows(right="but padding"), r(3, 6), "pad = 1"),
    "given with arguments": (lambda: (Windows, 3, 3, 0, "but overlap"), r(3, 6), "stride = 2"),
    "a dataclass": (Forgetful, r(4, 5), "slope = 0.5"),
    "slots": (Slotted, r(4, 4), "axis = 1"),
    "what was not kept": (lambda: Linear(4, 3, bias=True), r(5, 4), "scale = 0.5"),
    "a closure": (squares, abs(r(4, 5)), "p = 3"),
    "keywords": (lambda: (power, power_backward), abs(r(4, 5)), "p = 3"),
    "a partial": (lambda: (functools.partial(power, p=2), power_backward), abs(r(4, 5)), "p = 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_other_settings_are_tried(name):
    make, x, setting = WRONG[name]
    sentences = found(make(), x)
    assert any(s.startswith(f"With {setting} d") for s in sentences), sentences


class Frozen(Linear):
    def __init__(self, n, m, trained=True, needed=True, longest=None):
        super().__init__(n, m)
        self.trained, self.needed, self.longest = trained, needed, longest

    def backward(self, dout):
        dx, dW = super().backward(dout), self.dW
        self.dW = dW if self.trained else 0 * dW
        if self.longest:
            self.dW = np.clip(self.dW, -self.longest, self.longest)
        return dx if self.needed else None


class Norm:
    """Its gain goes with the last axis only, though the axis can be chosen."""

    def __init__(self, n, axis=-1):
        self.axis, self.gain = axis, np.linspace(0.5, 1.5, n)

    def forward(self, x):
        c = x - x.mean(self.axis, keepdims=True)
        self.s = np.sqrt((c * c).mean(self.axis, keepdims=True) + 1e-5)
        self.h = c / self.s
        return self.h * self.gain

    def backward(self, dout):
        others = tuple(k for k in range(dout.ndim) if k != self.axis % dout.ndim)
        self.dgain, d = (dout * self.h).sum(others), dout * self.gain
        along = (d * self.h).mean(self.axis, keepdims=True)
        return (d - d.mean(self.axis, keepdims=True) - self.h * along) / self.s


class Step:
    """A sigmoid, or a step with the sigmoid's gradient in place of its own."""

    def __init__(self, hard=False):
        self.hard = hard

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return np.where(self.y > 0.5, 1.0, 0.0) if self.hard else self.y.copy()

    def backward(self, dout):
        return dout * self.y * (1 - self.y)


class Constants:
    """Numbers that belong together, and that nobody can choose."""

    def __init__(self):
        self.t, self.inverse = 2.0, 0.5

    def forward(self, x):
        self.y = np.tanh(x / self.t)
        return self.y.copy()

    def backward(self, dout):
        return dout * (1 - self.y**2) * self.inverse


class Drop:
    def __init__(self, ratio=0.5):
        self.ratio = ratio

    def forward(self, x, training=True):
        on = np.random.default_rng(0).random(x.shape) > self.ratio
        self.mask = on if training else np.ones(x.shape)
        return x * self.mask if training else x * (1 - self.ratio)

    def backward(self, dout):
        return dout * self.mask


class Counted:
    """Deviations from the mean of n rows; n belongs to the inputs."""

    def __init__(self, n):
        self.n = n

    def forward(self, x):
        return (x - x.sum(0) / self.n) ** 2 / 2 + self._keep(x)

    def _keep(self, x):
        self.deviation = x - x.sum(0) / self.n
        return 0.0

    def backward(self, dout):
        d = dout * self.deviation
        return d - d.sum(0) / len(d)


class Order:
    """Columns in another order; of more columns than that it would be wrong."""

    def __init__(self, order):
        self.order = np.asarray(order)

    def forward(self, x):
        return x[:, self.order]

    def backward(self, dout):
        dx = np.empty_like(dout)
        dx[:, self.order] = dout
        return dx


RIGHT = {
    "an order": (lambda: Order([1, 2, 0]), r(4, 3)),
    "a number that is a length": (lambda: Counted(4), r(4, 3)),
    "windows": (Windows, r(3, 6)),
    "a dataclass": (Leaky, r(4, 5)),
    "slots": (Right, r(3, 4)),
    "a closure": (powers, abs(r(4, 5))),
    "what concerns backward alone": (lambda: Frozen(4, 3), r(5, 4)),
    "parameters that do not go with it": (lambda: Norm(4), r(3, 4)),
    "parameters that go by chance": (lambda: Norm(4), r(4, 4)),
    "a surrogate": (Step, r(4, 5)),
    "constants": (Constants, r(4, 5)),
    "not for training": (Drop, r(4, 5)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_meant_is_no_mistake(name):
    make, x = RIGHT[name]
    assert found(make(), x) == []


def test_the_report_names_the_setting():
    report = check(Linear(4, 3, bias=True), r(5, 4))
    assert report.verdict == "wrong"
    assert "With scale = 0.5 db" in " ".join(str(report).split())


calls = []


@pytest.mark.parametrize("scale", [2.0])
def test_the_function_around_is_not_called_while_it_runs(scale):
    calls.append(scale)

    def forward(x):
        return scale * x

    assert found((forward, lambda dout: scale * dout), r(4, 5)) == []
    assert len(calls) == 1


def test_lengths_and_switches_are_found_from_arrays():
    sandbox = Sandbox()
    case = sandbox.run(lambda: prepare(adapt(Linear(4, 3, True), sandbox), [r(5, 4)]))
    assert sandbox.run(lambda: recipe(case.subject)).given == {
        "n": 4, "m": 3, "bias": True, "scale": 1.0,
    }  # fmt: skip


class Interpolated:
    """A table between its entries, at positions of which two may lie between the same ones."""

    def __init__(self, at, adds):
        self.at, self.adds = np.asarray(at), adds

    def forward(self, table):
        self.k = np.floor(self.at).astype(int)
        self.share, self.length = self.at - self.k, len(table)
        return (1 - self.share) * table[self.k] + self.share * table[self.k + 1]

    def backward(self, dout):
        dx = np.zeros(self.length)
        for k, part in ((self.k, 1 - self.share), (self.k + 1, self.share)):
            if self.adds:
                np.add.at(dx, k, part * dout)
            else:
                dx[k] += part * dout
        return dx


def test_positions_of_a_constructor_may_meet():
    assert found(Interpolated((0.2, 2.5), adds=True), r(5)) == []
    assert not check(Interpolated(np.array([0.2, 2.5]), adds=False), r(5))


class Scored:
    """Cross-entropy with labels that the constructor was given: y - t holds for labels alone."""

    def __init__(self, t):
        self.t = t

    def forward(self, z):
        e = np.exp(z - z.max(1, keepdims=True))
        self.p = e / e.sum(1, keepdims=True)
        return -(self.t * np.log(self.p + 1e-300)).sum()

    def backward(self, dout):
        return dout * (self.p - self.t)


def test_labels_among_the_arguments_stay_labels():
    assert found(Scored(np.eye(3)[[0, 2, 1, 1]]), r(4, 3)) == []
