"""What only shows away from the sample, or takes a closer look to be named."""

import numpy as np
import pytest

from handgrad.findings.report import family
from handgrad.prove import check
from tests.prove import learners

R = np.random.default_rng(3)
X = R.normal(size=(4, 6))
POSITIVE = R.uniform(0.5, 1.5, size=(4, 6))


def elementwise(forward, backward):
    """A layer of one input from two functions: of x, and of x and dout."""

    class Elementwise:
        def forward(self, x):
            self.x = x
            return forward(x)

        def backward(self, dout):
            return backward(self.x, dout)

    return Elementwise()


def cube(backward):
    return elementwise(lambda x: x**3, backward)


@pytest.mark.parametrize(
    ("layer", "x", "cause"),
    [
        (cube(lambda x, d: 3 * x * abs(x) * d), POSITIVE, "wrong_formula"),
        (elementwise(lambda x: np.clip(x, -1, 1), lambda x, d: d * (x < 1)), POSITIVE,
         "wrong_formula"),
        (cube(lambda x, d: 3 * x**2 * d * (1 + bool(abs(x).max() > 100))), X, "wrong_formula"),
        (cube(lambda x, d: 3 * x**2 * d * (1 + x.size % 2)), X, "wrong_scale"),
        (cube(lambda x, d: 3 * x**2 * d * (1 + (len(x) > 32))), X, "wrong_scale"),
        (elementwise(lambda x: (2 * x).astype(np.float32), lambda x, d: 2 * d), X, "dtype"),
    ],
    ids=["sign", "lower bound", "over 100", "odd", "long batch", "float32 out"],
)  # fmt: skip
def test_shows_elsewhere(layer, x, cause):
    report = check(layer, x)
    assert report.cause in (*family(cause), "boundary") if cause != "dtype" else ("dtype",), report
    assert not report


class Maximum:
    def forward(self, a, b):
        self.a, self.b = a, b
        return np.maximum(a, b)

    def backward(self, dout):
        return dout * (self.a >= self.b), dout * (self.b > self.a)


def test_a_tie_of_two_inputs():
    class Twice(Maximum):
        def backward(self, dout):
            return dout * (self.a >= self.b), dout * (self.b >= self.a)

    assert check(Maximum(), X, X[::-1].copy())
    assert check(Twice(), X, X[::-1].copy()).cause == "boundary"


def softmax(axis):
    def forward(x):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(x, dout):
        y = forward(x)
        return y * (dout - (dout * y).sum(axis=1, keepdims=True))

    return elementwise(forward, backward)


def test_rows_far_apart():
    assert check(softmax(1), X)
    assert check(softmax(None), X).cause == "numeric_instability"


@pytest.mark.parametrize(("numbers", "right"), [(True, True), (False, False)])
def test_labels_in_the_other_form(numbers, right):
    class Loss:
        def forward(self, x, t):
            e = np.exp(x - x.max(1, keepdims=True))
            self.y, self.t = e / e.sum(1, keepdims=True), t
            self.label = t if t.ndim == 1 else t.argmax(1)
            return -np.log(self.y[np.arange(len(x)), self.label] + 1e-12).sum()

        def backward(self, dout=1):
            if self.t.ndim == 2:
                return dout * (self.y - self.t)
            dx = self.y.copy()
            dx[np.arange(len(dx)) if numbers else 0, self.label] -= 1
            return dout * dx

    assert bool(check(Loss(), X, np.eye(6)[[1, 0, 5, 3]])) == right


def test_rows_of_an_earlier_longer_sequence():
    class Positions:
        def __init__(self, clears):
            self.P, self.dP, self.clears = R.normal(size=(9, 2)), np.zeros((9, 2)), clears

        def forward(self, x):
            return x + self.P[: x.shape[1]]

        def backward(self, dout):
            if self.clears:
                self.dP[...] = 0
            self.dP[: dout.shape[1]] = dout.sum(0)
            return dout.copy()

    x = R.normal(size=(3, 4, 2))
    assert check(Positions(True), x)
    assert check(Positions(False), x).cause == "stale_state"


def test_forward_that_raises_on_the_sample():
    def forward(x):
        return x[:, [6]]

    assert check(elementwise(forward, lambda x, d: d), X).cause == "forward_bug"


class Affine(learners.Affine):
    """Its gradients by name, to be changed."""

    def __init__(self, **gradients):
        super().__init__(R.normal(size=(6, 3)), np.zeros(3))
        self.gradients = gradients

    def backward(self, dout):
        dx = super().backward(dout)
        for name, change in self.gradients.items():
            setattr(self, name, change(self, dout))
        return self.__dict__.pop("dx", dx)


