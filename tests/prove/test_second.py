"""Second derivatives: check(…, order=2)."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.prove.check import check

X = np.random.default_rng(0).normal(size=(3, 4))
T = np.array([0, 3, 1])


class TestHandgrad:
    @pytest.mark.parametrize(
        "layer", [hg.Tanh(), hg.Softmax(), hg.Sequential(hg.Affine(3), hg.Sigmoid())]
    )
    def test_layers_and_networks(self, layer):
        report = check(layer, X, order=2)
        assert report
        assert "second derivatives are right" in str(report)
        assert "dy" in report.notes[-1]

    def test_a_loss_with_labels(self):
        assert check(hg.SoftmaxCrossEntropy(), X, T, order=2)

    def test_a_layer_whose_second_derivative_is_wrong(self):
        class Cube(hg.Layer):
            def forward(self, x):
                self.x = x
                return x**3

            def backward(self, dy):
                return 3 * np.asarray(getattr(self.x, "data", self.x)) ** 2 * dy

        report = check(Cube(), X, order=2)
        assert report.cause == "missing_term"
        assert "The first derivatives are right" in report.evidence[0]

    def test_another_order(self):
        with pytest.raises(ValueError, match="order"):
            check(hg.Tanh(), X, order=3)


class TestNumpy:
    class Gate:
        def __init__(self):
            self.W, self.dW = X.T @ X, None

        def forward(self, x):
            self.x = x
            return np.tanh(x @ self.W)

        def backward(self, dy):
            d = dy * (1 - np.tanh(self.x @ self.W) ** 2)
            self.dW = self.x.T @ d
            return d @ self.W.T

    def test_backward_is_differentiated_numerically(self):
        report = check(self.Gate(), X, order=2)
        assert report
        assert "symmetric" in str(report)

    def test_what_is_not_symmetric_cannot_be_told(self):
        class Stepped(self.Gate):
            """Within the first tolerance, but its second derivatives are of another function."""

            def backward(self, dy):
                return super().backward(dy) * (1 + 1e-5 * np.sin(50 * np.roll(self.x, 1, 1)))

        report = check(Stepped(), X, order=2, rtol=1e-2)
        assert report.verdict == "cannot tell"
        assert "symmetric" in str(report)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="PyTorch is not installed")

    @pytest.fixture
    def cube(self, torch):
        """Makes a Function of x³ whose backward is a Function whose own backward is given."""

        def make(rule):
            class CubeBackward(torch.autograd.Function):
                @staticmethod
                def forward(ctx, g, x):
                    ctx.save_for_backward(g, x)
                    return 3 * g * x * x

                @staticmethod
                def backward(ctx, gg):
                    return rule(gg, *ctx.saved_tensors)

            class Cube(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x):
                    ctx.save_for_backward(x)
                    return x**3

                @staticmethod
                def backward(ctx, g):
                    return CubeBackward.apply(g, ctx.saved_tensors[0])

            return Cube

        return make

    RULES = (
        ("right", lambda gg, g, x: (3 * x * x * gg, 6 * x * g * gg)),
        ("wrong_sign", lambda gg, g, x: (3 * x * x * gg, -6 * x * g * gg)),
        ("wrong_scale", lambda gg, g, x: (3 * x * x * gg, 3 * x * g * gg)),
        ("missing_term", lambda gg, g, x: (3 * x * x * gg, 0 * gg)),
    )

    @pytest.mark.parametrize(("cause", "rule"), RULES, ids=[cause for cause, _ in RULES])
    def test_the_words_where_gradgradcheck_has_a_mismatch(self, torch, cube, cause, rule):
        report = check(cube(rule), X, order=2)
        assert (report.cause or report.verdict) == cause
        x = torch.tensor(X, requires_grad=True)
        agrees = torch.autograd.gradgradcheck(cube(rule).apply, x, raise_exception=False)
        assert agrees == bool(report)
        if not report:
            assert (report.layer, report.blame.cause) == ("CubeBackward", cause)

    def test_a_module_with_its_parameters(self, torch):
        net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh())
        assert "weight" in check(net, X, order=2).notes[-1]

    def test_a_graph_that_is_cut(self, torch):
        class Cut(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.x = x.detach()
                return x**3

            @staticmethod
            def backward(ctx, g):
                return 3 * ctx.x**2 * g

        class Once(Cut):
            backward = staticmethod(torch.autograd.function.once_differentiable(Cut.backward))

        assert check(Cut, X, order=2).cause == "missing_term"
        report = check(Once, X, order=2)
        assert report.verdict == "cannot tell"
        assert "once_differentiable" in str(report)


def test_jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")

    rule = jax.custom_vjp(lambda x: x**3)
    rule.defvjp(lambda x: (x**3, x), lambda x, g: (3 * jax.lax.stop_gradient(x) ** 2 * g,))
    report = check(rule, X, order=2)
    assert report.cause == "missing_term"
    assert "The first derivatives are right" in report.evidence[0]
