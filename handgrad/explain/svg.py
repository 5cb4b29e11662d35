"""SVG: a graph as a picture for a page, light or dark as the reader's screen is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from zlib import crc32

from handgrad.explain.graph import CONSTANT, FAN_OUT, FOLDED, INPUT, OUTPUT, PARAMETER, Graph, Node
from handgrad.explain.heat import CHARACTER, LINE, label, label_size
from handgrad.explain.layout import Item, Layout, cuts, lay_out, port_x
from handgrad.explain.words import BACKWARD, FORWARD, headed, notes, width, wrapped

WIDEST = 32  # characters of a line in a node
GAP, BETWEEN, MARGIN = 14, 16, 12

STYLE = """
.hg{--ink:#1b1f24;--quiet:#596270;--line:#8f9aa8;--paper:#fff;--box:#f2f5f9;--edge:#b3bdca;
--value:#0a58a6;--back:#a8400b}
@media(prefers-color-scheme:dark){.hg{--ink:#e8ebf0;--quiet:#a3adba;--line:#737e8d;
--paper:#14171b;--box:#20252c;--edge:#4a5462;--value:#7fb8f5;--back:#f5a26f}}
.hg text{font:10.5px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:var(--ink);
white-space:pre}
.hg .paper{fill:var(--paper)}
.hg text.title{font-weight:700;font-size:12px}
.hg text.quiet{fill:var(--quiet)}
.hg .box{fill:var(--box);stroke:var(--edge)}
.hg .parameter .box{stroke:var(--ink);stroke-width:1.6}
.hg .constant .box{stroke-dasharray:3 2}
.hg .fan-out .box,.hg .sum .box{stroke:var(--back);stroke-width:1.6}
.hg .folded .box{stroke-dasharray:1 3;stroke-width:2}
.hg .line{fill:none;stroke:var(--line);stroke-width:1.4}
.hg .tip{fill:var(--line)}
.hg .value,.hg .value text{fill:var(--value)}
.hg .back,.hg .back text{fill:var(--back)}
.hg .back text{font-style:italic}
.hg .note text{fill:var(--quiet)}
.hg .frame{fill:none;stroke:var(--edge);stroke-width:.8}
.hg .cross{fill:none;stroke:var(--ink);stroke-width:1.2}
"""


def svg(graph: Graph) -> str:
    """The graph as one SVG element, with its style, a title and a description."""
    nodes = [_lines(node) for node in graph.nodes]
    far = cuts(graph)
    labels = [label_size(edge, far.get(i, "")) for i, edge in enumerate(graph.edges)]
    layout = lay_out(graph, [_size(lines) for lines in nodes], labels, GAP)
    heights = [max((layout.items[i].height for i in row), default=0) for row in layout.ranks]
    tops = [sum(heights[:k]) + BETWEEN * k for k in range(len(heights) + 1)]
    body = list(_lines_between(layout, tops, heights))
    for item in layout.items:
        y = tops[item.rank] + (heights[item.rank] - item.height) / 2
        x, w, h = item.x - item.width / 2, item.width, item.height
        if item.node is not None:
            body += _node(graph.nodes[item.node], nodes[item.node], item, y)
        elif item.edge is not None:
            body += label(graph.edges[item.edge], x, y, w, h, far.get(item.edge, ""))
    widest = max((item.x + item.width / 2 for item in layout.items), default=0)
    return _framed(graph, "\n".join(body), widest, tops[-1])


def _framed(graph: Graph, body: str, widest: float, bottom: float) -> str:
    """The picture around what is drawn: title, style, background, legend."""
    legend = [f"{FORWARD}   {BACKWARD}", *_legend(graph), *notes(graph)]
    legend = [part for line in legend for part in wrapped(line, max(48, int(widest / CHARACTER)))]
    across = max(widest, max(CHARACTER * width(line) for line in legend)) + 2 * MARGIN
    down = bottom + LINE * len(legend) + 2 * MARGIN
    text = "".join(
        f'<text class="quiet" x="{MARGIN}" y="{MARGIN + bottom + LINE * k + 8:.0f}">'
        f"{escape(line)}</text>\n"
        for k, line in enumerate(legend)
    )
    name = f"hg{crc32((graph.title + body).encode()):08x}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="hg" role="img" '
        f'aria-labelledby="{name}t {name}d" width="{across:.0f}" height="{down:.0f}" '
        f'viewBox="0 0 {across:.0f} {down:.0f}" style="max-width:100%;height:auto">\n'
        f'<title id="{name}t">{escape(graph.title)}</title>\n'
        f'<desc id="{name}d">{escape(_description(graph))}</desc>\n'
        f"<style>{STYLE}</style>\n"
        f'<rect class="paper" width="100%" height="100%"/>\n'
        f'<g transform="translate({(across - widest) / 2:.0f} {MARGIN})">\n{body}\n</g>\n'
        f"{text}</svg>\n"
    )


def _legend(graph: Graph) -> Iterator[str]:
    """What heat maps mean, if there are any."""
    shown = [s for e in graph.edges for s in (e.value, e.gradient) if s is not None]
    if any(s.cells for s in shown):
        yield "arrays: min…max |norm|; cells: whole > 0, small < 0"
    if any(s.strange for s in shown):
        yield "crossed cells are not finite"


def _description(graph: Graph) -> str:
    """The graph in sentences, for those who do not see it; of a large one the counts alone."""
    kinds = [node.kind for node in graph.nodes]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    parts = [f"A graph of {len(kinds)} nodes: {counts}."]
    for edge in graph.edges if len(graph.edges) <= 60 else ():
        back = f", gradient {edge.gradient.brief}" if edge.gradient is not None else ""
        source, target = (graph.nodes[i].title for i in (edge.source, edge.target))
        parts.append(f"{source} to {target}: value {edge.value.brief}{back}.")
    return " ".join(parts)


# -- nodes ---------------------------------------------------------------------------------------


def _lines(node: Node) -> list[tuple[str, str]]:
    """(class, text) of each line in a node."""
    inside = node.path if node.path.startswith("in ") else ""
    title = node.title if inside else headed(node)
    texts = [("title", title), ("quiet", inside), *(("", line) for line in node.lines),
             ("quiet", node.shapes)]  # fmt: skip
    return [(kind, part) for kind, text in texts if text for part in wrapped(text, WIDEST)]


def _size(lines: list[tuple[str, str]]) -> tuple[float, float]:
    longest = max(width(text) * (1.16 if kind == "title" else 1) for kind, text in lines)
    return max(longest * CHARACTER + 18, 40), LINE * len(lines) + 8


def _node(node: Node, lines: list[tuple[str, str]], item: Item, y: float) -> Iterator[str]:
    """A box with its lines; round where values come in or go out."""
    x, w, h = item.x - item.width / 2, item.width, item.height
    kind = "sum" if node.title.startswith("Broadcast") else node.kind
    outside = node.kind in (INPUT, OUTPUT, PARAMETER, CONSTANT, FAN_OUT, FOLDED)
    radius = 4 if not outside or node.kind == PARAMETER else min(h / 2, 12)
    yield f'<g class="{kind}">'
    yield (
        f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
        f'rx="{radius:.0f}"/>'
    )
    for k, (style, text) in enumerate(lines):
        options = f' class="{style}"' if style else ""
        anchor = ' text-anchor="middle"' if len(lines) == 1 else ""
        at = f'x="{item.x if anchor else x + 9:.1f}" y="{y + LINE * k + 15:.1f}"'
        yield f"<text{options}{anchor} {at}>{escape(text)}</text>"
    yield "</g>"


# -- edges ---------------------------------------------------------------------------------------


def _lines_between(
    layout: Layout, tops: Sequence[float], heights: Sequence[float]
) -> Iterator[str]:
    """Every line from rank to rank: straight inside a rank, bent between two."""
    for number, item in enumerate(layout.items):
        bottom = tops[item.rank] + heights[item.rank]
        end = bottom if item.bend else bottom - (heights[item.rank] - item.height) / 2
        for other in item.below:
            lower = layout.items[other]
            x, to = item.x, port_x(layout, other, number)
            top = tops[lower.rank]
            start = top if lower.bend else top + (heights[lower.rank] - lower.height) / 2
            if lower.bend:
                start = top + heights[lower.rank]
            middle = (bottom + top) / 2
            curve = f"C{x:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {top:.1f}"
            bent = f"V{bottom:.1f}{curve}V{start:.1f}" if abs(x - to) > 0.05 else f"V{start:.1f}"
            yield f'<path class="line" d="M{x:.1f} {end:.1f}{bent}"/>'
            if lower.node is not None:
                yield (f'<path class="tip" d="M{to - 3.5:.1f} {start - 6:.1f}h7l-3.5 6z"/>')
