"""Slips of beginners that keep a pass from running, each in a sentence of its own."""

from __future__ import annotations

import ast
import difflib
import inspect
from types import FrameType, FunctionType
from typing import Any

from handgrad.prove.diagnosis.source import function_of, parsed
from handgrad.subject.sandbox import SubjectError


def slip(thing: Any, error: SubjectError | None) -> str:
    """What to do about an error of forward or backward, where it is a usual slip; else nothing."""
    if error is None or error.phase not in ("forward", "backward"):
        return ""
    raised, phase = error.__cause__, error.phase
    if raised is None:
        return missing_return(thing, phase)
    function = function_of(thing, phase)
    if isinstance(raised, TypeError | NameError) and _lacks_self(function):
        names = ", ".join(["self", *inspect.signature(function).parameters])
        return f"{phase} has no parameter self: write def {phase}({names})"
    if isinstance(raised, TypeError) and phase == "backward" and error.line is None:
        return "backward is given one gradient for each output of forward"
    frame = _frame(raised, phase)
    held = {} if frame is None else getattr(frame.f_locals["self"], "__dict__", {})
    if isinstance(raised, NameError):
        return _unknown(thing, phase, raised.name or "", held)
    return _unkept(phase, raised, frame, held) if frame is not None else ""


def missing_return(thing: Any, phase: str) -> str:
    """Said where forward or backward has no `return` with a value at all."""
    tree = parsed(function_of(thing, phase))
    ends = ast.Return | ast.Yield | ast.Lambda
    if not isinstance(tree, ast.FunctionDef) or any(isinstance(n, ends) for n in ast.walk(tree)):
        return ""
    last = tree.body[-1]
    target = last.targets[0] if isinstance(last, ast.Assign) else None
    result = target.id if isinstance(target, ast.Name) else "and its result"
    return f"{phase} has no return: end it with return {result}"


def _lacks_self(function: Any) -> bool:
    """Whether a method's first parameter is not self, by name or by what is kept on it."""
    if not isinstance(function, FunctionType) or "." not in function.__qualname__:
        return False
    names = list(inspect.signature(function).parameters)
    if not names or names[0] in ("self", "ctx", "cls"):
        return not names
    tree = parsed(function)
    if tree is None:
        return False
    stores = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute))
    return not any(
        isinstance(n.ctx, ast.Store) and getattr(n.value, "id", "") == names[0] for n in stores
    )


def _frame(raised: BaseException, phase: str) -> FrameType | None:
    """The call of forward or backward in which it was raised."""
    found, traceback = None, raised.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == phase and "self" in traceback.tb_frame.f_locals:
            found = traceback.tb_frame
        traceback = traceback.tb_next
    return found


def _unknown(thing: Any, phase: str, name: str, held: dict[str, Any]) -> str:
    """A name that is not defined: forward's local, or an attribute without self."""
    code = getattr(function_of(thing, "forward"), "__code__", None)
    if phase == "backward" and code is not None and name in code.co_varnames:
        return (
            f"{name} is a local variable of forward, which backward does not see: keep it in "
            f"forward, self.{name} = {name}, and read self.{name}"
        )
    if name in held:
        return f"{name} is an attribute: write self.{name}"
    return f"{name} is not defined: is an import or an assignment missing?"


def _unkept(phase: str, raised: BaseException, frame: FrameType, held: dict[str, Any]) -> str:
    """An attribute that forward never kept."""
    if isinstance(raised, AttributeError) and raised.obj is frame.f_locals["self"]:
        near = difflib.get_close_matches(raised.name or "", held, 1, 0.7)
        if near:
            return f"there is no self.{raised.name}, but self.{near[0]}"
        where = "forward never keeps it: add it there," if phase == "backward" else "set it first,"
        return f"self.{raised.name} is read by {phase}, and {where} self.{raised.name} = …"
    names = [n for n in frame.f_code.co_names if n in held and n[0] != "d" and held[n] is None]
    if phase == "backward" and names and "None" in str(raised):
        return (
            f"self.{names[0]} is still None when backward reads it: forward has to keep it, "
            f"self.{names[0]} = {names[0]}"
        )
    return ""
