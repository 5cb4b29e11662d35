"""grad, gradients of gradients, Hessian-vector products."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad
from handgrad import Sequential, ShapeError, Tensor, grad, gradient_penalty, hessian, hvp, layers
from handgrad.layer import Layer, slots
from handgrad.layers.samples import SAMPLES
from tests.reference.numeric import central_difference

# These say that their code, which writes into arrays or decomposes matrices, does not run on
# tensors; every other layer has second derivatives.
REFUSED = {
    "Bidirectional", "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell", "SpectralNorm",
    "Stacked",
}  # fmt: skip


def takes_numbers(sample):
    """Whether an input is real: on indices alone, nothing is recorded."""
    return any(x.dtype.kind == "f" for x in sample.inputs(np.random.default_rng(0)))


def listed(y):
    return list(y) if isinstance(y, tuple | list) else [y]


class Use:
    """A layer at fixed inputs and upstream gradients: its gradients, as arrays or tensors."""

    def __init__(self, sample, rng):
        self.layer, self.inputs = sample.make(), sample.inputs(rng, batch=3)
        self.layer.build(*self.inputs)
        self.step = self.layer.stream.step if self.layer.stream else None
        outputs = listed(self.forward(self.inputs))
        self.dys = [rng.standard_normal(np.shape(y)) for y in outputs]
        gradients = listed(self.layer.backward(*self.dys))
        self.positions = [i for i, g in enumerate(gradients) if g is not None]

    def forward(self, inputs):
        if self.step is not None:
            self.layer.stream.step = self.step
        return self.layer(*inputs)

    @property
    def variables(self):
        """The arrays by which there is a gradient."""
        return [self.inputs[i] for i in self.positions] + [s.value for s in slots(self.layer)]

    def backpropagated(self, create_graph):
        """The gradients of Σ dy · y, and what they are taken with respect to."""
        inputs = [Tensor(x) if i in self.positions else x for i, x in enumerate(self.inputs)]
        outputs = listed(self.forward(inputs))
        total = sum((y * dy).sum() for y, dy in zip(outputs, self.dys))
        wanted = [inputs[i] for i in self.positions] + slots(self.layer)
        return grad(total, wanted, create_graph=create_graph), wanted


@pytest.mark.parametrize("sample", [*filter(takes_numbers, SAMPLES)], ids=str)
def test_the_gradient_of_the_gradient_is_its_derivative(sample, rng):
    use = Use(sample, rng)
    if sample.cls.__name__ in REFUSED:
        with pytest.raises(NotImplementedError, match=f"{sample.cls.__name__} has no second"):
            use.backpropagated(create_graph=True)
        return
    vs = [rng.standard_normal(x.shape) for x in use.variables]
    gradients, wanted = use.backpropagated(create_graph=True)
    for g, expected in zip(gradients, use.backpropagated(create_graph=False)[0]):
        np.testing.assert_allclose(g.data, expected, rtol=1e-12, atol=1e-14)
    second = grad(sum((g * v).sum() for g, v in zip(gradients, vs)), wanted)

    def along():
        return sum((g * v).sum() for g, v in zip(use.backpropagated(create_graph=False)[0], vs))

    for x, h in zip(use.variables, second):
        np.testing.assert_allclose(h, central_difference(along, x), rtol=1e-5, atol=1e-7)


def test_grad_is_what_backward_sets_and_sets_nothing(rng):
    net = Sequential(layers.Affine(4), layers.Tanh(), layers.Affine(2), dtype=np.float64)
    x, dy = Tensor(rng.standard_normal((5, 3))), rng.standard_normal((5, 2))
    y = net(x)
    dx, *dparameters = grad(y, [x, *slots(net)], dy)
    assert x.grad is None
    assert not hasattr(net.layers[0], "dW")
    y.backward(dy)
    np.testing.assert_array_equal(dx, x.grad)
    for slot, g in zip(slots(net), dparameters):
        np.testing.assert_array_equal(g, slot.grad)


def test_grad_of_a_function_and_of_several_variables(rng):
    a, b = rng.standard_normal((2, 3))
    assert isinstance(grad(lambda x: (x * x).sum(), a), np.ndarray)
    np.testing.assert_allclose(grad(lambda x: (x * x).sum(), a), 2 * a)
    da, db = grad(lambda x, y: (x * y).sum(), (a, b))
    np.testing.assert_array_equal(da, b)
    np.testing.assert_array_equal(db, a)


def test_third_derivatives(rng):
    x = Tensor(rng.uniform(0.5, 2, 4))
    y = x**4.0 + np.sin(x)
    one = np.ones(4)
    first = grad(y, x, one, create_graph=True)
    second = grad(first, x, one, create_graph=True)
    third = grad(second, x, one)
    np.testing.assert_allclose(second.data, 12 * x.data**2 - np.sin(x.data), rtol=1e-12)
    np.testing.assert_allclose(third, 24 * x.data - np.cos(x.data), rtol=1e-12)


def test_what_takes_no_part_has_the_gradient_zero(rng):
    x, other = Tensor(rng.standard_normal(3)), Tensor(rng.standard_normal((2, 2)))
    g, none = grad((x * x).sum(), [x, other])
    np.testing.assert_array_equal(none, np.zeros((2, 2)))
    np.testing.assert_array_equal(grad((x * 3.0).sum(), x), [3, 3, 3])
    np.testing.assert_array_equal(hvp(lambda z: (z * 3.0).sum(), x.data, g), np.zeros(3))


def test_hessian_of_a_quadratic_form_and_its_products(rng):
    a, x, v = rng.standard_normal((4, 4)), rng.standard_normal(4), rng.standard_normal(4)

    def f(z):
        return z @ (a @ z)

    np.testing.assert_allclose(hessian(f, x), a + a.T, rtol=1e-12)
    np.testing.assert_allclose(hvp(f, x, v), (a + a.T) @ v, rtol=1e-12)


def test_hvp_of_several_variables(rng):
    x, y, v, w = rng.standard_normal((4, 3))
    hx, hy = hvp(lambda a, b: (a * a * b).sum(), (x, y), (v, w))
    np.testing.assert_allclose(hx, 2 * y * v + 2 * x * w, rtol=1e-12)
    np.testing.assert_allclose(hy, 2 * x * v, rtol=1e-12)


def test_the_hessian_of_a_network_is_symmetric_and_numerically_right(rng):
    net = Sequential(layers.Affine(5), layers.GELU(), layers.Affine(3), dtype=np.float64)
    loss, t = layers.SoftmaxCrossEntropy(), rng.integers(0, 3, 4)

    def f(x):
        return loss(net(x), t)

    x = rng.standard_normal((4, 2))
    h = hessian(f, x).reshape(8, 8)
    np.testing.assert_allclose(h, h.T, rtol=1e-10, atol=1e-14)
    direction = rng.standard_normal((4, 2))
    near = [grad(f, x + s * 1e-5 * direction) for s in (1, -1)]
    numeric = (near[0] - near[1]).ravel() / 2e-5
    np.testing.assert_allclose(h @ direction.ravel(), numeric, rtol=1e-6, atol=1e-9)


def test_a_gradient_penalty_reaches_the_parameters(rng):
    """loss = |∂y/∂x|², as in Wasserstein networks: its backward sets dW of the layers."""
    net = Sequential(layers.Affine(4), layers.Tanh(), layers.Affine(1), dtype=np.float64)
    data = rng.standard_normal((3, 2))

    def penalty():
        x = Tensor(data)
        g = grad(net(x).sum(), x, create_graph=True)
        return (g * g).sum()

    penalty().backward()
    for slot in slots(net)[:3]:
        expected = central_difference(lambda: penalty().item(), slot.value)
        np.testing.assert_allclose(slot.grad, expected, rtol=1e-6, atol=1e-9)


def test_a_random_layer_is_repeated_with_the_same_numbers(rng):
    layer, x = layers.Dropout(0.5, seed=3), Tensor(rng.standard_normal((4, 5)))
    y = layer(x)
    step = layer.stream.step
    g = grad((y * y).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.data, grad((y * y).sum(), x), rtol=1e-12)
    assert layer.stream.step == step


def test_statistics_are_not_gathered_twice(rng):
    class Counting(Layer):
        buffers = ("uses",)

        def __init__(self):
            self.uses = np.zeros(1)

        def forward(self, x):
            self.uses[...] = self.uses + 1
            self.x = x
            return x * x

        def backward(self, dy):
            return 2 * dy * self.x

    layer, x = Counting(), Tensor(rng.standard_normal(3))
    g = grad(layer(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(grad(g.sum(), x), [2, 2, 2])
    assert layer.uses == 1


def test_a_layer_whose_code_leaves_tensors_says_so(rng):
    class Outside(Layer):
        def forward(self, x):
            self.y = np.array([float(v) ** 2 for v in x])
            self.x = x
            return self.y

        def backward(self, dy):
            return 2 * self.x * dy

    x = Tensor(rng.standard_normal(3))
    y = Outside()(x).sum()
    np.testing.assert_allclose(grad(y, x), 2 * x.data)
    with pytest.raises(NotImplementedError, match="Outside has no second derivative: its code"):
        grad(y, x, create_graph=True)


def test_smooth_functions_have_their_second_derivative_at_zero():
    """Where stable code has a kink that the function has not."""
    cases = [("Sigmoid", 0.0), ("Softplus", 0.25), ("Tanh", 0.0), ("SiLU", 0.5), ("Mish", 0.64),
             ("GELU", 2 / np.sqrt(2 * np.pi)), ("Erf", 0.0)]  # fmt: skip
    for name, expected in cases:
        f = getattr(layers, name)()
        assert hvp(lambda x, f=f: f(x).sum(), np.zeros(1), np.ones(1)) == pytest.approx(expected)


def test_clear_errors(rng):
    x = Tensor(rng.standard_normal(3))
    with pytest.raises(ShapeError, match=r"needs a scalar"):
        grad(x * x, x)
    with pytest.raises(ShapeError, match=r"dy must have shape \(3,\), got \(2,\)"):
        grad(x * x, x, np.ones(2))
    with pytest.raises(ValueError, match="xs must be tensors or slots"):
        grad((x * x).sum(), [1.0])
    with pytest.raises(ValueError, match="y must be a tensor"):
        grad(3.0, x)
    with pytest.raises(ShapeError, match="v must have the shapes of x"):
        hvp(lambda a: a.sum(), np.ones(3), np.ones(2))
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="retain=True"):
        grad(y, x)


def test_float32_stays(rng):
    x = rng.standard_normal(3).astype(np.float32)
    assert hvp(lambda z: (np.tanh(z) ** 3).sum(), x, x).dtype == np.float32
    assert {"grad", "hvp", "hessian"} <= set(handgrad.__all__)


def test_a_gradient_penalty_is_a_mean_over_samples(rng):
    W = rng.standard_normal(3)
    penalty = gradient_penalty(lambda x: (x @ W) ** 2, np.array([[1.0, 2, 3], [0, 0, 0]]))
    expected = [abs(2 * np.dot([1, 2, 3], W)) * np.linalg.norm(W) - 1, -1]
    assert penalty.item() == pytest.approx(np.mean(np.square(expected)), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gradient_penalty_is_sent_back_to_the_critic(dtype, rng):
    critic = Sequential(
        layers.Convolution(2, 2), layers.LeakyReLU(), layers.Flatten(), layers.Affine(1),
        dtype=dtype, seed=1,
    )  # fmt: skip
    x = rng.standard_normal((3, 1, 3, 3)).astype(dtype)
    gradient_penalty(critic, x, length=0.5).backward()
    got = {slot.path: slot.grad for slot in slots(critic)}
    exact = critic.astype(np.float64)

    def value():
        return gradient_penalty(exact, x.astype(np.float64), length=0.5).item()

    for path, w in exact.named_parameters().items():
        numeric = central_difference(value, w)
        g = got[path] if got[path] is not None else 0  # a bias of the scores changes nothing
        np.testing.assert_allclose(g, numeric, rtol=1e-3, atol=1e-6)


def test_where_nothing_changes_the_penalty_has_a_gradient_too():
    critic = Sequential(layers.Affine(1, init="zeros"), dtype=np.float32)
    penalty = gradient_penalty(critic, np.ones((2, 3), np.float32))
    penalty.backward()
    assert penalty.item() == 1
    assert np.isfinite(critic[0].dW).all()
