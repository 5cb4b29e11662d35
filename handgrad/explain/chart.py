"""Chart: a graph drawn with characters, in the same layout as the SVG."""

from __future__ import annotations

from collections.abc import Sequence

from handgrad.explain.graph import CONSTANT, FAN_OUT, FOLDED, LAYER, PARAMETER, Edge, Graph, Node
from handgrad.explain.layout import Layout, cuts, lay_out
from handgrad.explain.values import lengths
from handgrad.explain.words import headed, width, wrapped

COLUMNS, GAP = 80, 2
WIDEST = 36  # columns of a line in a node
MOST = 120  # nodes

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
LINES = {
    UP: "│", DOWN: "│", UP | DOWN: "│", LEFT: "─", RIGHT: "─", LEFT | RIGHT: "─",
    DOWN | RIGHT: "┌", DOWN | LEFT: "┐", UP | RIGHT: "└", UP | LEFT: "┘",
    UP | DOWN | RIGHT: "├", UP | DOWN | LEFT: "┤", UP | LEFT | RIGHT: "┴",
    DOWN | LEFT | RIGHT: "┬", UP | DOWN | LEFT | RIGHT: "┼",
}  # fmt: skip


Texts = list[list[str]]  # the lines of each item
Line = tuple[int, int, int]  # from this column, to that one, of this net


def chart(graph: Graph) -> list[str] | None:
    """The lines of the drawing; None where it is too wide or too large, or lines would meet."""
    if len(graph.nodes) > MOST:
        return None
    inputs = [0] * len(graph.nodes)
    for edge in graph.edges:
        inputs[edge.target] += 1
    nodes = [_node(node, count) for node, count in zip(graph.nodes, inputs)]
    far = cuts(graph)
    labels = [_label(edge, far.get(i, "")) for i, edge in enumerate(graph.edges)]
    layout = lay_out(graph, _sizes(nodes), _sizes(labels), GAP)
    texts = [nodes[item.node] if item.node is not None else [] if item.edge is None
             else labels[item.edge] for item in layout.items]  # fmt: skip
    lefts = _lefts(layout)
    right = max((lefts[i] + int(item.width) for i, item in enumerate(layout.items)), default=0)
    if right > COLUMNS:
        return None
    return _drawn(layout, texts, lefts)


def _drawn(layout: Layout, texts: Texts, lefts: list[int]) -> list[str] | None:
    """The items rank by rank, and the lines between."""
    nets = _nets(layout)
    gaps = [_lines(layout, lefts, row) for row in layout.ranks]
    canvas, y = Canvas(), 0
    for rank, row in enumerate(layout.ranks):
        height = max(len(texts[i]) for i in row)
        for i in row:
            item, size = layout.items[i], len(texts[i])
            top = y if item.edge is not None else y + height - size
            came = [x for _, lower, _, x in gaps[rank - 1] if lower == i] if rank else []
            goes = [x for upper, _, x, _ in gaps[rank] if upper == i]
            canvas.write(lefts[i], top, _with_ports(texts[i], lefts[i], came, goes))
            for upper, lower, _, x in gaps[rank - 1] if rank else ():
                if lower == i:
                    canvas.down(x, y, top, nets[upper])
            for x in {*goes}:
                canvas.down(x, top + size, y + height, nets[i])
        y += height
        rows = _tracks([(a, b, nets[u]) for u, _, a, b in gaps[rank]])
        if rows is None:
            return None
        count = max(rows, default=0) + 1 if gaps[rank] else 0
        for (u, _, a, b), track in zip(gaps[rank], rows):
            canvas.bent(a, b, y, y + track, y + count, nets[u])
        y += count
    return canvas.lines()


def _with_ports(texts: list[str], left: int, came: list[int], goes: list[int]) -> list[str]:
    """A box whose border shows where lines meet it; anything else as it is."""
    if texts[:1] == [] or texts[0][:1] != "┌":
        return texts
    edges = [list(texts[0]), list(texts[-1])]
    for edge, columns, mark in zip(edges, (came, goes), "┴┬"):
        for x in columns:
            edge[x - left] = mark
    return ["".join(edges[0]), *texts[1:-1], "".join(edges[1])]


def _sizes(texts: Texts) -> list[tuple[float, float]]:
    return [(float(max(map(width, lines))), float(len(lines))) for lines in texts]


def _node(node: Node, inputs: int) -> list[str]:
    """A box with its lines; only the name of what is no layer, a parameter's in brackets."""
    marks = {PARAMETER: "[]", CONSTANT: "{}"}.get(node.kind, "")
    if node.kind not in (LAYER, FAN_OUT, FOLDED):
        return [f"{marks[:1]}{node.title}{marks[1:]}"]
    lines = [p for t in (headed(node), *node.lines, node.shapes) if t for p in wrapped(t, WIDEST)]
    across = max(2 * inputs + 1, *map(width, lines))
    middle = [f"│ {line}{' ' * (across - width(line))} │" for line in lines]
    return [f"┌{'─' * (across + 2)}┐", *middle, f"└{'─' * (across + 2)}┘"]


