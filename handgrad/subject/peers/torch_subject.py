"""PyTorch: Functions, modules, custom operators, and any function of tensors."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from handgrad.subject.dressing import ANY, Box, dressed, parameters
from handgrad.subject.peers.library import (
    Arguments,
    Peer,
    as_numpy,
    home_of,
    is_array,
    listed,
    reached,
    refusal,
    renamed,
    without_gpu,
)


class Mode(NamedTuple):
    """How a subject has to be called: on clones that it may write into, on float32."""

    in_place: bool
    dtype: str | None
    draws: bool = False  # random numbers, in an order that other layouts and dtypes change


class TorchSubject(Peer):
    """A callable of PyTorch's: it forwards, autograd backwards, with the rules of the subject.

    Arrays share memory with the tensors, in their layout, so that a backward that writes into
    its gradient, or reads it as if it were contiguous, is seen. The random numbers follow
    NumPy's, so that every call with one seed draws the same.
    """

    def __init__(
        self, call: Callable[..., Any], arguments: Arguments, module: Any, rules: Sequence[Any]
    ):
        import torch

        named = {id(v): v for rule in rules for v in reached(rule)}
        held = {} if module is None else dict(module.named_parameters())
        devices = [x.device for x in (*arguments.arrays, *held.values()) if hasattr(x, "is_cuda")]
        generators = [v for v in named.values() if type(v).__name__ == "Generator"]
        self.own = Box(call=call, arguments=arguments, module=module, mode=None)
        self.own.generators = [torch.default_generator, *generators]
        self.own.device = next(iter(devices), "cpu")
        learned = {k: v for k, v in held.items() if v.requires_grad}
        self.params = {k: np.array(as_numpy(v)) for k, v in learned.items()}
        self.grads: dict[str, Any] = dict.fromkeys(self.params)

    def forward(self, *arrays: Any) -> Any:
        if self.own.mode is None:
            numbers = np.random.get_state()
            self.own.mode = self._find_mode(arrays)
            np.random.set_state(numbers)
        with self._alone():
            leaves, weights = self._leaves(arrays, self.own.mode)
            outputs = _tensors(self._called(leaves, weights, self.own.mode))
        self.graph = Box(leaves=leaves, weights=weights, outputs=outputs)
        return tuple(listed(map(as_numpy, outputs)))

    def backward(self, *gradients: Any) -> Any:
        leaves, weights = self.graph.leaves, self.graph.weights
        with self._alone():
            found = self._sent_back(gradients, [*leaves, *weights.values()])
        for (name, value), gradient in zip(self.params.items(), found[len(leaves) :]):
            self.grads[name] = np.zeros_like(value) if gradient is None else gradient
        if self.derived:  # a graph that is cut says that the derivative is zero
            found = [np.zeros(t.shape) if g is None else g for t, g in zip(leaves, found)]
        return tuple(found[: len(leaves)])

    def derivative(self, arrays: Sequence[Any]) -> tuple[Peer, list[Any]]:
        """What backward returns, as a function of inputs, parameters and upstream gradients."""
        import torch

        outputs, learned, count = self.forward(*arrays), list(self.params), len(arrays)

        def gradient(*tensors: Any) -> tuple[Any, ...]:
            weights = dict(zip(learned, tensors[count:]))
            upstream = tensors[count + len(learned) :]
            ys = _tensors(self._called(list(tensors[:count]), weights, self.own.mode))
            xs = [t for t in tensors[: count + len(learned)] if t.requires_grad]
            found = torch.autograd.grad(ys, xs, upstream, create_graph=True, allow_unused=True)
            nothing = 0 * sum(u.sum() for u in upstream)  # a gradient that is cut off is kept
            return tuple(nothing + (torch.zeros_like(x) if g is None else g)
                         for x, g in zip(xs, found))  # fmt: skip

        upstream = renamed(gradient, self, [*self.own.arguments.names, *learned], outputs)
        inputs = [*arrays, *self.params.values(), *upstream]
        derived = torch_subject(gradient, inputs)
        derived.forward(*inputs)
        if any(type(node).__name__ == "Error" for node in _nodes(derived.graph.outputs)):
            raise refusal("backward", "backward is marked once_differentiable")
        return derived, inputs

    def evaluate(self, function: Callable[..., Any], arrays: Sequence[Any]) -> tuple[Any, ...]:
        """Another function of the same inputs, as arrays."""
        given = self.own.arguments.together([self._tensor(x) for x in arrays])
        return tuple(as_numpy(y) for y in _tensors(function(*given)))

    def _called(self, leaves: list[Any], weights: dict[str, Any], mode: Mode) -> Any:
        import torch

        if mode.draws and not self.half:  # other numbers in another precision
            leaves = [t.double() if t.is_floating_point() else t for t in leaves]
            weights = {k: v.double() for k, v in weights.items()}
        inputs = self.own.arguments.together(
            [t.clone() for t in leaves] if mode.in_place else leaves
        )
        module = self.own.module
        with without_gpu():
            if module is None:
                return self.own.call(*inputs)
            kept = dict(module.named_parameters()) | dict(module.named_buffers())
            real = next((v.dtype for v in weights.values()), torch.float64)
            fixed = {k: v.detach().clone().to(real if v.is_floating_point() else v.dtype)
                     for k, v in kept.items() if k not in weights}  # fmt: skip
            return torch.func.functional_call(module, weights | fixed, inputs)

    def _tensor(self, x: Any, dtype: Any = None) -> Any:
        """A tensor on the same memory and in the same layout, where PyTorch has it.

        PyTorch has no negative strides: such an array is copied. On the device of the subject.
        """
        import torch

        array = np.asarray(x)
        tensor = torch.from_numpy(array.copy() if any(s < 0 for s in array.strides) else array)
        dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        return tensor.to(self.own.device, dtype if tensor.is_floating_point() else None)

    def _leaves(self, arrays: Sequence[Any], mode: Mode) -> tuple[list[Any], dict[str, Any]]:
        if mode.draws:  # it fills arrays in the order of their memory: that is no mistake
            arrays = [np.ascontiguousarray(x) if np.ndim(x) else x for x in arrays]
        dtype = self.half or mode.dtype
        leaves = [self._tensor(x, dtype) for x in arrays]
        weights = {k: self._tensor(v, dtype) for k, v in self.params.items()}
        pairs = zip(self.own.arguments.names, leaves)
        asked = [t for n, t in pairs if self.asked is None or n in self.asked]
        for tensor in (*asked, *weights.values()):
            if tensor.is_floating_point():
                tensor.requires_grad_()
        return leaves, weights

    def _find_mode(self, arrays: Sequence[Any]) -> Mode:
        """The first mode in which it runs; PyTorch's first refusal where there is none."""
        import torch

        refusals = []
        for mode in (Mode(False, None), Mode(True, None), Mode(False, "float32"),
                     Mode(True, "float32")):  # fmt: skip
            try:
                with self._alone():
                    leaves, weights = self._leaves(arrays, mode)
                    before = [g.get_state() for g in self.own.generators]
                    self._called(leaves, weights, mode)
                    pairs = zip(before, self.own.generators)
                    return mode._replace(
                        draws=any(not torch.equal(b, g.get_state()) for b, g in pairs)
                    )
            except RuntimeError as error:
                refusals.append(error)
        raise refusals[0]

    def _sent_back(self, gradients: Sequence[Any], leaves: list[Any]) -> list[Any]:
        """Gradients of the leaves that have one; None for the others."""
        import torch

        given = zip(self.graph.outputs, gradients)
        pairs = [(y, self._tensor(g, y.dtype)) for y, g in given if y.requires_grad]
        wanted = [t for t in leaves if t.requires_grad]
        if not pairs or not wanted:
            return [None] * len(leaves)
        roots, upstream = zip(*pairs)
        found = torch.autograd.grad(roots, wanted, upstream, retain_graph=True, allow_unused=True)
        by_leaf = {id(t): as_numpy(g) for t, g in zip(wanted, found) if g is not None}
        return listed(by_leaf.get(id(t)) for t in leaves)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread, which is faster for small arrays on a busy machine, and seeded numbers."""
        import torch

        generators = self.own.generators
        threads, states = torch.get_num_threads(), [g.get_state() for g in generators]
        torch.set_num_threads(1)
        for generator in generators:
            generator.manual_seed(np.random.randint(2**31))
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            for generator, state in zip(generators, states):
                generator.set_state(state)

    def contract(self, arrays: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
        """What autograd asks besides: calls that live side by side, inputs that need nothing."""
        rng, state = np.random.default_rng(3), np.random.get_state()
        upstream = [rng.uniform(0.5, 1.5, y.shape) for y in self.forward(*arrays)]
        right = dict(zip(self.own.arguments.names, self.backward(*upstream)))
        np.random.set_state(state)
        self.forward(*arrays)
        mine = self.graph
        self.forward(*(0.7 * x + 0.1 if np.asarray(x).dtype.kind == "f" else x for x in arrays))
        self.graph = mine
        for (name, b), a in zip(right.items(), self.backward(*upstream)):
            if not _equal(a, b):
                yield "stale_state", (
                    f"After another call, backward of the first one gives another d{name}: what "
                    "forward keeps does not lie on ctx, but where the next call overwrites it."
                ), name  # fmt: skip
        given = [name for name, b in right.items() if b is not None]
        for name in given if len(given) > 1 else ():
            only = copy.deepcopy(self)
            only.asked = [name]
            np.random.set_state(state)
            only.forward(*arrays)
            if not _equal(dict(zip(right, only.backward(*upstream)))[name], right[name]):
                yield "wrong_formula", (
                    f"When no input but {name} needs a gradient, d{name} is another: look at what "
                    "depends on ctx.needs_input_grad."
                ), name  # fmt: skip

    def parts(self, arrays: Sequence[Any]) -> list[tuple[str, Any, tuple[Any, ...]]]:
        """Every autograd Function of the user's inside, with what it was given first."""
        self.forward(*arrays)
        kinds = {getattr(type(n), "_forward_cls", None) for n in _nodes(self.graph.outputs)}
        own: Any = [k for k in kinds - {None} if not k.__module__.startswith("torch.")]
        uses: list[tuple[str, Any, tuple[Any, ...]]] = []
        if self.own.call in [k.apply for k in own]:  # it is one itself
            return uses
        held = {kind: vars(kind).get("forward") for kind in own}
        for kind in own:
            kind.forward = staticmethod(_noting(kind, kind.forward, uses))
        try:
            self.forward(*arrays)
        finally:
            for kind, forward in held.items():
                kind.forward = forward
                if forward is None:
                    del kind.forward
        return uses


