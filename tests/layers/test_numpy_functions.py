"""NumPy's functions on tensors: NumPy's numbers, and the gradient."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Tensor
from tests.reference.numeric import central_difference

A = np.random.default_rng(5).standard_normal((3, 4))
MASK = A > 0

FUNCTIONS = [
    np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.expm1, np.abs,
    np.square, np.ravel, np.cumsum, np.prod, np.var, np.std, np.min, np.max, np.flip, np.squeeze,
    np.linalg.norm,
    lambda x: np.arcsin(np.tanh(x)), lambda x: np.arccos(np.tanh(x)),
    lambda x: np.arctanh(np.sin(x) / 2), lambda x: np.arccosh(2 + x * x), lambda x: np.log1p(x * x),
    lambda x: np.where(MASK, x, 2), lambda x: np.where(x > 0, x, -x * A),
    lambda x: np.where(MASK[0], 1, x),
    lambda x: np.maximum(x, 0.1), lambda x: np.minimum(A[0], x), lambda x: np.clip(x, -0.5, 0.5),
    lambda x: np.clip(x, A - 1, None), lambda x: x.clip(None, 0.3), lambda x: np.hypot(x, 1),
    lambda x: np.concatenate((x, A)), lambda x: np.concatenate([x, x * 2], axis=1),
    lambda x: np.stack((x, A, x), axis=1), lambda x: np.split(x, 2, axis=1)[1],
    lambda x: np.split(x, [1, 3], axis=-1)[1], lambda x: np.pad(x, 1), lambda x: np.tile(x, (2, 1)),
    lambda x: np.pad(x, ((0, 1), (2, 0)), mode="edge"), lambda x: np.pad(x, 1, constant_values=3),
    lambda x: np.flip(x, 1), lambda x: np.cumsum(x, axis=1), lambda x: x.cumsum(0),
    lambda x: np.cumprod(x, axis=-1), lambda x: np.prod(x, axis=1, keepdims=True),
    lambda x: np.var(x, axis=0, ddof=1), lambda x: x.std(axis=(0, 1)), lambda x: x.min(axis=1),
    lambda x: np.einsum("ij,ij->i", x, A), lambda x: np.einsum("ij,kj", x, x),
    lambda x: np.linalg.norm(x, axis=1), lambda x: np.linalg.norm(x, 1, axis=0),
    lambda x: np.linalg.norm(x, np.inf, axis=0),
    lambda x: np.linalg.norm(x, 3, axis=-1, keepdims=True),
    lambda x: np.take_along_axis(x, np.array([[0], [3], [3]]), axis=1),
    lambda x: np.moveaxis(x[None], 0, -1), lambda x: np.swapaxes(x, 0, 1),
    lambda x: x.swapaxes(-1, 0),
    lambda x: np.expand_dims(x, (0, 2)), lambda x: x.astype(np.float64) * 2,
    lambda x: x * np.sign(x), lambda x: x + np.ones_like(x) + np.zeros_like(x),
    lambda x: x - np.floor(x), lambda x: x[np.argmax(x, axis=0), np.arange(4)],
]  # fmt: skip


@pytest.mark.parametrize("f", FUNCTIONS)
def test_on_tensors_as_on_arrays_and_back(f, rng):
    x0 = rng.standard_normal((3, 4))
    x = Tensor(x0)
    y = f(x)
    np.testing.assert_allclose(y.data, f(x0), rtol=1e-12, atol=1e-14)
    dy = rng.standard_normal(y.shape)
    y.backward(dy)
    expected = central_difference(lambda: float((f(x0) * dy).sum()), x0)
    np.testing.assert_allclose(x.grad, expected, rtol=1e-6, atol=1e-8)


def test_numbers_and_arrays_take_the_tensors_dtype(rng):
    x = Tensor(rng.standard_normal((3, 4)).astype(np.float32))
    for y in (np.concatenate((A, x)), np.stack((x, A)), np.where(MASK, x, A), np.maximum(A, x),
              np.einsum("ij,ij", A, x), np.clip(x, 0, 1)):  # fmt: skip
        assert y.dtype == np.float32


def test_what_has_no_gradient_is_a_plain_array(rng):
    x = Tensor(rng.standard_normal((3, 4)))
    for y in (np.sign(x), np.argmax(x), x.argmax(axis=0), np.zeros_like(x), np.isfinite(x),
              np.any(x > 0), np.shape(x)):  # fmt: skip
        assert not isinstance(y, Tensor)


def test_what_is_not_there_says_so():
    x = Tensor(A)
    with pytest.raises(TypeError, match="np.linalg.norm with ord='nuc' has no gradient rule"):
        np.linalg.norm(x, "nuc")
    with pytest.raises(TypeError, match="a tensor of float64 cannot become float32"):
        x.astype(np.float32)
    with pytest.raises(TypeError, match="np.add has no gradient rule for this use"):
        np.add(A, x, out=A.copy())
