"""Words in pictures: names made safe, how wide text is, and lines cut to a width."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from handgrad.explain.graph import FOLDED, Graph, Node
from handgrad.explain.values import FREED, NOT_YET, TRACED

LONGEST_NAME = 40  # characters
FORWARD, BACKWARD = "↓ value, forward", "↑ gradient, backward"


def clean(name: str) -> str:
    """A name on one line, without characters that a picture cannot show, and not too long."""
    text = " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in name).split())
    text = "".join(c if not 0xD800 <= ord(c) <= 0xDFFF else "�" for c in text)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


@lru_cache(maxsize=8192)
def width(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters two, combining ones none."""
    return (
        len(text)
        if text.isascii()
        else sum(
            0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
            for c in text
        )
    )


def wrapped(text: str, most: int) -> list[str]:
    """The text in lines of at most so many columns, if words are that short: cut before " = " or
    at another space; later lines are indented."""
    lines: list[str] = []
    rest, indent = text, ""
    while width(rest) > most:
        first = rest.find(" = ", len(indent) + 1) + 1 if not lines else len(indent)
        cut = rest.rfind(" = ", first + 1, most)
        if cut <= len(indent) + most // 4:
            cut = rest.rfind(" ", len(indent) + 1, most)
        if cut <= len(indent):
            break
        lines.append(rest[:cut])
        indent = "  "
        rest = indent + rest[cut:].lstrip()
    return [*lines, rest]


def headed(node: Node) -> str:
    """A node's title, with the path before it, or behind it what it was opened from."""
    if node.path.startswith("in "):
        return f"{node.title}, {node.path}"
    return f"{node.path} {node.title}" if node.path else node.title


NOTES = {
    NOT_YET: "no backward() has come here",
    FREED: "backward(retain=True) keeps such arrays",
    FOLDED: "draw a part of the graph to see it",
    TRACED: "only the shape is known",
}


def notes(graph: Graph) -> list[str]:
    """What the words that stand for missing values mean, as far as they occur, and the graph's."""
    found = {s.note for e in graph.edges for s in (e.value, e.gradient) if s is not None}
    lines = [f"{note}: {text}" for note, text in NOTES.items() if note in found]
    return [*lines, graph.note] if graph.note else lines
