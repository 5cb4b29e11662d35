"""The pytest plug-in: the fixture `prove`, the diagnosis of a failed check, and one page of all.

pytest finds it by the package's entry point. Reports travel from xdist's workers with the results
of their tests, as plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from handgrad.findings.html import report_html
from handgrad.prove import Report, check
from handgrad.prove.check import watched
from handgrad.testing.variants import require_right
from handgrad.train.write import write_whole

_SEEN = pytest.StashKey[list[Report]]()


@pytest.fixture
def prove() -> Callable[..., Report]:
    """`prove(subject, *inputs)`: `check`, and the test fails where the verdict is not "right"."""
    return lambda subject, *inputs, **options: require_right(check(subject, *inputs, **options))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note the reports of the checks that a test makes."""
    with watched() as item.stash[_SEEN]:
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed `assert check(...)` shows the whole report: pytest shortens what is asserted."""
    result = yield
    seen = item.stash.get(_SEEN, []) if call.when == "call" else []
    vars(result)["handgrad"] = [report.to_dict() for report in seen]
    add_section: Any = getattr(result.longrepr, "addsection", None)  # None where the test passed
    if add_section is not None:
        shown = result.longreprtext
        for report in seen:
            if not report and str(report) not in shown:
                add_section("handgrad check", str(report))
    return result


class Page:
    """All reports of a run, written as one page at its end, whichever process made them."""

    def __init__(self, path: str):
        self.path, self.reports = Path(path), dict[str, list[dict[str, Any]]]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.setdefault(report.nodeid, []).extend(getattr(report, "handgrad", []))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        reports = []
        for test in sorted(self.reports):
            for values in self.reports[test]:
                report = Report.from_dict(values)
                reports.append(report)
                report.notes.insert(0, f"from {test}")
        write_whole(self.path, report_html(reports, "gradient checks").encode())
        counts = ", ".join(f"{n} {word}" for word, n in _counted(reports).items() if n)
        terminalreporter.write_line(f"handgrad: {counts or 'no checks'}; written to {self.path}")


def _counted(reports: list[Report]) -> dict[str, int]:
    verdicts = [report.verdict for report in reports]
    return {word: verdicts.count(word) for word in ("right", "wrong", "cannot tell")}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("handgrad").addoption(
        "--handgrad-html", metavar="FILE", help="one page with the reports of all gradient checks"
    )


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("handgrad_html")
    if path and not hasattr(config, "workerinput"):  # the process that gathers all results
        config.pluginmanager.register(Page(path), "handgrad-page")
