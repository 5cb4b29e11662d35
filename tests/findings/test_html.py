"""The page of a report: complete, self-contained, safe."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from handgrad.findings.html import report_html
from handgrad.findings.report import Report, Row, Where
from handgrad.prove.check import check


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return -np.where(self.mask, dout, 0)


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


X = np.random.default_rng(0).normal(size=(3, 4))


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = {"meta", "br", "line", "rect"}

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in self.VOID or self.open.pop() == tag


def page_of(*reports):
    page = report_html(reports)
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return page


def test_a_wrong_report_says_everything():
    report = check(Relu(), X)
    page = page_of(report)
    for text in ("Relu", "wrong_sign", f"{report.where.analytic:.6g}", "3 × 4", "ratio"):
        assert text in page
    marked = re.search(r'<span class="line marked"><i>(\d+)</i>(.*?)</span>', page)
    assert marked[2].strip() == "return -np.where(self.mask, dout, 0)"
    assert "def backward(self, dout):" in page


def test_a_report_makes_its_own_page():
    report = check(Tanh(), X)
    assert report.to_html() == report_html(report)


def test_nothing_is_loaded_from_elsewhere():
    page = page_of(check(Relu(), X))
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)


def test_wrong_ones_come_first_and_are_counted():
    page = page_of(check(Tanh(), X), check(Relu(), X))
    assert page.index('id="r0" class="wrong"') < page.index('id="r1" class="right"')
    assert "1 right" in page
    assert "1 wrong" in page


def test_text_is_escaped():
    report = Report("<b>&", "wrong", "shape", evidence=["<script>alert(1)</script>"])
    report.line = "absent.py:3: a < b"
    page = page_of(report)
    assert "<script>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "a &lt; b" in page


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1e300])
def test_any_number_has_a_bar(value):
    where = Where("dx", (0, 1), value, 2.0)
    page = page_of(Report("Layer", "wrong", "numeric_instability", where=where))
    widths = [float(w) for w in re.findall(r'<rect[^>]* width="([^"]*)"', page)]
    assert all(0 < w <= 100 for w in widths)


def test_a_blamed_layer_has_its_own_report():
    inner = Report("Relu", "wrong", "wrong_sign", table=[Row("dx", (), 1.0, "wrong", "all")])
    page = page_of(Report("Sequential", "wrong", "wrong_sign", layer="layer 2, Relu", blame=inner))
    assert "The first wrong layer: layer 2, Relu" in page
    assert page.count("<section") == 2
    assert "number" in page


def test_text_fits_a_terminal():
    class Long(Relu):
        def backward(self, dout):
            return super().backward(dout)[:, :1]

    for report in (check(Long(), X), check(Tanh(), X)):
        lines = str(report).splitlines()
        assert len(lines) > 1
        assert max(map(len, lines)) < 80
