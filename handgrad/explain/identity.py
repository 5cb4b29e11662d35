"""Identity: which values are the same one, in a graph where stand-ins were computed with."""

from __future__ import annotations

from typing import Any

from handgrad.tensor import Faded, Tensor


class Identity:
    """Keys of values. A tied parameter is one value, a stand-in is what it stands for."""

    def __init__(self) -> None:
        self._same: dict[Any, Any] = {}
        self._kept: list[Any] = []  # what has to live as long as its identity is a key

    def of(self, x: Any) -> Any:
        """The key of a tensor, by the call that made it or by itself, or of an array."""
        tensor = x.tensor() if isinstance(x, Faded) else x
        if isinstance(x, Tensor | Faded) and x.creator is not None:
            key: Any = (x.creator, x.index)
        else:
            key = id(x if tensor is None else tensor)
            self._kept.append(x if tensor is None else tensor)
        return self.resolved(key)

    def resolved(self, key: Any) -> Any:
        """The key of what this one stands for."""
        while key in self._same:
            key = self._same[key]
        return key

    def of_parameter(self, owner: Any, name: str) -> Any:
        """The key of a layer's parameter: that of the array."""
        return self.of(getattr(owner, name, None))

    def stands_for(self, stand_in: Any, original: Any) -> None:
        """Let a tensor, or an output as (call, index), be the value of another key."""
        self._kept.append(stand_in)
        key = stand_in if isinstance(stand_in, tuple) else self.of(stand_in)
        if key != original:
            self._same[key] = original
