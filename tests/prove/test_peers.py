"""Subjects of PyTorch, JAX and CuPy, checked through their own machinery."""

import sys
import types

import numpy as np
import pytest

from handgrad.prove.check import check
from handgrad.prove.subject.peers import adapt

X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(4, 2))


class Plain:
    def forward(self, x):
        return 2 * x

    def backward(self, dy):
        return 2 * dy


def test_what_is_shared_with_no_other_comes_back_as_it_was():
    thing = Plain()
    same, inputs = adapt(thing, (X, 3, "text"))
    assert same is thing
    assert inputs[0] is X
    assert inputs[1:] == [3, "text"]


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="PyTorch is not installed")

    @pytest.fixture
    def relu(self, torch):
        """Makes a Function whose backward is the one given: backward(x, gradient)."""

        def make(rule):
            class Relu(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x):
                    ctx.save_for_backward(x)
                    return x.clamp(min=0)

                @staticmethod
                def backward(ctx, g):
                    (x,) = ctx.saved_tensors
                    return rule(x, g)

            return Relu

        return make

    def test_a_right_function(self, relu):
        assert check(relu(lambda x, g: g * (x > 0)), X)

    def test_tensors_as_inputs(self, torch, relu):
        assert check(relu(lambda x, g: g * (x > 0)), torch.tensor(X))

    def test_a_wrong_sign_is_named_and_its_line_found(self, relu):
        report = check(relu(lambda x, g: -g * (x > 0)), X)
        assert (report.verdict, report.cause) == ("wrong", "wrong_sign")
        assert report.subject == "Relu"
        assert report.where.gradient == "dx"
        assert report.line.endswith("return rule(x, g)")

    def test_a_gradient_that_is_written_to(self, relu):
        def rule(x, g):
            g[x <= 0] = 0
            return g

        assert check(relu(rule), X).cause == "inplace_dout"

    def test_a_gradient_that_is_taken_for_contiguous(self, torch, relu):
        def rule(x, g):
            held = g.untyped_storage().nbytes() // g.element_size() - g.storage_offset()
            read = torch.as_strided(g, (min(held, g.numel()),), (1,))
            return read.repeat(g.numel() // len(read) + 1)[: g.numel()].view(x.shape) * (x > 0)

        assert check(relu(rule), X).cause == "layout"

    def test_several_inputs_and_outputs_and_integers(self, torch):
        class Take(torch.autograd.Function):
            @staticmethod
            def forward(ctx, w, index):
                ctx.save_for_backward(w, index)
                return w[index], w.sum(0)

            @staticmethod
            def backward(ctx, dy, ds):
                w, index = ctx.saved_tensors
                return torch.zeros_like(w).index_add(0, index, dy) + ds, None

        assert check(Take, X, np.array([0, 2, 2]))

    @pytest.fixture
    def module(self, torch):
        def make(function):
            class Net(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.first = torch.nn.Linear(4, 3)
                    self.norm = torch.nn.BatchNorm1d(3, affine=False)
                    self.drop = torch.nn.Dropout(0.3)

                def forward(self, x):
                    return self.drop(function.apply(self.norm(self.first(x)) + 0.1))

            torch.manual_seed(0)
            return Net()

        return make

    def test_a_right_module_with_dropout_and_statistics(self, module, relu):
        subject = module(relu(lambda x, g: g * (x > 0)))
        before = {k: v.clone() for k, v in subject.state_dict().items()}
        assert check(subject, X)
        assert all((v == before[k]).all() for k, v in subject.state_dict().items())

    def test_a_wrong_function_inside_a_module(self, module, relu):
        report = check(module(relu(lambda x, g: -g * (x > 0))), X)
        assert report.verdict == "wrong"
        assert report.cause == "wrong_sign"
        assert {row.gradient for row in report.table} >= {"dx", "dfirst.weight"}

    def test_nested_outputs(self, torch):
        torch.manual_seed(0)
        assert check(torch.nn.LSTM(2, 2, batch_first=True), X.reshape(3, 2, 2))

    def test_the_number_of_threads_and_the_random_state_stay(self, torch, module, relu):
        threads, state = torch.get_num_threads(), torch.get_rng_state()
        check(module(relu(lambda x, g: g * (x > 0))), X)
        torch.manual_seed(0)
        assert torch.get_num_threads() == threads
        assert state.shape == torch.get_rng_state().shape


class TestJax:
    @pytest.fixture(autouse=True)
    def jax(self):
        return pytest.importorskip("jax", reason="JAX is not installed")

    @pytest.fixture
    def tanh(self, jax):
        """Makes a custom_vjp of tanh(x w) whose derivative is the one given: derivative(y)."""

        def make(derivative):
            @jax.custom_vjp
            def layer(x, w):
                return jax.numpy.tanh(x @ w)

            def forward(x, w):
                y = layer(x, w)
                return y, (x, w, y)

            def backward(kept, g):
                x, w, y = kept
                d = g * derivative(y)
                return d @ w.T, x.T @ d

            layer.defvjp(forward, backward)
            return layer

        return make

    def test_a_right_rule(self, tanh):
        assert check(tanh(lambda y: 1 - y**2), X, W)

    def test_a_wrong_rule(self, tanh):
        report = check(tanh(lambda y: 2 * (1 - y**2)), X, W)
        assert (report.verdict, report.cause) == ("wrong", "wrong_scale")
        assert report.subject == "layer"
        assert {row.gradient for row in report.table} == {"dx", "dw"}

    def test_a_compiled_function_and_arrays_of_jax(self, jax, tanh):
        compiled = jax.jit(tanh(lambda y: -(1 - y**2)))
        assert check(compiled, jax.numpy.array(X), W).cause == "wrong_sign"

    def test_integers_have_no_gradient(self, jax):
        report = check(jax.jit(lambda x, t: (x - t) ** 2), X[0], np.array([1, 2, 0, 1]))
        assert report.verdict == "right"


class TestCupy:
    """CuPy's arrays need a GPU: a stand-in shows that everything goes there and comes back."""

    @pytest.fixture
    def cupy(self, monkeypatch):
        class Device(np.ndarray):
            def get(self):
                return np.array(self)

        Device.__module__ = "cupy"
        fake = types.ModuleType("cupy")
        fake.ndarray = Device
        fake.asarray = lambda x: np.array(x).view(Device)
        monkeypatch.setitem(sys.modules, "cupy", fake)
        return fake

    @pytest.fixture
    def affine(self, cupy):
        class Affine:
            def __init__(self, W):
                self.W, self.dW = cupy.asarray(W), None

            def forward(self, x):
                assert isinstance(x, cupy.ndarray)
                assert isinstance(self.W, cupy.ndarray)
                self.x = x
                return x @ self.W

            def backward(self, dy):
                assert isinstance(dy, cupy.ndarray)
                self.dW = self.x.T @ dy
                return dy @ self.W.T

        return Affine

    def test_a_right_layer(self, cupy, affine):
        assert check(affine(W), cupy.asarray(X))

    def test_a_wrong_parameter(self, affine):
        class Doubled(affine):
            def backward(self, dy):
                dx = super().backward(dy)
                self.dW = self.dW * 2
                return dx

        report = check(Doubled(W), X)
        assert (report.verdict, report.cause) == ("wrong", "wrong_scale")
        assert report.where.gradient == "dW"

    def test_a_write_into_the_gradient_is_seen_from_here(self, affine):
        class Writes(affine):
            def backward(self, dy):
                dx = super().backward(dy)
                dy *= 0
                return dx

        assert check(Writes(W), X).cause == "inplace_dout"
