"""What holds for every test: where settled comes from is shown, and in CI nothing is skipped."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.metadata import version

import pytest

import settled

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
