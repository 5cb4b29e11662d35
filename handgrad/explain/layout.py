"""Layout: where the nodes of a graph stand, in layers from top to bottom, and its edges run.

Each edge carries a label, which is laid out like a node: nothing can overlap. Ranks by the longest
path, order in a rank by barycenters, then each rank is moved to where its neighbours are. All of it
is loops over the ranks: no recursion, and the same result each time.
Source: Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system
structures", IEEE SMC 11, 1981; positions by isotonic regression (pool adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from handgrad.explain.graph import FAN_OUT, Graph

SWEEPS = 6
# Ranks that an edge may span; a longer one is cut, and named at its end. Few from what is shared.
FARTHEST, FARTHEST_SHARED = 16, 4


@dataclass
class Item:
    """Something that has a rank: a node, the label of an edge, or a bend of a long edge.

    above, below: numbers of the items it is joined to, in the order of the ports. x: its middle.
    """

    rank: int
    width: float
    height: float
    node: int | None = None
    edge: int | None = None
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)
    x: float = 0.0
    cut: bool = False  # a label whose edge is not drawn above it

    @property
    def bend(self) -> bool:
        """Whether it is only a line."""
        return self.node is None and self.edge is None


@dataclass
class Layout:
    """Items, and the items of each rank from left to right."""

    items: list[Item]
    ranks: list[list[int]]


Size = tuple[float, float]


def cuts(graph: Graph) -> dict[int, str]:
    """The edges that would be too long, with the name of where each comes from."""
    ranks = _ranks(graph)
    above = {edge.target: edge.source for edge in graph.edges}
    found = {}
    for i, edge in enumerate(graph.edges):
        fan = graph.nodes[edge.source].kind == FAN_OUT
        origin = above[edge.source] if fan else edge.source
        farthest = FARTHEST if origin in above else FARTHEST_SHARED
        if ranks[edge.target] - ranks[edge.source] > farthest:
            found[i] = graph.nodes[origin].title
    return found


def lay_out(graph: Graph, nodes: Sequence[Size], labels: Sequence[Size], gap: float) -> Layout:
    """Positions for nodes and labels (of edges) of these sizes (width, height).

    gap: between neighbours in a rank.
    """
    ranks, cut_edges = _ranks(graph), cuts(graph)
    items = [Item(rank, *size, node=i) for i, (rank, size) in enumerate(zip(ranks, nodes))]
    for i, (edge, size) in enumerate(zip(graph.edges, labels)):
        rank = ranks[edge.target] - 1
        label = len(items)
        cut = i in cut_edges
        items.append(Item(rank, *size, edge=i, cut=cut))
        last = edge.source
        for middle in () if cut else range(ranks[edge.source] + 1, rank):
            items.append(Item(middle, 0, 0))
            _join(items, last, len(items) - 1)
            last = len(items) - 1
        if not cut:
            _join(items, last, label)
        _join(items, label, edge.target)
    for item in items:
        item.above = _sides(items, item.above)
    rows: list[list[int]] = [[] for _ in range(max((i.rank for i in items), default=-1) + 1)]
    for number in _by_source(items):
        rows[items[number].rank].append(number)
    layout = Layout(items, rows)
    _order(layout)
    _place(layout, gap)
    return layout


def _join(items: list[Item], upper: int, lower: int) -> None:
    items[upper].below.append(lower)
    items[lower].above.append(upper)


def _sides(items: list[Item], above: list[int]) -> list[int]:
    """Inputs that come from above in the middle of those that begin here: so a network of layers
    with parameters on both sides goes straight down."""
    begins = [i for i in above if items[i].cut or not any(items[j].above for j in items[i].above)]
    comes = [i for i in above if i not in begins]
    fans_out = any(len(items[j].below) > 1 for i in comes for j in items[i].above)
    if len(comes) != 1 or len(begins) < 2 or fans_out:
        return above
    half = len(begins) // 2
    return [*begins[:half], *comes, *begins[half:]]


def _ranks(graph: Graph) -> list[int]:
    """Even ranks for nodes, by the longest path; what needs one node at most, as low as it may."""
    count = len(graph.nodes)
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for edge in graph.edges:
        above[edge.target].append(edge.source)
        below[edge.source].append(edge.target)
    ranks = [0] * count
    for i in range(count):  # sources come before their targets
        ranks[i] = max((ranks[j] + 2 for j in above[i]), default=0)
    late = [False] * count  # what comes from a single node without inputs
    for i in range(count):
        late[i] = len(above[i]) <= 1 and all(late[j] for j in above[i])
    for i in reversed(range(count)):
        if late[i] and below[i]:
            ranks[i] = min(ranks[j] for j in below[i]) - 2
    lowest = min(ranks, default=0)
    return [rank - lowest for rank in ranks]


def _by_source(items: Sequence[Item]) -> list[int]:
    """The items from the bottom up, depth first: neighbours of one node stand together."""
    found: list[int] = []
    seen = [False] * len(items)
    roots = [i for i, item in enumerate(items) if not item.below]
    stack = list(reversed(roots))
    while stack:
        i = stack.pop()
        if not seen[i]:
            seen[i] = True
            found.append(i)
            stack += reversed(items[i].above)
    return found


def _order(layout: Layout) -> None:
    """Fewer crossings: sort each rank by the middle of the neighbours, down and up in turns."""
    best, fewest = layout.ranks, _crossings(layout)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 1
        ranks = [list(row) for row in layout.ranks]
        rows = ranks if down else ranks[::-1]
        position: dict[int, float] = {}
        for row in rows:
            keys = [_middle(layout, i, position, down, k) for k, i in enumerate(row)]
            row[:] = [i for _, _, i in sorted(zip(keys, range(len(row)), row))]
            position |= {i: float(k) for k, i in enumerate(row)}
        layout.ranks = ranks
        if (now := _crossings(layout)) < fewest:
            best, fewest = ranks, now
    layout.ranks = best


def _middle(
    layout: Layout, number: int, position: dict[int, float], down: bool, own: float
) -> float:
    """The mean position of the neighbours on one side, each at its port."""
    item = layout.items[number]
    there = [position[i] + _port(layout, number, i, down)
             for i in (item.above if down else item.below) if i in position]  # fmt: skip
    return sum(there) / len(there) if there else own


def _port(layout: Layout, number: int, other: int, down: bool) -> float:
    """Where on its neighbour an item is joined, from −½ to ½."""
    joined = layout.items[other].below if down else layout.items[other].above
    return (joined.index(number) + 1) / (len(joined) + 1) - 0.5 if len(joined) < 50 else 0.0


def _crossings(layout: Layout) -> int:
    """How often lines cross, counted from rank to rank by insertion."""
    from_left = 0
    for upper, lower in zip(layout.ranks, layout.ranks[1:]):
        place = {i: k for k, i in enumerate(lower)}
        ends = [
            (place[j] * 64 + min(_number_of_port(layout, i, j), 63))
            for i in upper
            for j in sorted(layout.items[i].below, key=place.__getitem__)
        ]
        if any(a > b for a, b in zip(ends, ends[1:])):
            from_left += _inversions(ends)
    return from_left


def _number_of_port(layout: Layout, upper: int, lower: int) -> int:
    above = layout.items[lower].above
    return above.index(upper) if len(above) < 50 else 0


def _inversions(numbers: list[int]) -> int:
    """How many pairs stand in the wrong order, by merging runs that double."""
    count, width = 0, 1
    while width < len(numbers):
        merged: list[int] = []
        for start in range(0, len(numbers), 2 * width):
            left = numbers[start : start + width]
            right = numbers[start + width : start + 2 * width]
            i = j = 0
            while i < len(left) and j < len(right):
                if left[i] <= right[j]:
                    merged.append(left[i])
                    i += 1
                else:
                    merged.append(right[j])
                    count += len(left) - i
                    j += 1
            merged += left[i:] + right[j:]
        numbers, width = merged, 2 * width
    return count


# -- positions ---------------------------------------------------------------------------------


def port_x(layout: Layout, lower: int, upper: int, *, below: bool = False) -> float:
    """Where the line between two items meets the upper edge of the lower one.

    below: the lower edge of the upper one, which has one port for all.
    """
    return layout.items[upper].x if below else _port_x(layout.items[lower], upper)


def _port_x(item: Item, upper: int) -> float:
    if len(item.above) < 2:
        return item.x
    part = (item.above.index(upper) + 1) / (len(item.above) + 1) - 0.5
    return item.x + part * item.width


def _place(layout: Layout, gap: float) -> None:
    """Move each rank to where its neighbours are, as its order and the sizes allow."""
    items = layout.items
    for row in layout.ranks:
        x = 0.0
        for i in row:
            items[i].x = x + items[i].width / 2
            x += items[i].width + gap
    still = 0  # sweeps in a row that moved nothing
    for sweep in range(SWEEPS + 1):
        down, moved = sweep % 2 == 1, False
        for row in layout.ranks if down else layout.ranks[::-1]:
            before = [items[i].x for i in row]
            if len(row) == 1:
                items[row[0]].x = _wanted(items, row[0], down)[0]
            else:
                _fit(items, row, [_wanted(items, i, down) for i in row], gap)
            moved = moved or before != [items[i].x for i in row]
        still = 0 if moved else still + 1
        if still == 2:
            break
    left = min((item.x - item.width / 2 for item in items), default=0.0)
    for item in items:
        item.x -= left


def _wanted(items: list[Item], number: int, down: bool) -> tuple[float, float]:
    """Where an item would like to stand, and how much: long lines are to be straight."""
    item = items[number]
    if down:
        xs = [items[i].x for i in item.above]
    else:
        xs = [_port_x(items[i], number) for i in item.below]
    if not xs:
        return item.x, 0.1
    weight = 8.0 if item.bend else 2.0 if item.node is None else 1.0 + len(xs)
    return sum(xs) / len(xs), weight


def _fit(items: list[Item], row: list[int], wanted: list[tuple[float, float]], gap: float) -> None:
    """The positions closest to those wanted that keep the order and the gaps (least squares).

    With the needed distances subtracted it is an isotonic regression: pool adjacent violators.
    """
    offsets, offset = [], 0.0
    for k, i in enumerate(row):
        if k:
            offset += (items[row[k - 1]].width + items[i].width) / 2 + gap
        offsets.append(offset)
    blocks: list[list[float]] = []  # sum of weight·x, sum of weights, how many
    for (x, w), o in zip(wanted, offsets):
        blocks.append([w * (x - o), w, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last)]
    k = 0
    for total, weight, count in blocks:
        for _ in range(int(count)):
            items[row[k]].x = total / weight + offsets[k]
            k += 1