def _nodes(outputs: Sequence[Any]) -> Iterator[Any]:
    """The nodes of autograd's graph behind some tensors, each once."""
    nodes, seen = [y.grad_fn for y in outputs], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            nodes += [other for other, _ in node.next_functions]


def _noting(kind: Any, forward: Callable[..., Any], uses: list[Any]) -> Callable[..., Any]:
    def noted(*inputs: Any) -> Any:
        if all(used is not kind for _, used, _ in uses):
            own = (x.detach().clone() if is_array(x) else x for x in inputs[_hidden(kind) :])
            uses.append((kind.__name__, kind, tuple(own)))
        return forward(*inputs)

    return noted


def torch_subject(thing: Any, inputs: Sequence[Any]) -> TorchSubject:
    """The adapter of a Function, a module, an operator or a function."""
    import torch
    import torch.utils._pytree as trees

    name = getattr(thing, "__name__", getattr(thing, "_name", type(thing).__name__))
    call, module, skip = thing, None, 0
    forward: Any = getattr(thing, "_init_fn", thing)
    backward: Any = getattr(_operator(thing), "_backward_fn", None)
    if isinstance(thing, type):
        call, forward, backward = thing.apply, thing.forward, thing.backward  # type: ignore
        skip = _hidden(thing)
    elif isinstance(thing, torch.nn.Module):
        module, forward = copy.deepcopy(thing), thing.forward
    elif backward is None:
        rules = {id(r): r for r in map(_operator, reached(thing)) if r is not None}
        backward = next(iter(rules.values()))._backward_fn if len(rules) == 1 else forward
    arguments = Arguments(trees, forward, inputs, (), skip)
    cls = dressed(TorchSubject, name, forward, backward, parameters(arguments.names), ANY)
    made: TorchSubject = cls(call, arguments, module, (forward, backward))
    asked = [n for n, x in zip(arguments.names, arguments.arrays)
             if getattr(x, "requires_grad", False)]  # fmt: skip
    made.asked, made.derived = asked or None, getattr(thing, "derived", None)
    return made


def _hidden(function: Any) -> int:
    """ctx comes before the inputs, unless the Function has a setup_context."""
    import torch

    return int(function.setup_context is torch.autograd.Function.setup_context)


def _operator(thing: Any) -> Any:
    """The definition of a custom operator, given it or what torch.ops calls it; else None."""
    if hasattr(thing, "_backward_fn"):
        return thing
    if home_of(thing) != "torch" or not hasattr(thing, "_qualified_op_name"):
        return None
    from torch._library import custom_ops

    return custom_ops.OPDEFS.get(thing._qualified_op_name)


def _tensors(outputs: Any) -> list[Any]:
    """What can be differentiated in nested containers, as an LSTM returns them."""
    import torch.utils._pytree as trees

    tensors = [y for y in trees.tree_leaves(outputs) if is_array(y)]
    real = [y for y in tensors if y.is_floating_point()]
    return [y for y in real if y.requires_grad] or real or tensors


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.allclose(a, b, rtol=1e-6, atol=1e-9 * abs(b).max(initial=0), equal_nan=True))
