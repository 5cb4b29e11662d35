"""The pages of the public names: signature, docstring with its formulas, example, source."""

from __future__ import annotations

import contextlib
import html
import inspect
import io
import re
import sys
from typing import Any

from formula import typeset
from layer_example import example_of
from names import Name, examples, public_names, source_of

PARTS = ("Shapes", "Gradient", "Source", "Raises", "Kinks", "Kink", "Rule", "Units")
WRITTEN = examples()


def page_of(name: Name) -> str:
    """The Markdown of one name's page."""
    parts = [f"# {name.name}", _signature(name), _docstring(name.value)]
    if inspect.isclass(name.value) and name.group != "Layers":
        parts.append(_methods(name.value))
    if code := example(name):
        parts += ["## Example", f"```python\n{code}```"]
        if printed := run(code).strip("\n"):
            parts.append(f"```text\n{printed}\n```")
    if found := source_of(name.value):
        path, source = found
        indented = "\n".join("    " + line for line in f"```python\n{source}\n```".splitlines())
        parts.append(f'??? note "Source: {path}"\n\n{indented}')
    return "\n\n".join(part for part in parts if part) + "\n"


def example(name: Name) -> str | None:
    """The example of a name: written by hand, or a layer's from its sample."""
    if name.name in WRITTEN:
        return WRITTEN[name.name]
    made = name.group == "Layers" and inspect.isclass(name.value)
    return example_of(name.name, name.value) if made else None


def run(code: str) -> str:
    """What an example prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "example.py", "exec"), {"__name__": "__main__"})
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
    return printed.getvalue()


def index_of(group: str, names: list[Name]) -> str:
    """The page of a group: its names with the first line of each docstring."""
    families = sorted({name.family for name in names})
    lines = [f"# {group}"]
    for family in families:
        if family:
            lines.append(f"\n## {family.capitalize()}\n")
        lines += ["\n| | |", "|---|---|"]
        for name in (n for n in names if n.family == family):
            said = (inspect.getdoc(name.value) or "").split("\n")[0].replace("|", "&#124;")
            lines.append(f"| [`{name.name}`]({name.name}.md) | {typeset(said)} |")
    return "\n".join(lines) + "\n"


def all_pages() -> dict[str, str]:
    """Every page by its path, the groups' own included."""
    names = public_names()
    pages = {name.path: page_of(name) for name in names}
    for group in dict.fromkeys(name.group for name in names):
        these = [name for name in names if name.group == group]
        pages[these[0].path.rsplit("/", 1)[0] + "/index.md"] = index_of(group, these)
    return pages


def _signature(name: Name) -> str:
    try:
        arguments = inspect.signature(name.value)
    except (TypeError, ValueError):
        arguments = None
    shown = f"{name.name}{_short(arguments)}"
    return f"```python\nfrom {name.module} import {name.name}\n\n{shown}\n```"


def _short(signature: inspect.Signature | None) -> str:
    """A signature without its types, wrapped."""
    if signature is None:
        return ""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    text = str(inspect.Signature(plain))
    return text if len(text) < 80 else text.replace(", ", ",\n    ").replace("(", "(\n    ", 1)


def _docstring(value: Any) -> str:
    """Docstring as Markdown: its paragraphs, what a line begins with in bold, formulas set."""
    try:
        options = "|".join(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        options = ""
    begins = re.compile(rf"(?:{'|'.join(PARTS)}):? |(?:{options or 'x x'})(?:, \w+)*: ")
    text = inspect.getdoc(value) or ""
    text = re.sub(rf"\n(?={begins.pattern})", "\n\n", text)
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n", text)]
    return "\n\n".join(_paragraph(block, begins) for block in blocks)


def _paragraph(text: str, begins: re.Pattern[str]) -> str:
    found = begins.match(text)
    if not found:
        return _inline(text)
    head, rest = found[0].strip().rstrip(":"), text[found.end() :]
    if head in PARTS:
        return f"**{head}** {_inline(rest)}"
    return ", ".join(f"`{name}`" for name in head.split(", ")) + f": {_inline(rest)}"


def _inline(text: str) -> str:
    """Formulas set, and what Markdown would take for a mark of its own left as it is."""
    out = []
    for i, piece in enumerate(
        re.split(r"(<span class=.*?</span>|`[^`]*`)", typeset(text), flags=re.S)
    ):
        if i % 2 == 0:
            piece = re.sub(r"([*_\[\]|#])", lambda m: html.escape(f"&#{ord(m[1])};", False)
                           .replace("&amp;", "&"), piece)  # fmt: skip
        out.append(piece)
    return "".join(out)


def _methods(cls: Any) -> str:
    """The public methods that a class defines itself."""
    rows = []
    for name, method in vars(cls).items():
        call = getattr(method, "__func__", method)
        said = inspect.getdoc(call)
        if name.startswith("_") or not said or not (callable(call) or isinstance(method, property)):
            continue
        if callable(call):
            shown = f"{name}{_short(_without_self(call))}".replace("\n    ", "")
        else:
            shown = name
        rows.append(f"**`{shown}`** — {_inline(said.splitlines()[0])}")
    return "## Methods\n\n" + "\n\n".join(rows) if rows else ""


def _without_self(call: Any) -> inspect.Signature | None:
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return None
    rest = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return inspect.Signature(rest)