def _label(edge: Edge, source: str) -> list[str]:
    """The value above, the gradient below. source: where it comes from, if no line shows it."""
    lines = [f"from {source}"] * bool(source)
    lines += [lengths(edge.value.shape)] if edge.value.shape else []
    lines += [edge.value.brief]
    lines += [] if edge.gradient is None else [edge.gradient.brief]
    across = max(map(width, lines))
    return [" " * ((across - width(line)) // 2) + line for line in lines]


def _lefts(layout: Layout) -> list[int]:
    """The first column of each item."""
    lefts = [0] * len(layout.items)
    for row in layout.ranks:
        free = 0
        for i in row:
            item = layout.items[i]
            lefts[i] = max(round(item.x - item.width / 2), free)
            free = lefts[i] + max(int(item.width), 1) + GAP
    return lefts


def _nets(layout: Layout) -> list[int]:
    """What each item carries on: lines of one net may meet. A bend carries what came to it."""
    nets = list(range(len(layout.items)))
    for row in layout.ranks:
        for i in row:
            if layout.items[i].bend:
                nets[i] = nets[layout.items[i].above[0]]
    return nets


def _lines(layout: Layout, lefts: list[int], row: list[int]) -> list[tuple[int, int, int, int]]:
    """(upper, lower, column above, column below) for each line below a rank; straight if it can."""
    found = []
    for upper in row:
        for lower in layout.items[upper].below:
            out, into = _span(layout, lefts, upper), _span(layout, lefts, lower)
            above = layout.items[lower].above
            if layout.items[lower].node is not None and len(above) > 1:
                part = (above.index(upper) + 1) / (len(above) + 1)
                port = lefts[lower] + int(part * layout.items[lower].width)
                into = port, port
            low, high = max(out[0], into[0]), min(out[1], into[1])
            a, b = ((out[0] + out[1]) // 2, (into[0] + into[1]) // 2)
            if low <= high:
                a = b = min(max(b if into != out else a, low), high)
            found.append((upper, lower, a, b))
    return found


def _span(layout: Layout, lefts: list[int], number: int) -> tuple[int, int]:
    """The columns at which a line may meet an item."""
    item, left = layout.items[number], lefts[number]
    if item.bend:
        return left, left
    inset = 1 if item.height > 2 and item.node is not None else 0
    return left + inset, left + int(item.width) - 1 - inset


def _tracks(lines: Sequence[Line]) -> list[int] | None:
    """The row on which each line goes sideways, none on another; None if there is no such row.

    Those to the right from the right on, those to the left from the left on: then few cross.
    """
    rows = [0] * len(lines)
    bent = [k for k, (a, b, _) in enumerate(lines) if a != b]
    bent.sort(
        key=lambda k: (lines[k][1] > lines[k][0], lines[k][0] * (-1) ** (lines[k][1] > lines[k][0]))
    )
    done: list[int] = []
    for k in bent:
        a, b, net = lines[k]
        lowest, highest, taken = 0, len(lines), set[int]()
        for other in done:
            c, d, its = lines[other]
            if its == net:
                continue
            if min(a, b) <= max(c, d) and min(c, d) <= max(a, b):
                taken.add(rows[other])
                if (b > a) == (d > c):
                    lowest = max(lowest, rows[other] + 1)
            if c == b:
                lowest = max(lowest, rows[other] + 1)
            if d == a:
                highest = min(highest, rows[other])
        free = [row for row in range(lowest, highest) if row not in taken]
        if not free:
            return None
        rows[k] = free[0]
        done.append(k)
    return rows


class Canvas:
    """Characters by row and column; lines remember which way they go, and of which net they are."""

    def __init__(self) -> None:
        self.text: dict[int, list[tuple[int, str]]] = {}
        self.marks: dict[tuple[int, int], dict[int, int]] = {}

    def write(self, left: int, top: int, lines: Sequence[str]) -> None:
        """Lines of text from this corner on."""
        for k, line in enumerate(lines):
            self.text.setdefault(top + k, []).append((left, line))

    def mark(self, x: int, y: int, ways: int, net: int) -> None:
        """A piece of a line that goes these ways."""
        cell = self.marks.setdefault((y, x), {})
        cell[net] = cell.get(net, 0) | ways

    def down(self, x: int, top: int, bottom: int, net: int) -> None:
        """A line in column x, from the row `top` to before `bottom`."""
        for y in range(top, bottom):
            self.mark(x, y, UP | DOWN, net)

    def bent(self, a: int, b: int, top: int, row: int, bottom: int, net: int) -> None:
        """From column a at the top to column b at the bottom, sideways on one row."""
        if a == b:
            return self.down(a, top, bottom, net)
        self.down(a, top, row, net)
        self.mark(a, row, UP | (RIGHT if b > a else LEFT), net)
        for x in range(min(a, b) + 1, max(a, b)):
            self.mark(x, row, LEFT | RIGHT, net)
        self.mark(b, row, DOWN | (LEFT if b > a else RIGHT), net)
        self.down(b, row + 1, bottom, net)

    def lines(self) -> list[str] | None:
        """The rows as text; None where lines of two nets meet and do not just cross."""
        for cell in self.marks.values():
            if len(cell) > 1 and sorted(cell.values()) != [UP | DOWN, LEFT | RIGHT]:
                return None
        rows: list[str] = []
        for y in range(max([*self.text, *(y for y, _ in self.marks)], default=-1) + 1):
            pieces = list(self.text.get(y, ()))
            for x in sorted(x for row, x in self.marks if row == y):
                ways = 0
                for way in self.marks[y, x].values():
                    ways |= way
                pieces.append((x, LINES[ways]))
            line = ""
            for x, piece in sorted(pieces):
                line += " " * (x - width(line)) + piece
            rows.append(line.rstrip())
        return rows
