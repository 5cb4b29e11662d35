"""JAX: one jitted call a step, or one for all steps of a turn, which `lax.scan` runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks import workloads as w
from benchmarks.workloads import Workload

Params = list[jax.Array]


class System:
    """Parameters and the optimizer's state are given up to each call and come back updated."""

    def __init__(self, workload: Workload, scan: bool = False):
        x, t = workload.data
        self.x, self.t = jnp.asarray(x), jnp.asarray(t, jnp.int32)
        params = [jnp.asarray(array) for array in workload.weights()]
        zeros = partial(jax.tree.map, jnp.zeros_like, params)
        self.state = params, zeros(), zeros(), jnp.int32(0)
        self.scan = scan
        step = partial(train_step, workload)
        self.step = jax.jit(step, donate_argnums=0)
        self.steps = jax.jit(partial(scan_steps, step), donate_argnums=0)

    def turn(self, rows: np.ndarray) -> Callable[[], float]:
        rows = rows.astype(np.int32)
        batches = jnp.asarray(rows) if self.scan else list(rows)

        def run() -> float:
            if self.scan:
                self.state, loss = self.steps(self.state, batches, self.x, self.t)
            else:
                for batch in batches:
                    self.state, loss = self.step(self.state, batch, self.x, self.t)
            jax.block_until_ready(self.state)
            return float(loss)

        return run


def scan_steps(step: Callable, state: Any, batches: Any, x: Any, t: Any) -> tuple[Any, Any]:
    """All steps in one program."""
    state, losses = lax.scan(lambda s, batch: step(s, batch, x, t), state, batches)
    return state, losses[-1]


def train_step(workload: Workload, state: Any, batch: Any, x: Any, t: Any) -> tuple[Any, Any]:
    """The state after one update, and the loss before it."""
    params, m, v, count = state

    def loss_of(params: Params) -> jax.Array:
        y = apply(workload.layers, params, x[batch], jax.random.key(count))
        picked = jnp.take_along_axis(jax.nn.log_softmax(y), t[batch][..., None], axis=-1)
        return -picked.mean()

    loss, grads = jax.value_and_grad(loss_of)(params)
    if workload.clip is not None:
        norm = jnp.sqrt(sum(jnp.sum(g * g) for g in grads))
        grads = [g * jnp.minimum(1, workload.clip / norm) for g in grads]
    count = count + 1
    if workload.optimizer == "sgd":
        params = [p - workload.lr * g for p, g in zip(params, grads)]
    else:
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
        c = jnp.sqrt(1 - 0.999**count)
        lr = workload.lr * c / (1 - 0.9**count)
        params = [p - lr * a / (jnp.sqrt(b) + 1e-8 * c) for p, a, b in zip(params, m, v)]
    return (params, m, v, count), loss


def apply(layers: tuple, params: Params, x: jax.Array, key: jax.Array) -> jax.Array:
    """The network's scores. Images go channels last, which XLA runs fastest on a CPU."""
    arrays = iter(params)
    if x.ndim == 4:
        x = x.transpose(0, 2, 3, 1)
    for i, layer in enumerate(layers):
        match layer:
            case w.Affine():
                x = x @ next(arrays) + next(arrays)
            case w.Convolution(pad=pad):
                x = convolve(x, next(arrays), pad) + next(arrays)
            case w.MaxPooling(size):
                n, h, width, c = x.shape
                x = x.reshape(n, h // size, size, width // size, size, c).max(axis=(2, 4))
            case w.Flatten():
                x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
            case w.ReLU():
                x = jax.nn.relu(x)
            case w.Dropout(ratio):
                keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - ratio, x.shape)
                x = jnp.where(keep, x / (1 - ratio), 0)
            case w.Embedding():
                x = next(arrays)[x]
            case w.LSTM():
                x = lstm(x, next(arrays), next(arrays), next(arrays))
    return x


def convolve(x: jax.Array, W: jax.Array, pad: int) -> jax.Array:
    """x (N, H, W, C), filters (F, C, k, k)."""
    pads = [(pad, pad), (pad, pad)]
    return lax.conv_general_dilated(x, W, (1, 1), pads, dimension_numbers=("NHWC", "OIHW", "NHWC"))


def lstm(x: jax.Array, Wx: jax.Array, Wh: jax.Array, b: jax.Array) -> jax.Array:
    """All outputs (N, T, H); the products with x are one for all times."""
    zero = jnp.zeros((len(x), len(Wh)), x.dtype)

    def step(state: Any, a: jax.Array) -> tuple[Any, jax.Array]:
        h, c = state
        f, g, i, o = jnp.split(a + h @ Wh, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    _, y = lax.scan(step, (zero, zero), (x @ Wx + b).transpose(1, 0, 2))
    return y.transpose(1, 0, 2)
