"""A pytest plugin for CI: a test that skips itself fails there, for what it lacks should have been installed.

`pytest -p tests.no_skips` loads it. Elsewhere a skipped test says what to install, and the run goes on.
"""

from collections.abc import Generator

import pytest


def _refuse(report: pytest.CollectReport | pytest.TestReport) -> None:
    # A test that is expected to fail counts as skipped in pytest's books, too.
    if report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        words = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and here nothing may be: {words}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one."""
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a file that skips itself into a failed one."""
    report = yield
    _refuse(report)
    return report
