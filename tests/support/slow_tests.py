"""Slow tests: those that `slow_tests.txt` lists are marked `slow`, and `make test` leaves out.

`make slow-tests` measures all tests and writes the list (see `ci_page`). A test that is marked
`always` is never slow.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import SPENT

LIST = Path(__file__).parents[1] / "slow_tests.txt"
STALE = pytest.StashKey[list[str]]()
BEGUN = pytest.StashKey[float]()
PROCESSOR = "processor_seconds"  # the name of a property of a test's last report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the times."""
    text = "write the times of all tests that run to a JSON file; times of other tests in it stay"
    parser.addoption("--note-times", type=Path, metavar="FILE", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Take the times of all tests if they are asked for."""
    path = config.getoption("--note-times")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch(path))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests on the list, and note those on it that do not exist."""
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
    """Return the tests on the list that do not exist; none if only some tests were collected."""
    return request.config.stash[STALE]


def processor_seconds() -> float:
    """Return the processor time of this process, and of its processes and programs that ended."""
    times = os.times()
    own, children = times.user + times.system, times.children_user + times.children_system
    return own + children + sum(SPENT)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note the processor time before a test."""
    item.stash[BEGUN] = processor_seconds()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Put the processor time of a test into its last report."""
    if call.when == "teardown" and BEGUN in item.stash:
        item.user_properties.append((PROCESSOR, processor_seconds() - item.stash[BEGUN]))
    return (yield)  # type: ignore[misc]


class Stopwatch:
    """Adds up how long each test takes, and writes the times at the end.

    Args:
        path: A JSON file: name of a test to {"seconds", "processor_seconds", "always"}.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times: dict[str, dict[str, float]] = defaultdict(lambda: {"seconds": 0.0})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of a part of a test: setting up, running, tearing down."""
        times = self.times[report.nodeid]
        times["seconds"] += report.duration
        times["always"] = "always" in report.keywords
        times |= {x: y for x, y in report.user_properties if x == PROCESSOR}  # type: ignore[misc]

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        before = json.loads(self.path.read_text("utf-8")) if self.path.is_file() else {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(before | self.times, indent=0, sort_keys=True), "utf-8")


def slow(seconds: dict[str, float], limit: float) -> list[str]:
    """Return the slow tests, or cases of tests, sorted.

    A test most of whose cases are slow is named whole, without a case.

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
