"""What all tests share: which of them run in one process, and figures that are told at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("kadr", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("kadr")

SHARED = {"shared_kadr": "shared home", "up": "service"}
"""Fixtures of a whole session that are dear to make, and what the tests that use them are called together."""
TOLD = "told"
Tell = Callable[[str], None]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file go to one process of ``pytest -n``, and so do all that share a home: what they share is made once."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        shared = next((group for fixture, group in SHARED.items() if fixture in names), str(item.path))
        item.add_marker(pytest.mark.xdist_group(shared))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Groups that are not heeded would make everything shared twice, which only the clock would tell."""
    heeded = all("@" in item.nodeid for item in session.items)
    if session.config.getoption("loadgroup", default=False) and not heeded:
        pytest.exit("pytest-xdist does not group tests with this version of pytest", returncode=3)


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Says a figure that a person wants to see of a test that passes, after all tests."""
    return lambda text: record_property(TOLD, f"{request.path.stem}: {text}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, text in report.user_properties
        if name == TOLD
    ]
    if told:
        terminalreporter.section("told by tests")
        for text in told:
            terminalreporter.write_line(text)
