"""What a file defines and `check` can be given: how it is made, called, and how far inputs get."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from handgrad.subject.adapt import adapt
from handgrad.subject.peers.adapt import as_arrays
from handgrad.subject.sandbox import Sandbox, SubjectError
from handgrad.testing.guess import Guess, constructors, exampled, wanted_inputs
from handgrad.testing.network import LossNetwork
from handgrad.testing.search import (
    FINITE,
    FITS,
    FORWARD,
    RETURNED,
    Hit,
    Input,
    search,
    sizes_of,
)


@dataclass(frozen=True)
class Target:
    """A class, a pair of functions (forward, backward), or a function with its own rule."""

    name: str
    thing: Any

    @property
    def is_network(self) -> bool:
        """Whether it is a book's network, with loss and gradient for forward and backward."""
        return isinstance(self.thing, type) and not hasattr(self.thing, "backward")

    @property
    def is_made(self) -> bool:
        """Whether an instance is made; a torch.autograd.Function's methods are static."""
        static = inspect.getattr_static(self.thing, "forward", None)
        return isinstance(self.thing, type) and not isinstance(static, staticmethod)

    @property
    def forward(self) -> Callable[..., Any]:
        thing = self.thing
        found: Callable[..., Any] = getattr(thing, "forward", thing)
        if isinstance(thing, tuple):
            found = thing[0]
        elif self.is_network:
            found = thing.loss
        return found

    @property
    def inputs(self) -> list[inspect.Parameter]:
        """The parameters of forward, without self and ctx."""
        parameters = list(inspect.signature(self.forward).parameters.values())
        first = 1 if self.is_made else sum(p.name == "ctx" for p in parameters[:1])
        return parameters[first:]

    @property
    def arguments(self) -> list[inspect.Parameter]:
        """The parameters of the constructor."""
        return list(inspect.signature(self.thing).parameters.values()) if self.is_made else []

    @property
    def docstrings(self) -> str:
        init = getattr(self.thing, "__init__", None) if self.is_made else None
        return "\n".join(inspect.getdoc(p) or "" for p in (self.thing, init, self.forward) if p)

    def subject(self, guess: Guess) -> tuple[Any, tuple[Any, ...]]:
        """What `check` is given: the subject, and its inputs."""
        inputs = guess.inputs or ()
        if self.is_network:
            network = Sandbox().call("constructor", self.thing, *guess.arguments)
            return type(self.name, (LossNetwork,), {})(network, *inputs), ()
        return (self.thing, *guess.arguments) if guess.arguments else self.thing, inputs


class Unfit(Exception):
    """No inputs were found: the first error, and the guess that met it."""

    def __init__(self, error: SubjectError | None, guess: Guess | None):
        super().__init__(str(error))
        self.error, self.guess = error, guess


class Trial:
    """The search for inputs of one target, in one sandbox."""

    def __init__(self, target: Target, sandbox: Sandbox):
        self.target, self.sandbox = target, sandbox
        self.first: tuple[SubjectError, Guess] | None = None

    def guess(self, scope: dict[str, Any]) -> tuple[Guess, Hit]:
        """The furthest guess; raises Unfit where none gets through forward."""
        target, text = self.target, self.target.docstrings
        example = exampled(target.name, target.forward.__name__, text, scope)
        best: tuple[Guess, Hit] | None = None
        made = list(constructors(target.arguments, text))
        if example is not None:
            made.insert(0, (example.arguments, 0))
            if example.inputs and (reached := self.reach(example.arguments, example.inputs)):
                return example, Hit(example.inputs, reached)
        for arguments, turn in made:
            if best is not None and (best[1].reached == FITS or turn > 1) and best[1].rank > 1:
                break
            found = self._searched(arguments, text)
            if found is not None and (best is None or _order(found[1]) > _order(best[1])):
                best = found
        if best is None:
            raise Unfit(*(self.first or (None, None)))
        return best

    def _searched(self, arguments: tuple[Any, ...], text: str) -> tuple[Guess, Hit] | None:
        try:
            thing = self._made(arguments)
        except SubjectError as error:
            self.first = self.first or (error, Guess(arguments, (), ""))
            return None
        held = sizes_of(thing) if self.target.is_made else []
        best: tuple[Guess, Hit] | None = None
        for wanted, source in wanted_inputs(self.target.inputs, text):
            if self.target.is_network:
                wanted = self._labelled(thing, wanted, held)
            hit = search(wanted, held, partial(self.reach, arguments))
            if hit is not None and (best is None or _order(hit) > _order(best[1])):
                best = Guess(arguments, hit.inputs, source), hit
            if best is not None and best[1].reached == FITS:
                break
        return best

    def _labelled(self, network: Any, wanted: list[Input], held: list[int]) -> list[Input]:
        """Inputs of a network: x as predict takes it, labels in the shape of what it gives."""

        def predicts(inputs: Sequence[Any]) -> int:
            try:
                self.sandbox.call("predict", network.predict, *inputs)
            except SubjectError:
                return 0
            return FITS

        defaults = [p.default for p in self.target.arguments if isinstance(p.default, tuple)]
        images = [Input("x", shape=(5, *d)) for d in defaults if d and type(d[0]) is int]
        hit = search([*images, *wanted][:1], held, predicts)
        if hit is None:
            return wanted
        shape = np.shape(network.predict(*hit.inputs))
        return [Input("x", "given", None, hit.inputs[0]), Input("t", "labels", shape)]

    def _made(self, arguments: tuple[Any, ...]) -> Any:
        if not self.target.is_made:
            return self.target.thing
        return self.sandbox.call("constructor", self.target.thing, *arguments)

    def reach(self, arguments: tuple[Any, ...], inputs: Sequence[Any]) -> int:
        """How far inputs get: 1 forward, 2 finite, 3 backward, 4 gradients of the right shapes."""
        rng = np.random.default_rng(1)
        try:
            if self.first is not None and not self._runs(*self._ready(arguments, inputs)):
                return 0
            thing, given = self._ready(arguments, inputs)
            made = adapt(thing, self.sandbox)
            outputs = made.forward(given)
        except SubjectError as error:
            self.first = self.first or (error, Guess(arguments, tuple(inputs), ""))
            return 0
        if not all(y.size for y in outputs):
            return 0
        if not all(np.isfinite(y).all() for y in outputs):
            return FORWARD
        try:
            gradients = made.backward([rng.normal(size=y.shape) for y in outputs])
        except SubjectError:
            return FINITE
        made.find_parameters()
        held = ((made.gradient(n), made.get(n)) for n in made.parameters)
        pairs = [*zip(gradients, given), *held]
        return FITS if all(g is None or g.shape == np.shape(x) for g, x in pairs) else RETURNED

    def _ready(self, arguments: tuple[Any, ...], inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
        given = [x.copy() if isinstance(x, np.ndarray) else x for x in inputs]
        thing = self._made(arguments)
        if self.target.is_network:
            return LossNetwork(thing, *given), []
        return as_arrays(thing, given)

    def _runs(self, thing: Any, given: Sequence[Any]) -> bool:
        """Whether forward runs: cheaper than to describe an error, of which one is enough."""

        def tried() -> bool:
            try:
                (thing[0] if isinstance(thing, tuple) else thing.forward)(*given)
            except Exception:
                return False
            return True

        return bool(self.sandbox.call("forward", tried))


def _order(hit: Hit) -> tuple[bool, int]:
    return hit.rank > 1, hit.reached
