"""Slow tests: those that `slow_tests.txt` lists are marked `slow`, and `make test` leaves out.

The list is measured, on an idle machine, by `make slow-tests`: it has what takes longer than
`--note-slow` seconds. A test most of whose cases are slow is listed whole, without a case. What is
marked `always` is never slow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

LIST = Path(__file__).parents[1] / "slow_tests.txt"
HEAD = "# Tests that `make test` leaves out; measured and written by `make slow-tests`.\n"
STALE = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the list."""
    text = "write tests/slow_tests.txt: tests that take longer than so many seconds"
    parser.addoption("--note-slow", type=float, metavar="SECONDS", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Take the times of all tests where the list is to be written."""
    limit = config.getoption("--note-slow")
    if limit is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch(limit))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is listed, and note what is listed but not there."""
    listed = read(LIST)
    for item in items:
        always = item.get_closest_marker("always") is not None
        if not always and listed & {item.nodeid, whole(item.nodeid)}:
            item.add_marker("slow")
    there = {name for item in items for name in (item.nodeid, whole(item.nodeid))}
    everything = config.args == config.getini("testpaths")
    config.stash[STALE] = sorted(listed - there) if everything else []


@pytest.fixture
def stale_slow_tests(request: pytest.FixtureRequest) -> list[str]:
    """Return what the list names and nobody has; nothing where not all tests were collected."""
    return request.config.stash[STALE]


class Stopwatch:
    """Adds up how long each test took, and writes the list at the end.

    Args:
        limit: Seconds from which a test is slow.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of a part of a test: setting up, running, tearing down."""
        if "always" not in report.keywords:
            self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write the list."""
        LIST.write_text(HEAD + "".join(f"{x}\n" for x in slow(self.seconds, self.limit)), "utf-8")


def slow(seconds: dict[str, float], limit: float) -> list[str]:
    """Return the slow tests, or cases of tests, sorted.

    Example:
        >>> slow({"t.py::a[1]": 0.1, "t.py::a[2]": 0.1, "t.py::a[3]": 2, "t.py::b[1]": 2}, 1)
        ['t.py::a[3]', 't.py::b']
    """
    cases: dict[str, list[str]] = defaultdict(list)
    for name in seconds:
        cases[whole(name)].append(name)
    found: list[str] = []
    for test, names in cases.items():
        over = [name for name in names if seconds[name] > limit]
        found += [test] if 2 * len(over) > len(names) else over
    return sorted(found)


def whole(name: str) -> str:
    """Return the name of a test without its case."""
    return name.partition("[")[0]


def read(path: Path) -> set[str]:
    """Return the lines of the list but comments."""
    lines: Iterable[str] = path.read_text("utf-8").splitlines() if path.is_file() else ()
    return {line for line in lines if line and not line.startswith("#")}
