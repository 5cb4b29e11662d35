"""Half precision, held against float64 by what rounding explains."""

import numpy as np
import pytest

from handgrad.prove.check import check

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 8))
LONG = RNG.uniform(size=(3000, 3))


def bfloat16():
    return pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed").bfloat16


class Affine:
    def __init__(self):
        self.W, self.b = RNG.normal(size=(8, 5)), np.zeros(5)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(0)
        return dy @ self.W.T


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        self.y = e / e.sum(-1, keepdims=True)
        return self.y

    def backward(self, dy):
        return self.y * (dy - (dy * self.y).sum(-1, keepdims=True))


class Rows:
    """The sum over the rows, in the precision that is given: at least this one."""

    least = np.float32

    def forward(self, x):
        self.shape = x.shape
        return x.astype(np.promote_types(self.least, x.dtype)).sum(0).astype(x.dtype)

    def backward(self, dy):
        return np.broadcast_to(dy, self.shape).copy()


class RowsInHalf(Rows):
    def forward(self, x):
        self.shape = x.shape
        return x.sum(0)


class Root:
    """√(1 + x⁴) written so that x⁴ overflows in float16, though the result fits."""

    def forward(self, x):
        self.x = x
        return np.sqrt(1 + x * x * x * x)

    def backward(self, dy):
        x = self.x
        return dy * (2 * x * x * x / np.sqrt(1 + x * x * x * x))


@pytest.fixture(params=["float16", "bfloat16"])
def dtype(request):
    return np.float16 if request.param == "float16" else bfloat16()


@pytest.mark.parametrize("layer", [Affine, Softmax, Root])
def test_what_is_right_in_float64_is_right_in_half(layer, dtype):
    report = check(layer(), X.astype(dtype))
    assert report
    assert "float16 it is as exact as rounding" in str(report)


def test_a_long_sum(dtype):
    assert check(Rows(), LONG.astype(dtype))
    report = check(RowsInHalf(), LONG.astype(dtype))
    assert (report.verdict, report.cause) == ("wrong", "dtype")
    assert "float32" in str(report)


def test_an_intermediate_that_overflows():
    report = check(Root(), (20 * np.sign(X)).astype(np.float16))
    assert (report.verdict, report.cause) == ("wrong", "numeric_instability")


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    def one_by_one(ctx, x):
        ctx.shape, total = x.shape, 0
        for row in x:
            total = total + row
        return total

    methods = {
        "forward": staticmethod(one_by_one),
        "backward": staticmethod(lambda ctx, g: g.expand(ctx.shape)),
    }
    rows = type("Rows", (torch.autograd.Function,), methods)
    net = torch.nn.Sequential(torch.nn.Linear(8, 5), torch.nn.LayerNorm(5), torch.nn.GELU())
    dtype = getattr(torch, name)
    assert check(net.to(dtype), torch.tensor(X).to(dtype))
    if name == "bfloat16":  # 8 bits: beyond 64 what is less than a quarter is lost
        report = check(rows, torch.tensor(0.4 * LONG[:400, :1]).to(dtype))
        assert (report.verdict, report.cause) == ("wrong", "dtype")


def test_jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    assert check(lambda x: jax.nn.softmax(x), jax.numpy.asarray(X, "bfloat16"))
