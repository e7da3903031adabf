"""What holds for every test: where settled comes from is shown, and in CI nothing is skipped.

At the end a table: which fault, which outcome, after how many seconds.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.metadata import version

import pytest

import settled
import tests.effort  # noqa: F401 - before any test that has a number of examples

MEASURED = "settled after a fault"
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_report_header() -> str:
    return f"settled {version('settled')} from {os.path.dirname(settled.__file__)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", _not_here(report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        report.outcome, report.longrepr = "failed", _not_here(report.longrepr)
    return report


def _not_here(skip: object) -> str:
    reason = skip[2] if isinstance(skip, tuple) else skip
    return f"{reason}\nNothing may be skipped in CI (CI=true): install what is missing there, or remove the test."


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    measured = sorted({value for report in reports for name, value in report.user_properties if name == MEASURED})
    if measured:
        terminalreporter.section("from fault to settled")
        for fault, outcome, seconds in measured:
            terminalreporter.line(f"{fault:<70} {outcome:<36} {seconds:6.2f} s")
