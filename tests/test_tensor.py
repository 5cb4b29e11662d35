"""Tensors and the backward walk."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from handgrad import Tensor, no_grad
from handgrad.arrays import ShapeError
from handgrad.layer import Layer
from handgrad.layers import Add, Affine, Exp, Index, Mul, Neg


def test_fruit_stall_by_hand():
    apples, oranges, total, tax = Mul(), Mul(), Add(), Mul()
    price = tax.forward(total.forward(apples.forward(100.0, 3.0), oranges.forward(50.0, 4.0)), 1.1)
    assert price == pytest.approx(550)
    dsum, dtax = tax.backward(1.0)
    dapples, doranges = total.backward(dsum)
    assert (dsum, dtax) == (1.1, 500)
    assert apples.backward(dapples) == pytest.approx((3.3, 110))
    assert oranges.backward(doranges) == pytest.approx((4.4, 55))


def test_fruit_stall_on_tensors():
    apple, apples, orange, oranges, tax = map(Tensor, (100.0, 3, 50.0, 4, 1.1))
    total = apple * apples + orange * oranges
    price = total * tax
    price.backward()
    assert price.item() == pytest.approx(550)
    gradients = [float(t.grad) for t in (tax, total, apple, apples, orange, oranges)]
    assert gradients == pytest.approx([500, 1.1, 3.3, 110, 4.4, 55])


def test_fan_out_sums_and_the_order_is_right():
    a = Tensor(3.0)
    b = a + a
    c = b + b
    c.backward()
    assert (a.grad, b.grad) == (4, 2)


def test_a_second_backward_starts_anew():
    a = Tensor(2.0)
    b = a * a
    b.backward(retain=True)
    b.backward()
    assert a.grad == 4
    with pytest.raises(RuntimeError, match="retain=True"):
        b.backward()


def test_a_sum_of_gradients_writes_into_no_array_of_others(rng):
    x, dy = Tensor(rng.normal(size=(3, 2))), rng.normal(size=(3, 2))
    given = dy.copy()
    y = x + x + x
    y.backward(dy)
    np.testing.assert_array_equal(dy, given)
    np.testing.assert_allclose(x.grad, 3 * dy)


def test_intermediates_have_gradients_and_constants_none(rng):
    x = Tensor(rng.normal(size=4))
    constant = x.detach()
    h = x * 3.0
    y = (h * constant).sum()
    y.backward()
    np.testing.assert_array_equal(h.grad, constant.data)
    assert constant.grad is None


def test_no_grad_records_nothing():
    x = Tensor([1.0, 2.0])
    with no_grad():
        y = x * x
    assert y.creator is None
    assert (x * x).creator is not None


def test_a_chain_of_10_000_runs_backward_without_recursion():
    x = Tensor([1.0, -2.0])
    y, layer = x, Neg()
    for _ in range(10_000):
        y = layer(y)
    y.backward([1.0, 3.0])
    np.testing.assert_array_equal(x.grad, [1, 3])


def test_a_long_chain_is_let_go_without_recursion():
    y, layer = Tensor([1.0]), Neg()
    for _ in range(100_000):
        y = layer(y)
    del y  # would overflow the stack if it recursed


def test_memory_is_freed_without_the_cycle_collector():
    gc.collect()
    gc.disable()
    try:
        x = Tensor(np.ones(1000))
        h = x * 2.0
        y = (h * h).sum()
        kept = weakref.ref(h)
        del h
        y.backward()
        assert kept() is None  # freed by backward: the record holds it no more
        saved = weakref.ref(y)
        del y
        assert saved() is None
    finally:
        gc.enable()


def test_a_layer_used_twice_sums_its_parameters_gradients(rng):
    layer = Affine(3, inputs=3)
    x, dy = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    y = layer(layer(Tensor(x)))
    y.backward(dy)
    inner = x @ layer.W + layer.b
    np.testing.assert_allclose(layer.dW, inner.T @ dy + x.T @ (dy @ layer.W.T))
    np.testing.assert_allclose(layer.db, dy.sum(0) + (dy @ layer.W.T).sum(0))


def test_broadcasting_is_a_step_of_its_own_and_its_backward_is_the_sum(rng):
    x, b, dy = Tensor(rng.normal(size=(4, 3))), Tensor(rng.normal(size=3)), rng.normal(size=(4, 3))
    y = x + b
    broadcast = y.creator.inputs[1].creator
    assert type(broadcast.original).__name__ == "Broadcast"
    y.backward(dy)
    np.testing.assert_array_equal(b.grad, dy.sum(axis=0))


def test_db_is_a_matrix_product_with_ones(rng):
    layer, dy = Affine(2, inputs=3), rng.normal(size=(5, 2))
    layer.forward(rng.normal(size=(5, 3)))
    layer.backward(dy)
    np.testing.assert_allclose(np.ones(5) @ dy, layer.db, rtol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, a: a @ x, lambda x, a: x @ a, lambda x, a: a + x, lambda x, a: a - x,
        lambda x, a: 2 ** x, lambda x, a: 1 / (x * x + 1), lambda x, a: np.exp(x) * a,
        lambda x, a: (x[1] @ a[:, 0]), lambda x, a: x.T @ a, lambda x, a: np.sqrt(x * x + 1.0),
        lambda x, a: x.reshape(-1)[::2] ** 3, lambda x, a: np.log(x * x + 2) / a,
        lambda x, a: -x[[0, 0, 2]], lambda x, a: a[None] @ np.broadcast_to(x, (4, 3, 3)),
    ],
)  # fmt: skip
def test_operators_both_ways_against_differences(f, rng):
    x0, a = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    x = Tensor(x0)
    y = f(x, a)
    np.testing.assert_allclose(y.data, f(x0, a), rtol=1e-12)
    dy = rng.normal(size=y.shape)
    y.backward(dy)
    h = 1e-6
    for i in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[i] = h
        derivative = ((f(x0 + step, a) - f(x0 - step, a)) * dy).sum() / (2 * h)
        assert x.grad[i] == pytest.approx(derivative, rel=1e-6, abs=1e-8)


def test_numbers_take_the_tensors_dtype():
    x = Tensor(np.ones(3, np.float32))
    assert (2 * x + 1).dtype == np.float32
    assert (np.arange(3.0) * x).dtype == np.float32
    assert Tensor([1, 2]).dtype == np.float64


def test_comparisons_are_plain_arrays_and_tensors_hash():
    x = Tensor([1.0, 3.0])
    np.testing.assert_array_equal(x > 2, [False, True])
    np.testing.assert_array_equal(np.array([1.0, 2.0]) == x, [True, False])
    np.testing.assert_array_equal(x <= 2, [True, False])
    assert len({x, x}) == 1


def test_clear_errors():
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"needs a scalar.*\(2, 3\)"):
        (x * 2).backward()
    with pytest.raises(ShapeError, match=r"dy must have shape \(2, 3\), got \(3,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(ShapeError, match=r"Add: shapes \(2, 3\) and \(2,\)"):
        x + np.ones(2)
    with pytest.raises(TypeError, match=r"np.arctan2 has no gradient rule"):
        np.arctan2(x, x)
    with pytest.raises(TypeError, match=r"inv has no gradient rule"):
        np.linalg.inv(x)
    with pytest.raises(ShapeError, match="Index"):
        Index(7)(x)
    with pytest.raises(ValueError, match="real numbers"):
        Tensor(["a"])


def test_a_gradient_of_the_wrong_shape_is_refused():
    class Bad(Layer):
        def forward(self, x):
            return x.sum(axis=0)

        def backward(self, dy):
            return dy

    with pytest.raises(ShapeError, match=r"Bad: the gradient of input 0 .*\(4, 3\).*\(3,\)"):
        Bad()(Tensor(np.ones((4, 3)))).backward(np.ones(3))


def test_a_layer_with_two_outputs(rng):
    class Both(Layer):
        """sin and cos."""

        def forward(self, x):
            self.x = x
            return np.sin(x), np.cos(x)

        def backward(self, ds, dc):
            return ds * np.cos(self.x) - dc * np.sin(self.x)

    x = Tensor(rng.normal(size=3))
    s, c = Both()(x)
    (s * c + Exp()(s)).backward(np.ones(3))
    expected = np.cos(2 * x.data) + np.exp(np.sin(x.data)) * np.cos(x.data)
    np.testing.assert_allclose(x.grad, expected)
    (Both()(x)[1]).backward(np.ones(3))  # the unused output counts as zero
    np.testing.assert_allclose(x.grad, -np.sin(x.data))
