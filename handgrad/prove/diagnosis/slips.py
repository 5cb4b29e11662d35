"""Slips of beginners that keep a pass from running, each in a sentence of its own."""

from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
from types import FrameType, FunctionType
from typing import Any

from handgrad.prove.subject.sandbox import SubjectError


def slip(thing: Any, error: SubjectError | None) -> str:
    """What to do about an error of forward or backward, where it is a usual slip; else nothing."""
    if error is None or error.phase not in ("forward", "backward"):
        return ""
    raised = error.__cause__
    method = method_of(thing, error.phase)
    if raised is None:
        return missing_return(thing, error.phase)
    if isinstance(raised, TypeError | NameError) and _lacks_self(method):
        names = list(inspect.signature(method).parameters)
        return (
            f"{error.phase} has no parameter self: write def {error.phase}"
            f"({', '.join(['self', *names])})"
        )
    if isinstance(raised, TypeError) and error.phase == "backward" and error.line is None:
        return "backward is given one gradient for each output of forward"
    frame = _frame(raised, error.phase)
    if isinstance(raised, NameError):
        return _unknown(thing, error.phase, raised.name or "", frame)
    return _unkept(error.phase, raised, frame) if frame is not None else ""


def method_of(thing: Any, name: str) -> Any:
    """The function of a class, an instance, (class, *arguments) or a pair; None where none is."""
    if isinstance(thing, list | tuple) and thing:
        if not isinstance(thing[0], type):
            return thing[name == "backward"] if len(thing) == 2 else None
        thing = thing[0]
    found = inspect.getattr_static(thing, name, None)
    return found.__func__ if isinstance(found, staticmethod | classmethod) else found


def missing_return(thing: Any, phase: str) -> str:
    """Said where forward or backward has no `return` with a value at all."""
    method = method_of(thing, phase)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError):
        return ""
    returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return | ast.Yield | ast.Lambda)]
    if returns or not isinstance(tree.body[0], ast.FunctionDef):
        return ""
    last = tree.body[0].body[-1]
    name = f" {last.targets[0].id}" if _names(last) else ""  # type: ignore[attr-defined]
    return f"{phase} has no return: end it with return{name or ' and its result'}"


def _names(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)


def _lacks_self(method: Any) -> bool:
    """Whether a method's first parameter is not self, by name or by what is kept on it."""
    if not isinstance(method, FunctionType) or "." not in method.__qualname__:
        return False
    names = list(inspect.signature(method).parameters)
    if not names or names[0] in ("self", "ctx", "cls"):
        return not names
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, SyntaxError):
        return False
    kept = [n.value for n in ast.walk(tree)
            if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]  # fmt: skip
    return not any(isinstance(k, ast.Name) and k.id == names[0] for k in kept)


def _frame(raised: BaseException, phase: str) -> FrameType | None:
    """The call of forward or backward in which it was raised."""
    found, traceback = None, raised.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == phase and "self" in traceback.tb_frame.f_locals:
            found = traceback.tb_frame
        traceback = traceback.tb_next
    return found


def _unknown(thing: Any, phase: str, name: str, frame: FrameType | None) -> str:
    """A name that is not defined: forward's local, or an attribute without self."""
    forward = method_of(thing, "forward")
    code = getattr(forward, "__code__", None)
    if phase == "backward" and code is not None and name in code.co_varnames:
        return (
            f"{name} is a local variable of forward, which backward does not see: keep it in "
            f"forward, self.{name} = {name}, and read self.{name}"
        )
    held = vars(frame.f_locals["self"]) if frame is not None else {}
    if name in held:
        return f"{name} is an attribute: write self.{name}"
    return f"{name} is not defined: is an import or an assignment missing?"


def _unkept(phase: str, raised: BaseException, frame: FrameType) -> str:
    """An attribute that forward never kept."""
    instance = frame.f_locals["self"]
    if isinstance(raised, AttributeError) and raised.obj is instance:
        near = difflib.get_close_matches(raised.name or "", vars(instance), 1, 0.7)
        if near:
            return f"there is no self.{raised.name}, but self.{near[0]}"
        where = "forward never keeps it: add it there," if phase == "backward" else "set it first,"
        return f"self.{raised.name} is read by {phase}, and {where} self.{raised.name} = …"
    if phase == "backward" and isinstance(raised, AttributeError | TypeError):
        held = vars(instance) if hasattr(instance, "__dict__") else {}
        empty = [n for n in frame.f_code.co_names if n in held and held[n] is None]
        used = [n for n in empty if not n.startswith("d")]
        if used and "None" in str(raised):
            return (
                f"self.{used[0]} is still None when backward reads it: forward has to keep it, "
                f"self.{used[0]} = {used[0]}"
            )
    return ""
