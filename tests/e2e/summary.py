"""Figures that tests found out are printed at the end of the run, whichever process ran the test."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print every recorded property."""
    reports = [one for outcome in ("passed", "failed") for one in terminalreporter.getreports(outcome)]
    for report in reports:
        for _, text in report.user_properties:
            terminalreporter.section(report.nodeid.rpartition("::")[2])
            terminalreporter.line(str(text))
