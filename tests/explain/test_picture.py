"""How a picture looks: nothing overlaps, the same characters each time, safe names, files."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

import handgrad as hg
from handgrad import Tensor, draw
from handgrad.explain.chart import chart
from handgrad.explain.layout import lay_out
from handgrad.explain.listing import listing
from tests.explain.test_draw import affine, fruit, network

SVG = "{http://www.w3.org/2000/svg}"


def chain(count):
    y = Tensor(1.0)
    for i in range(count):
        y = y * 2.0 if i % 2 else y + 1.0
    return y


def unrolled(count):
    class Steps(hg.Network):
        def __init__(self):
            self.cell, self.tanh = hg.Affine(4), hg.Tanh()

        def __call__(self, x):
            for _ in range(count):
                x = self.tanh(self.cell(x))
            return x

    return draw(Steps(), np.ones((2, 4)), dy=np.ones((2, 4)))


PICTURES = {
    "fruit": lambda: draw(fruit()[1]),
    "affine": lambda: draw(affine()[0], affine()[1], dy=affine()[2], open=1),
    "network": lambda: draw(network(), np.ones((5, 3)), t=np.array([0, 1, 2, 0, 1])),
    "attention": lambda: draw(hg.MultiHeadAttention(2), np.ones((2, 3, 4)), open=1),
    "unrolled": lambda: unrolled(30),
}


@pytest.fixture(params=PICTURES, scope="module")
def picture(request):
    return PICTURES[request.param]()


def test_nothing_overlaps(picture):
    graph = picture.graph
    layout = lay_out(graph, [(90.0, 40.0)] * len(graph.nodes), [(60.0, 30.0)] * len(graph.edges), 9)
    for row in layout.ranks:
        for a, b in pairwise(layout.items[i] for i in row):
            assert a.x + a.width / 2 + 9 <= b.x - b.width / 2 + 1e-6
    for item in layout.items:
        assert all(layout.items[i].rank == item.rank + 1 for i in item.below)
    assert sorted(i for row in layout.ranks for i in row) == list(range(len(layout.items)))


def test_the_same_characters_each_time(picture, request):
    again = PICTURES[request.node.callspec.params["picture"]]()
    assert (again.text, again.svg, again.dot) == (picture.text, picture.svg, picture.dot)


def test_the_svg_is_whole_and_says_what_it_shows(picture):
    root = ET.fromstring(picture.svg)
    assert root.tag == SVG + "svg"
    assert root.get("role") == "img"
    title, description = root.find(SVG + "title"), root.find(SVG + "desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == picture.graph.title
    assert description.text.startswith(f"A graph of {len(picture.graph.nodes)} nodes")
    assert "prefers-color-scheme:dark" in root.find(SVG + "style").text
    assert "http" not in picture.svg.replace("http://www.w3.org/2000/svg", "")
    width, height = float(root.get("width")), float(root.get("height"))
    assert root.get("viewBox") == f"0 0 {width:.0f} {height:.0f}"
    for rect in root.iter(SVG + "rect"):
        if rect.get("width") != "100%":
            assert float(rect.get("x")) >= 0
            assert float(rect.get("x")) + float(rect.get("width")) <= width


def test_text_fits_a_terminal(picture):
    assert max(map(len, picture.text.splitlines())) <= 80
    assert "\x1b" not in picture.text


def test_every_number_of_a_chart_is_in_the_listing_too():
    _, price = fruit()
    price.backward()
    graph = draw(price).graph
    lines = "\n".join(listing(graph))
    for edge in graph.edges:
        assert edge.value.brief in lines
        assert edge.gradient.brief in lines
    assert "3 Mul ← 1, 2" in lines
    assert len(chart(graph)) == len({*range(len(chart(graph)))})


def test_a_listing_where_a_chart_would_be_too_wide():
    layer = hg.Concat(0)
    text = draw(layer, *[np.ones((2, 3)) for _ in range(9)]).text
    assert "→ is where a value goes" in text
    assert "10 Concat" in text


def test_a_thousand_nodes_without_recursion_and_without_a_wall_of_lines():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(180)
    try:
        long = draw(chain(1000))
        assert long.svg.count("<rect") > 2000
        assert long.text.count("Add") == 500
    finally:
        sys.setrecursionlimit(limit)
    loop = unrolled(300)
    graph = loop.graph
    layout = lay_out(graph, [(90.0, 40.0)] * len(graph.nodes), [(60.0, 30.0)] * len(graph.edges), 9)
    bends = sum(item.bend for item in layout.items)
    assert bends < 20  # a shared W is named where it is used far away, not drawn to each use
    assert loop.svg.count("from cell.W") >= 297


HOSTILE = ["<script>alert(1)</script>", 'a"b\\', "x & y", "two\nlines", "\x00\x1b[31m", "]]>",
           "-->", "日本語の名前", "n" * 500, "\ud800"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_are_made_safe(name):
    picture = draw(Tensor(2.0, name=name) * 3.0)
    root = ET.fromstring(picture.svg)
    assert root.find(f".//{SVG}script") is None
    assert max(map(len, picture.text.splitlines())) <= 80
    assert not {"\x00", "\x1b"} & {*picture.text, *picture.svg, *picture.dot}
    assert picture.svg.encode()
    quotes = picture.dot.replace("\\\\", "").replace('\\"', "")
    assert all(line.count('"') % 2 == 0 for line in quotes.splitlines())


def test_saved_by_the_ending(tmp_path):
    picture = draw(fruit()[1])
    for name, content in (("p.svg", picture.svg), ("p.txt", picture.text), ("p.dot", picture.dot),
                          ("p.GV", picture.dot)):  # fmt: skip
        path = picture.save(tmp_path / name)
        assert path.read_text(encoding="utf-8").strip() == content.strip()
    with pytest.raises(ValueError, match=r"must end in .svg, .txt, .dot, .gv, got"):
        picture.save(tmp_path / "p.png")
    with pytest.raises(OSError, match="missing"):
        picture.save(tmp_path / "missing" / "p.svg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.GV", "p.dot", "p.svg", "p.txt"]


def test_a_picture_stays_as_it_was_drawn():
    layer, x, dy = affine()
    picture, same = draw(layer, x, dy=dy), draw(layer, x, dy=dy)
    layer.W[...] = 7.0
    assert picture.svg == same.svg


def test_in_a_notebook():
    _, price = fruit()
    assert price._repr_svg_() == draw(price).svg == draw(price)._repr_svg_()
    assert Tensor(1.0)._repr_svg_() is None  # its repr says it all
    assert chain(200)._repr_svg_() is None
    net = network()
    assert "<td style='text-align:right'>?</td>" in net._repr_html_()  # sizes from the first batch
    summary = net.summary(np.ones((2, 3)))
    assert isinstance(summary, str)
    assert summary.splitlines()[-1].split() == ["total", "51"]
    assert "<th style='text-align:right'>51</th>" in summary._repr_html_()
    assert net.summary().splitlines()[-1].split() == ["total", "51"]

    class Odd(hg.Tanh):
        def __repr__(self):
            return "<b>&"

    assert "&lt;b&gt;&amp;" in hg.Sequential(Odd())._repr_html_()


def test_drawing_is_imported_when_used():
    code = "import sys, handgrad as hg; t = hg.Tensor(1.0) * 2.0; before = [*sys.modules]; "
    code += "assert 'handgrad.explain' not in before; assert '<svg' in t._repr_svg_()"
    subprocess.run([sys.executable, "-c", code], check=True)
