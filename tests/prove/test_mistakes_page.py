"""The page of classic mistakes says what the doctor says."""

import re

import pytest

from handgrad.findings.report import CAUSES
from tests.prove.mistakes_page import run, sections

SECTIONS = list(sections())
ROUNDING = re.compile(r"\d(\.\d+)?e-(0[7-9]|[1-9]\d)")  # differs from machine to machine


def without_rounding(text):
    return [ROUNDING.sub("0", line).split() for line in text.splitlines()]


def test_every_cause_is_on_the_page_once():
    assert sorted(s.cause for s in SECTIONS) == sorted(CAUSES)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.cause)
def test_the_wrong_code_prints_what_the_page_shows(section):
    printed = run(section.wrong)
    assert without_rounding(printed) == without_rounding(section.printed)
    assert f"wrong ({section.cause})" in " ".join(printed.split())


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.cause)
def test_the_mended_code_is_right(section):
    assert "assert check(" in section.fixed
    assert run(section.fixed) == ""
