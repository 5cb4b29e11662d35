"""Membership: which layers a network holds, and whether each is used once and by it alone.

A network may run its layers by hand, with their state on the layers themselves, only if no layer
has a second use whose state would replace the first: nested, inside a layer of the user's, or in
another network. Everything else is recorded, each use with a state of its own.
"""

from __future__ import annotations

import weakref
from typing import Any

from handgrad.inside import held_in, is_layer, sublayers, walk

_KEY = "_membership"  # under which a layer keeps, weakly, the membership that it belongs to


class Membership:
    """The layers of a network when it was last looked at.

    alone: each layer is reached once, and belongs to no other network. A change is noticed by
    the values that held the layers then, and by the number of attributes of each layer.
    took: a network inside may have run its layers by hand, and still need what they hold.
    inner: the layers inside, with their paths. by_hand: how they are run, once that is known.
    """

    __slots__ = (
        "__weakref__", "alone", "by_hand", "held", "ids", "inner", "lists", "network", "sizes",
        "took",
    )  # fmt: skip

    def __init__(self, network: Any):
        layers, repeated = reach(network)
        self.network = weakref.ref(network)
        self.alone, self.took = not repeated, False
        self.by_hand: Any = None
        self.ids = {id(layer) for _, layer in layers}
        self.inner = layers[1:]
        self.held: list[tuple[dict[str, Any] | None, str, Any]] = []
        self.lists: list[tuple[Any, list[int]]] = []
        for _, layer in layers:
            # The network is not held by what it holds: it shall go without the cycle collector.
            state = None if layer is network else layer.__dict__
            for name, value in layer.__dict__.items():
                holds = next(held_in(name, value), None) is not None
                if holds or (isinstance(value, list | dict) and not value):
                    self.held.append((state, name, value))
                    if isinstance(value, list | dict):
                        self.lists.append((value, _ids(value)))
        self._measure()

    def is_right(self, network: Any) -> bool:
        """Whether the network still holds these layers, in the same values."""
        own = network.__dict__
        for state, name, value in self.held:
            if (own if state is None else state).get(name) is not value:
                return False
        for members, ids in self.lists:
            if _ids(members) != ids:
                return False
        for state, size in self.sizes:
            if len(state) != size:
                return self._look(network)
        return True

    def _look(self, network: Any) -> bool:
        """Some layer has got an attribute: is it a layer?"""
        layers, repeated = reach(network)
        self.inner, self.by_hand = layers[1:], None
        self._measure()
        return {id(layer) for _, layer in layers} == self.ids and not (repeated and self.alone)

    def _measure(self) -> None:
        self.sizes = [(layer.__dict__, len(layer.__dict__)) for _, layer in self.inner]


def _ids(members: Any) -> list[int]:
    return list(map(id, members.values() if isinstance(members, dict) else members))


def join(network: Any) -> Membership:
    """Enter all layers of a network, which is new or has changed, in a membership of its own.

    Two networks that share a layer both record. Only one that lies inside the other leaves the
    layers to it.
    """
    new = Membership(network)
    for layer in (network, *(layer for _, layer in new.inner)):
        reference = layer.__dict__.get(_KEY)
        other = None if reference is None else reference()
        if other is not None and id(layer) in other.ids and other.network() is not network:
            around, within = id(network) in other.ids, id(other.network()) in new.ids
            other.alone &= around
            new.alone &= within
            new.took |= within
            if not within:
                continue
        layer.__dict__[_KEY] = weakref.ref(new)
    new._measure()
    return new


def reach(network: Any) -> tuple[list[tuple[str, Any]], bool]:
    """The network and every layer inside, as in `walk`, and whether one is met again."""
    found = list(walk(network))
    uses = sum(1 for _, layer in found for _ in sublayers(layer))
    return found, uses >= len(found)


def require_layers(network: Any, members: tuple[Any, ...]) -> None:
    """ValueError where a member of a network is not a layer."""
    for i, member in enumerate(members):
        if not is_layer(member):
            hint = "; make an instance of the class" if isinstance(member, type) else ""
            raise ValueError(
                f"{type(network).__name__}: member {i} needs forward and backward, "
                f"got {member!r}{hint}"
            )
        if not hasattr(member, "__dict__"):
            raise ValueError(
                f"{type(network).__name__}: member {i}, a {type(member).__name__}, has __slots__ "
                "and no __dict__; a layer must be able to keep attributes"
            )
