"""One optimizer, what is wrong with it, and what its author says it should be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WRONG: list["Specimen"] = []
RIGHT: list["Specimen"] = []


@dataclass(frozen=True)
class Specimen:
    """causes: those that describe the mistake; none for a right one."""

    name: str
    rule: Any
    causes: tuple[str, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)


def wrong(*causes: str, **said: Any) -> Callable:
    """Signs in the rule below as wrong; said: the options of `check_optimizer`."""

    def sign_in(rule):
        WRONG.append(Specimen(f"{rule.__module__.rpartition('.')[2]}.{rule.__qualname__}",
                              rule, causes, said))  # fmt: skip
        return rule

    return sign_in


def right(rule=None, *, name=None, **said: Any) -> Any:
    """Signs in a rule as right."""

    def sign_in(rule):
        label = name or f"{rule.__module__.rpartition('.')[2]}.{rule.__qualname__}"
        RIGHT.append(Specimen(label, rule, (), said))
        return rule

    return sign_in if rule is None else sign_in(rule)
