"""Verdicts as JSON, JUnit's XML and SARIF."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from handgrad import Report, check
from handgrad.testing.formats import Found, to_json, to_junit, to_sarif


class Wrong:
    """Its text has what XML wants escaped: <, & and a bell."""

    def forward(self, x):
        return x * 3

    def backward(self, dout):
        return dout * 2  # 1 < 2 & 3


@pytest.fixture(scope="module")
def found():
    x = np.random.default_rng(0).normal(size=(3, 4))
    unknown = Report("Unknown\a<&>", "cannot tell", evidence=["no gradient \a<&>"])
    return [
        Found("Wrong", check(Wrong(), x)),
        Found("Right", Report("Right", "right")),
        Found("Unknown", unknown),
        Found("Skipped", None, "no inputs were found"),
    ]


def test_json_is_what_to_dict_says(found):
    values = json.loads(to_json(found))
    assert [v["verdict"] for v in values] == ["wrong", "right", "cannot tell", "not checked"]
    assert values[0] == json.loads(json.dumps(found[0].report.to_dict()))
    assert str(Report.from_dict(values[0])) == str(found[0].report)


def test_junit_counts_and_tells(found):
    suite = ElementTree.fromstring(to_junit(found))
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    failure = suite.find("testcase[@name='Wrong']/failure")
    assert "wrong (wrong_scale)" in failure.get("message")
    assert failure.text == str(found[0].report)
    assert suite.find("testcase[@name='Unknown']/error").text.count("?<&>") == 2
    assert list(suite.find("testcase[@name='Right']")) == []


def test_sarif_names_the_rule_and_the_line(found, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    log = json.loads(to_sarif(found, "1.2"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["version"] == "1.2"
    wrong, unknown = run["results"]
    assert wrong["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    place = wrong["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "tests/testing/test_formats.py"
    lines = Path(__file__).read_text().splitlines()
    assert "return dout * 2" in lines[place["region"]["startLine"] - 1]
    assert unknown["level"] == "warning"
    assert "locations" not in unknown


def test_what_a_right_one_is_not_right_for_is_said_in_every_format():
    limits = ["shape (2, 3, 4): backward raises ValueError", "integers as x: dx is cut"]
    report = Report("Bound", "right", limits=limits)
    (result,) = json.loads(to_sarif([Found("Bound", report)], "1"))["runs"][0]["results"]
    assert result["level"] == "note"
    case = ElementTree.fromstring(to_junit([Found("Bound", report)])).find("testcase")
    assert [child.tag for child in case] == ["system-out"]
    page = report.to_html()
    for limit in limits:
        assert f"not for {limit}." in result["message"]["text"]
        assert limit in " ".join(case.find("system-out").text.split())
        assert f"<li>{limit}</li>" in page
