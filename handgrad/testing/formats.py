"""What was found in a file: as text, and for programs as JSON, JUnit's XML, and SARIF.

Sources: JUnit's XML as read by CI servers; SARIF 2.1.0, the OASIS standard of 2020.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from handgrad.findings.report import CAUSES, Report, wrapped


@dataclass(frozen=True)
class Found:
    """One subject of a file: its report, or the reason why there is none."""

    name: str
    report: Report | None = None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """The report's, or "not checked"."""
        return "not checked" if self.report is None else self.report.verdict


def to_text(found: Sequence[Found], brief: bool = False) -> str:
    """A paragraph for each subject, a line for each right one where brief; the sum at the end."""
    parts = []
    for one in found:
        if one.report is None:
            parts.append(wrapped(f"{one.name}: not checked. {one.reason}.") + "\n")
        elif brief and one.report:
            parts.append(f"{one.name}: right")
        else:
            parts.append(f"{one.report}\n")
    counts = Counter(one.verdict for one in found)
    return "\n".join([*parts, ", ".join(f"{n} {verdict}" for verdict, n in counts.items())])


def to_json(found: Sequence[Found]) -> bytes:
    """A list with one object for each subject: its report, or why there is none."""
    values = [
        {"subject": one.name, "verdict": "not checked", "evidence": [one.reason]}
        if one.report is None
        else one.report.to_dict() | {"subject": one.name}
        for one in found
    ]
    return json.dumps(values, indent=1).encode()


def to_junit(found: Sequence[Found]) -> bytes:
    """A test suite with one case for each subject: wrong ones fail, unknown ones are errors.

    What a right one is not right for is its output.
    """
    suite = ElementTree.Element("testsuite", name="handgrad check", tests=str(len(found)))
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for one in found:
        case = ElementTree.SubElement(suite, "testcase", classname="handgrad", name=one.name)
        if one.report is None:
            kind, message, text = "skipped", one.reason, ""
        elif one.report:
            if one.report.limits:
                text = _printable(str(one.report))
                ElementTree.SubElement(case, "system-out").text = text
            continue
        else:
            kind = "failure" if one.report.verdict == "wrong" else "error"
            message, text = one.report.paragraph, str(one.report)
        counts[kind] += 1
        ElementTree.SubElement(case, kind, message=_printable(message)).text = _printable(text)
    plural = {"failure": "failures", "error": "errors", "skipped": "skipped"}
    suite.attrib.update({plural[kind]: str(count) for kind, count in counts.items()})
    ElementTree.indent(suite)
    content: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return content


def to_sarif(found: Sequence[Found], version: str) -> bytes:
    """One result for each subject that is not right, with the line that the report points to.

    A note for each that is right for what was given, and not for something else.
    """
    rules = [
        {"id": cause, "shortDescription": {"text": cause.replace("_", " ")},
         "help": {"text": CAUSES[cause].advice}}
        for cause in CAUSES
    ]  # fmt: skip
    driver = {"name": "handgrad", "version": version, "rules": rules}
    reports = [one.report for one in found if one.report is not None]
    results = [_result(report) for report in reports if not report or report.limits]
    run = {"tool": {"driver": driver}, "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=1).encode()


def _result(report: Report) -> dict[str, Any]:
    level = {"right": "note", "wrong": "error"}.get(report.verdict, "warning")
    message = " ".join([report.paragraph, *report.boundaries])
    result: dict[str, Any] = {"level": level, "message": {"text": message}}
    if report.cause:
        result["ruleId"] = report.cause
    found = re.match(r"(.*?):(\d+): ", report.line or "")
    if found:
        path = Path(found[1])
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
        uri = path.as_posix() if not path.is_absolute() else path.as_uri()
        where = {"artifactLocation": {"uri": uri}, "region": {"startLine": int(found[2])}}
        result["locations"] = [{"physicalLocation": where}]
    return result


def _printable(text: str) -> str:
    """The text without the characters that XML forbids."""
    return re.sub(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]", "?", text)