@pytest.mark.parametrize(
    ("gradients", "cause"),
    [
        ({"dx": lambda self, d: d @ self.W.reshape(3, 6)}, "transpose"),
        ({"dx": lambda self, d: (d @ self.W.T)[:, 1:]}, "shape"),
        ({"dW": lambda self, d: np.outer(self.x[0], d.sum(0))}, "missing_batch_sum"),
    ],
    ids=["reshaped", "cut", "one sample"],
)
def test_named(gradients, cause):
    assert check(Affine(**gradients), X).cause == cause


def test_a_place_that_moves_with_the_values():
    x = np.array([-1.0, 0.6, 0.7, 0.8, 0.9, 2.0])
    leaky = elementwise(lambda x: np.where(x > 0, x, 0.1 * x), lambda x, d: d * (x > 0))
    assert check(leaky, x).cause in family("wrong_formula")


def test_a_scalar_has_no_ends():
    class Shifted:
        def forward(self, slope, x):
            self.slope, self.x = slope, x
            return slope * x

        def backward(self, dout):
            return (np.roll(dout, 1) * self.x).sum(), dout * self.slope

    assert check(Shifted(), np.array(1.5), X[0]).cause == "wrong_formula"


def test_parameters_that_are_inputs():
    class Pair:
        def forward(self, x, w, b):
            self.x, self.w = x, w
            return x @ w + b

        def backward(self, dout):
            return dout @ self.w.T, self.x.T @ dout, dout

    inputs = (X, R.normal(size=(6, 3)), R.normal(size=3))
    assert check(Pair(), *inputs).cause == "missing_batch_sum"


class Recurrent:
    """h = tanh(x + h) over time; backward forgets what a later state gets from an earlier one."""

    def forward(self, x):
        self.h = [np.zeros_like(x[:, 0])]
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] + self.h[-1]))
        return np.stack(self.h[1:], 1)

    def backward(self, dout):
        return np.stack([d * (1 - h**2) for d, h in zip(dout.swapaxes(0, 1), self.h[1:])], 1)


class Padded:
    """Zeros on both sides; backward slices up to -0 where there are none."""

    def __init__(self, pad=1):
        self.pad = pad

    def forward(self, x):
        return np.pad(x, ((0, 0), (self.pad, self.pad)))

    def backward(self, dout):
        return dout[:, self.pad : -self.pad].copy()


class Gates:
    """x² for x > 0, x for others: integers show what negative numbers show as well."""

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x**2, x)

    def backward(self, dout):
        return (dout * np.where(self.x > 0, 2 * self.x, 2)).astype(self.x.dtype)


@pytest.mark.parametrize(
    ("layer", "x", "causes"),
    [
        (Recurrent(), X[:, :1], family("wrong_formula")),  # and not boundary: at every length
        (Padded(), X, ("shape",)),
        (Gates(), POSITIVE, (*family("wrong_formula"), "boundary")),
    ],
    ids=["every other length", "shape in a setting", "integers count least"],
)
def test_what_shows_elsewhere_is_named_by_what_is_common(layer, x, causes):
    report = check(layer, x)
    assert report.cause in causes, report


class Rows:
    """Rows that have something in common, of which `wrong` knows a part."""

    def __init__(self, kind, wrong):
        self.kind, self.wrong = kind, wrong

    def forward(self, x):
        if self.kind == "softmax":
            e = np.exp(x - x.max(-1, keepdims=True))
            self.y = e / e.sum(-1, keepdims=True)
        else:
            self.s = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
            self.y = (x - x.mean(-1, keepdims=True)) * self.s
        return self.y

    def backward(self, dout):
        return self.wrong(self, dout)


def row_mean(x):
    return x.mean(-1, keepdims=True)


LEFT_OUT = {
    "the diagonal alone": ("softmax", lambda s, d: d * s.y * (1 - s.y), "input of its own index"),
    "no sum": ("softmax", lambda s, d: d * s.y, "axis 1 it is off by one factor times the output"),
    "no variance": ("norm", lambda s, d: s.s * (d - row_mean(d)),
                    "axis 1 it is off by one factor times the output"),
    "no mean": ("norm", lambda s, d: s.s * (d - s.y * row_mean(d * s.y)),
                "axis 1 it is off by one number"),
    "neither": ("norm", lambda s, d: s.s * d, "one number and one factor times the input"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "wrong", "says"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_path_over_other_entries_that_is_left_out(kind, wrong, says):
    report = check(Rows(kind, wrong), X)
    assert (report.verdict, report.cause) == ("wrong", "missing_term")
    assert says in report.paragraph
