"""Subjects of PyTorch, JAX and others, checked through their own machinery."""

import inspect
import sys
import types

import numpy as np
import pytest

from handgrad.findings.report import family
from handgrad.prove.check import check
from handgrad.subject.peers.adapt import as_arrays

X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(4, 2))
B = np.random.default_rng(2).normal(size=2)


def names(report, cause):
    """Whether a report is wrong, for a cause of this family."""
    return report.verdict == "wrong" and report.cause in family(cause)


class Plain:
    def forward(self, x):
        return 2 * x

    def backward(self, dy):
        return 2 * dy


def test_what_is_shared_with_no_other_comes_back_as_it_was():
    thing = Plain()
    same, inputs = as_arrays(thing, (X, 3, "text"))
    assert same is thing
    assert inputs[0] is X
    assert inputs[1:] == [3, "text"]


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="PyTorch is not installed")

    @pytest.fixture
    def function(self, torch):
        """Makes a Function of forward(ctx, …) and backward(ctx, …); or with a setup_context."""

        def make(forward, backward, setup=None, name="Function"):
            methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
            if setup is not None:
                methods["setup_context"] = staticmethod(setup)
            return type(name, (torch.autograd.Function,), methods)

        return make

    @pytest.fixture
    def relu(self, function):
        """Makes a Function whose backward is the one given: backward(x, gradient)."""

        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        def make(rule):
            return function(forward, lambda ctx, g: rule(ctx.saved_tensors[0], g), name="Relu")

        return make

    @pytest.fixture
    def right(self, relu):
        return relu(lambda x, g: g * (x > 0))

    @pytest.fixture
    def wrong(self, relu):
        return relu(lambda x, g: -g * (x > 0))

    def test_every_way_to_give_a_function(self, torch, right):
        for subject in (right, right.apply, lambda x: 2 * right.apply(x)):
            assert check(subject, X)
        assert check(right, torch.tensor(X))
        assert check(lambda x: right.apply(x) + 1, torch.tensor(X).float())

    def test_a_wrong_sign_is_named_and_its_line_found(self, wrong):
        report = check(wrong, X)
        assert (report.verdict, report.cause) == ("wrong", "wrong_sign")
        assert report.subject == "Relu"
        assert report.where.gradient == "dx"
        assert "rule(ctx.saved_tensors[0], g)" in report.line

    def test_setup_context(self, function):
        def setup(ctx, inputs, output):
            ctx.save_for_backward(output)

        def make(k):
            return function(
                lambda x: x.tanh(), lambda ctx, g: k * g * (1 - ctx.saved_tensors[0] ** 2), setup
            )

        assert check(make(1), X)
        assert check(make(3), X).cause == "wrong_scale"

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

    def test_an_input_that_is_written_to(self, function):
        assert names(check(function(lambda ctx, x: x.mul_(2), lambda ctx, g: 2 * g), X),
                     "inplace_input")  # fmt: skip

    def test_a_function_that_declares_that_it_works_in_place(self, function):
        def forward(ctx, x):
            ctx.mark_dirty(x)
            ctx.save_for_backward(x.clamp_(min=0))
            return x

        assert check(function(forward, lambda ctx, g: g * (ctx.saved_tensors[0] > 0)), X)

    def test_what_is_kept_on_the_class_is_overwritten(self, torch):
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                Square.x = x
                return x * x

            @staticmethod
            def backward(ctx, g):
                return 2 * g * Square.x

        report = check(Square, X)
        assert report.cause == "stale_state"
        assert "ctx" in str(report)

    def test_an_input_that_alone_needs_a_gradient(self, function):
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return (g * b, g * a) if ctx.needs_input_grad[0] else (None, None)

        report = check(function(forward, backward), X, X + 1)
        assert report.verdict == "wrong"
        assert "needs_input_grad" in str(report)

    def test_randomness_follows_the_seed_whatever_the_generator(self, torch, function):
        own = torch.Generator()

        def forward(ctx, x, draw):
            ctx.save_for_backward((draw(x) > 0.4).to(x.dtype))
            return x * ctx.to_save[0]

        def backward(ctx, g):
            return g * ctx.saved_tensors[0], None

        dropout = function(forward, backward)
        assert check(dropout, X, torch.rand_like)
        assert check(lambda x: dropout.apply(x, lambda x: torch.rand(x.shape, generator=own)), X)
        redraws = function(forward, lambda ctx, g: (g * (torch.rand_like(g) > 0.4), None))
        assert check(redraws, X, torch.rand_like).cause == "nondeterministic"

    def test_none_for_an_input(self, torch, function):
        """None says that there is none, and is told; missing where wrt or requires_grad asks."""

        def forward(ctx, x, w, b):
            ctx.save_for_backward(w)
            return x @ w + b

        affine = function(forward, lambda ctx, g: (g @ ctx.saved_tensors[0].T, None, g.sum(0)))
        report = check(affine, X, W, B)
        assert report
        assert "backward says by None that w has no gradient" in report.notes
        assert check(affine, X, W, B, wrt=("x", "w", 2)).cause == "missing_term"
        assert check(affine, X, W, B, wrt=("x", 2))
        every = [torch.tensor(a, requires_grad=True) for a in (X, W, B)]
        assert check(affine, *every).cause == "missing_term"
        given = [torch.tensor(a, requires_grad=k != 1) for k, a in enumerate((X, W, B))]
        assert check(affine, *given)

        def rotate(x):
            return torch.cat((-x[..., 2:], x[..., :2]), -1)

        def turn(ctx, x, cos, sin):
            ctx.save_for_backward(cos, sin)
            return x * cos + rotate(x) * sin

        def turn_back(ctx, g):
            cos, sin = ctx.saved_tensors
            return g * cos - rotate(g * sin), None, None

        assert check(function(turn, turn_back), X, np.cos(X), np.sin(X))

    def test_numbers_texts_and_containers_as_inputs(self, torch, function, right):
        def forward(ctx, x, k, mode):
            ctx.k = k
            return x * k

        assert check(function(forward, lambda ctx, g: (g * ctx.k, None, None)), X, 0.3, "mean")
        parts = {"w": torch.tensor(W), "b": torch.tensor(B)}
        report = check(lambda p, x: right.apply(x @ p["w"] + p["b"]), parts, X)
        assert report
        assert {row.gradient for row in report.table} == {"dp_w", "dp_b", "dx"}

    def test_several_outputs_and_integers(self, torch, function):
        def forward(ctx, w, index):
            ctx.save_for_backward(w, index)
            return w[index], w.sum(0), index + 1

        def backward(ctx, dy, ds, _):
            w, index = ctx.saved_tensors
            return torch.zeros_like(w).index_add(0, index, dy) + ds, None

        assert check(function(forward, backward), X, np.array([0, 2, 2]))

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

    def test_a_right_module_with_dropout_and_statistics(self, module, right):
        subject = module(right)
        before = {k: v.clone() for k, v in subject.state_dict().items()}
        assert check(subject, X)
        assert all((v == before[k]).all() for k, v in subject.state_dict().items())

    def test_a_wrong_function_inside_a_module_is_named(self, module, wrong):
        report = check(module(wrong), X)
        assert (report.verdict, report.cause, report.layer) == ("wrong", "wrong_sign", "Relu")
        assert "rule(ctx.saved_tensors[0], g)" in report.line
        assert {row.gradient for row in report.table} >= {"dx", "first.dweight"}

    def test_no_line_of_pytorch_is_blamed(self, torch):
        report = check(torch.nn.Linear(4, 2), X[:, :3])
        assert report.verdict != "right"
        assert report.line is None or "torch" not in report.line.split(":")[0]

    def test_nested_outputs(self, torch):
        torch.manual_seed(0)
        assert check(torch.nn.LSTM(2, 2, batch_first=True), X.reshape(3, 2, 2))

    def test_custom_operators(self, torch):
        sign = 1

        @torch.library.custom_op("handgrad_tests::scaled_square", mutates_args=())
        def scaled_square(x: torch.Tensor, a: float) -> torch.Tensor:
            return a * x * x

        def backward(ctx, g):
            return sign * 2 * ctx.a * ctx.saved_tensors[0] * g, None

        def setup(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.a = inputs[1]

        scaled_square.register_autograd(backward, setup_context=setup)
        operator = torch.ops.handgrad_tests.scaled_square
        assert check(scaled_square, X, 2.0)
        sign = -1
        for report in (
            check(scaled_square, X, 2.0),
            check(operator, X, 2.0),
            check(lambda x: scaled_square(x, 2.0), X),
        ):
            assert report.cause == "wrong_sign"
            assert "return sign * 2" in report.line

    def test_a_compiled_function(self, torch, wrong):
        compiled = torch.compile(lambda x: 2 * wrong.apply(x), backend="eager")
        assert check(compiled, torch.tensor(X)).cause == "wrong_sign"

    def test_a_gpu_that_is_not_there(self, torch):
        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
        report = check(lambda x: x.cuda() * 2, torch.tensor(X))
        assert report.verdict == "cannot tell"
        assert "GPU" in str(report)

    def test_kernels_on_tensors(self, torch):
        """Triton's style: forward and backward that work on tensors, without autograd."""

        class Kernel:
            def forward(self, x):
                self.y = torch.tanh(x)
                return self.y.clone()

            def backward(self, dy):
                return dy * (1 - self.y**2)

        def forward(x):
            return torch.tanh(x), x

        def backward(dy, cache):
            return dy.mul_(1 - torch.tanh(cache) ** 2)

        assert check(Kernel(), torch.tensor(X))
        assert check(Kernel, torch.tensor(X))
        assert check((forward, backward), torch.tensor(X)).cause == "inplace_dout"

    def test_the_number_of_threads_and_the_random_state_stay(self, torch, right):
        torch.manual_seed(5)
        threads, state = torch.get_num_threads(), torch.get_rng_state()
        check(right, X)
        assert torch.get_num_threads() == threads
        assert torch.equal(state, torch.get_rng_state())

    def test_constants_in_a_closure_stay_as_they_are(self, torch):
        constant = X.astype(np.float32)
        assert check(lambda x: x * torch.from_numpy(constant), torch.tensor(X).float())
        assert constant.dtype == np.float32


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

    def test_a_wrong_rule_inside_a_function(self, jax, tanh):
        layer = jax.jit(tanh(lambda y: 2 * (1 - y**2)))
        report = check(lambda x, w: layer(x, w) + 1, jax.numpy.array(X), W)
        assert (report.verdict, report.cause) == ("wrong", "wrong_scale")
        assert {row.gradient for row in report.table} == {"dx", "dw"}
        assert "d @ w.T, x.T @ d" in report.line

    def test_arguments_without_gradient_and_containers(self, jax):
        def power(p, n):
            return {"y": p["x"] ** n}

        def forward(p, n):
            return power(p, n), p["x"]

        def backward(n, x, g):
            return ({"x": 2 * n * g["y"] * x ** (n - 1)},)

        rule = jax.custom_vjp(power, nondiff_argnums=(1,))
        rule.defvjp(forward, backward)
        report = check(rule, {"x": X}, 3)
        assert report.cause == "wrong_scale"
        assert report.where.gradient == "dp_x"

    def test_custom_jvp(self, jax):
        square = jax.custom_jvp(lambda x: x * x)
        square.defjvp(lambda x, t: (x[0] * x[0], -2 * x[0] * t[0]))
        assert check(square, X).cause == "wrong_sign"

    def test_a_forward_rule_that_gives_another_value(self, jax):
        rule = jax.custom_vjp(lambda x: 2 * x)
        rule.defvjp(lambda x: (3 * x, None), lambda _, g: (2 * g,))
        assert check(rule, X).cause == "forward_bug"

    def test_what_jax_cannot_differentiate(self, jax):
        report = check(lambda x: x * float(x.sum()), jax.numpy.array(X))
        assert report.verdict == "cannot tell"
        assert "nondiff_argnums" in str(report)

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


def test_any_library_with_dlpack(monkeypatch):
    class Buffer:
        """An array that offers nothing but DLPack, and multiplication."""

        def __init__(self, array):
            self.array = array

        def __mul__(self, k):
            return Buffer(self.array * k)

        def __dlpack__(self, **options):
            return self.array.__dlpack__()

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    other = types.ModuleType("otherlib")
    other.from_dlpack = lambda x: Buffer(np.from_dlpack(x))
    Buffer.__module__ = "otherlib"
    monkeypatch.setitem(sys.modules, "otherlib", other)
    assert check((lambda x: x * 3, lambda dy: dy * 3), Buffer(X))
    assert check((lambda x: x * 3, lambda dy: dy * 2), Buffer(X)).cause == "wrong_scale"


class TestStated:
    """What a caller states: a surrogate gradient, what to differentiate, how exactly."""

    class Round:
        def __init__(self):
            self.W, self.dW = W.copy(), None

        def forward(self, x):
            self.x = x
            return x @ np.round(self.W)

        def backward(self, dy):
            self.dW = self.x.T @ dy
            return dy @ self.W.T

    def test_a_surrogate_with_parameters(self):
        assert check(self.Round(), X).verdict == "wrong"
        assert check(self.Round(), X, surrogate=lambda x, W: x @ W)
        report = check(self.Round(), X, surrogate=lambda x, W: 2 * x @ W)
        assert (report.subject, report.cause) == ("Round", "wrong_scale")
        assert "Round" in inspect.getsource(type(self))

    def test_a_surrogate_of_another_shape(self):
        report = check(Plain(), X, surrogate=lambda x: x[0])
        assert report.verdict == "cannot tell"
        assert "(4,)" in str(report)

    def test_a_surrogate_on_tensors(self):
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")

        class Step(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return (x > 0).to(x.dtype)

            @staticmethod
            def backward(ctx, g):
                return g / (1 + ctx.saved_tensors[0] ** 2)

        assert check(Step, X, surrogate=torch.atan)
        assert check(Step, X, surrogate=lambda x: -torch.atan(x)).cause == "wrong_sign"

    def test_a_tolerance(self):
        class Nearly(Plain):
            def backward(self, dy):
                return 2.001 * dy

        assert check(Nearly(), X).verdict == "wrong"
        assert check(Nearly(), X, rtol=1e-2)
        with pytest.raises(ValueError, match="rtol"):
            check(Nearly(), X, rtol=2)

    def test_names_and_indices(self):
        class Half(Plain):
            def forward(self, a, b):
                return 2 * a + b

            def backward(self, dy):
                return 2 * dy, 5 * dy

        assert check(Half(), X, X).verdict == "wrong"
        assert check(Half(), X, X, wrt="a")
        assert check(Half(), X, X, wrt=1).verdict == "wrong"
        with pytest.raises(ValueError, match="a, b"):
            check(Half(), X, X, wrt="c")
