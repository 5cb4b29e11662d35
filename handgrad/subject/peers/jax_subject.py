"""JAX: custom_vjp, custom_jvp, and any function of JAX's arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from handgrad.subject.dressing import ANY, Box, dressed, parameters
from handgrad.subject.peers.library import (
    Arguments,
    Peer,
    as_numpy,
    listed,
    reached,
    refusal,
    renamed,
    without_gpu,
)

# Compiling is most of the work: each shape costs once, and so least.
FAST = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


class JaxSubject(Peer):
    """A function of JAX's, and its pullback by jax.vjp; both compiled, where they can be.

    JAX run operation by operation compiles each one for each shape; whole, a function is compiled
    once for each. What reads values of its arrays cannot be compiled, and is run as it is.
    """

    def __init__(self, function: Callable[..., Any], arguments: Arguments):
        self.own = Box(function=function, arguments=arguments, runs=None)

    def forward(self, *arrays: Any) -> Any:
        outputs = self._run(0, arrays)
        self.graph = Box(arrays=arrays, outputs=outputs)
        return tuple(listed(outputs))

    def backward(self, *gradients: Any) -> Any:
        upstream = [np.asarray(g, y.dtype) for g, y in zip(gradients, self.graph.outputs)]
        return tuple(listed(self._run(1, self.graph.arrays, upstream)[0]))

    def evaluate(self, function: Callable[..., Any], arrays: Sequence[Any]) -> tuple[Any, ...]:
        """Another function of the same inputs, as arrays."""
        import jax

        with jax.enable_x64(True):
            given = self.own.arguments.together([jax.numpy.asarray(x) for x in arrays])
            return tuple(as_numpy(y) for y in jax.tree.leaves(function(*given)))

    def _run(self, which: int, arrays: Sequence[Any], *rest: Any) -> Any:
        """The value (0) or the pullback (1), on arrays of JAX's, as NumPy's."""
        import jax

        with jax.enable_x64(True), without_gpu():
            given = [jax.numpy.asarray(x, self.half if _real(x) else None) for x in arrays]
            if self.own.runs is None:
                self.own.runs = self._made(given)
            try:
                return jax.tree.map(as_numpy, self.own.runs[which](given, *rest))
            except jax.errors.JAXTypeError as error:
                text = "JAX cannot differentiate it, as it reads values of its arrays: name such "
                text += f"arguments in nondiff_argnums, or give numbers ({type(error).__name__})"
                raise refusal("backward", text) from error

    def _made(self, given: list[Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Compiled, if that can be done and gives the same value; run as they are otherwise."""
        import jax

        plain, numbers = (self._value, self._pullback), np.random.get_state()
        value, pullback = (jax.jit(f, compiler_options=FAST) for f in plain)
        try:
            pairs = list(zip(value(given), self._value(given), strict=True))
        except Exception:  # it reads values, or this JAX knows other options: run as it is
            return plain
        finally:
            np.random.set_state(numbers)
        same = all(np.allclose(a, b, rtol=1e-4, equal_nan=True) for a, b in pairs)
        return (value, pullback) if same else plain

    def _value(self, arrays: Sequence[Any]) -> list[Any]:
        import jax

        outputs = jax.tree.leaves(self.own.function(*self.own.arguments.together(arrays)))
        real = [y for y in outputs if jax.numpy.issubdtype(y.dtype, jax.numpy.inexact)]
        return real or outputs

    def _pullback(self, arrays: Sequence[Any], upstream: list[Any]) -> tuple[list[Any], list[Any]]:
        """Gradients of the inputs that are real, and the value by the forward rule."""
        import jax

        at = [k for k, x in enumerate(arrays) if _real(x)]

        def of_reals(*reals: Any) -> list[Any]:
            mine = dict(zip(at, reals))
            return self._value([mine.get(k, x) for k, x in enumerate(arrays)])

        outputs, pullback = jax.vjp(of_reals, *(arrays[k] for k in at))
        upstream = [u.astype(y.dtype) for u, y in zip(upstream, outputs)]
        found = dict(zip(at, pullback(upstream)))
        return [found.get(k) for k in range(len(arrays))], outputs

    def derivative(self, arrays: Sequence[Any]) -> tuple[Peer, list[Any]]:
        """What backward returns, as a function of inputs and upstream gradients."""
        outputs = self.forward(*arrays)

        def gradient(*given: Any) -> list[Any]:
            found = self._pullback(given[: len(arrays)], list(given[len(arrays) :]))[0]
            return [g for g in found if g is not None]

        inputs = [*arrays, *renamed(gradient, self, self.own.arguments.names, outputs)]
        return jax_subject(gradient, inputs), inputs

    def contract(self, arrays: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
        """The forward rule of a custom_vjp gives what the function itself gives."""
        outputs = self.forward(*arrays)
        _, by_rule = self._run(1, arrays, [np.ones_like(y) for y in outputs])
        if not all(np.allclose(a, b, rtol=1e-4, equal_nan=True) for a, b in zip(outputs, by_rule)):
            text = "The forward rule gives another value than the function itself."
            yield "forward_bug", text, ""


def jax_subject(thing: Any, inputs: Sequence[Any]) -> JaxSubject:
    """The adapter of a custom_vjp, a custom_jvp, or a function."""
    import jax.tree_util as trees

    name = getattr(thing, "__name__", type(thing).__name__)
    rule = _rule(thing) or next((r for r in map(_rule, reached(thing)) if r), thing)
    primal = getattr(rule, "fun", thing) if _rule(thing) else thing
    backward = getattr(rule, "bwd", None) or getattr(rule, "jvp", None) or primal
    fixed = getattr(rule, "nondiff_argnums", ()) if _rule(thing) else ()
    arguments = Arguments(trees, primal, inputs, fixed)
    made = dressed(JaxSubject, name, primal, backward, parameters(arguments.names), ANY)
    subject: JaxSubject = made(thing, arguments)
    subject.derived = getattr(thing, "derived", None)
    return subject


def _rule(thing: Any) -> Any:
    """The custom_vjp or custom_jvp itself, under what wraps it; None for another function."""
    while not hasattr(thing, "defvjp") and not hasattr(thing, "defjvp"):
        if not hasattr(thing, "__wrapped__"):
            return None
        thing = inspect.getattr_static(thing, "__wrapped__", None) or thing.__wrapped__
    return thing


def _real(x: Any) -> bool:
    return "float" in str(getattr(x, "dtype", type(x).__name__))
