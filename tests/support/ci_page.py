"""Writes `tests/slow_tests.txt` and `docs/ci.md` from the measured times of the tests.

Run `make slow-tests` on an idle machine. Some tests alone: `pytest --note-times FILE PATHS`, then
`python -m tests.support.ci_page FILE`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from tests.support.paths import ROOT
from tests.support.slow_tests import LIST, PROCESSOR, read, slow, whole

PAGE = ROOT / "docs" / "ci.md"
LIMIT = 0.3  # seconds from which a test is slow
SLOWEST = 25
HEAD = "# Tests that `make test` leaves out; measured and written by `make slow-tests`.\n"
TEMPLATE = Template("""# Time of the tests

`.ci/run` runs the short search of the README, installs everything, checks style and types, and runs
the tests in two parts: the quick ones (`make test`) and the slow ones (`make test-slow`).
Slow tests take longer than $limit s each. The aims on 2 cores are less than 4 minutes for
`make test` and less than 40 minutes for `.ci/run`.

This page is written by `$command`. $note

Seconds are summed over tests; two workers need about half of them. Processor seconds include the
processes that a test starts. They depend less on the load of the machine.

| part | tests | seconds | processor seconds |
| --- | ---: | ---: | ---: |
$parts

## By folder

| folder | quick tests | seconds | slow tests | seconds | processor seconds, all |
| --- | ---: | ---: | ---: | ---: | ---: |
$folders

## The slowest tests

Each row sums over all cases of a test.

| test | cases | seconds | processor seconds |
| --- | ---: | ---: | ---: |
$slowest
""")


class Total(NamedTuple):
    """Times of several tests together."""

    tests: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    def plus(self, times: Mapping[str, float]) -> Total:
        """Return the total with one more test."""
        seconds, processor = times["seconds"], times.get(PROCESSOR, 0.0)
        return Total(self.tests + 1, self.seconds + seconds, self.processor + processor)


Times = Mapping[str, Mapping[str, float]]


def listed(times: Times, limit: float = LIMIT) -> list[str]:
    """Return the lines of the list of slow tests."""
    return slow({name: x["seconds"] for name, x in times.items() if not x["always"]}, limit)


def page(times: Times, slow_names: set[str], command: str, note: str) -> str:
    """Return the text of the page.

    Args:
        times: Of each test, as `--note-times` writes them.
        slow_names: The list of slow tests.
        command: What measures.
        note: On which machine, and what was measured.
    """
    parts: dict[bool, Total] = defaultdict(Total)
    folders: dict[str, dict[bool, Total]] = defaultdict(lambda: defaultdict(Total))
    tests: dict[str, Total] = defaultdict(Total)
    for name, measured in times.items():
        is_slow = not measured["always"] and bool(slow_names & {name, whole(name)})
        folder = str(Path(name.partition("::")[0]).parent)
        parts[is_slow] = parts[is_slow].plus(measured)
        folders[folder][is_slow] = folders[folder][is_slow].plus(measured)
        tests[whole(name)] = tests[whole(name)].plus(measured)
    names = {False: "quick, `make test`", True: "slow, `make test-slow`"}
    slowest = sorted(tests.items(), key=lambda x: (-x[1].seconds, x[0]))[:SLOWEST]
    return TEMPLATE.substitute(
        limit=LIMIT,
        command=command,
        note=note,
        parts=rows([names[x], *parts[x][:1], *rounded(parts[x])] for x in (False, True)),
        folders=rows(folder_row(name, folders[name]) for name in sorted(folders)),
        slowest=rows([f"`{name}`", total.tests, *rounded(total)] for name, total in slowest),
    )


def folder_row(name: str, parts: Mapping[bool, Total]) -> list[object]:
    """Return the cells of a folder's row."""
    quick, slow_ = (parts.get(x, Total()) for x in (False, True))
    processor = round(quick.processor + slow_.processor)
    seconds = [round(x.seconds) for x in (quick, slow_)]
    return [f"`{name}`", quick.tests, seconds[0], slow_.tests, seconds[1], processor]


def rounded(total: Total) -> list[int]:
    """Return seconds and processor seconds as whole numbers."""
    return [round(total.seconds), round(total.processor)]


def rows(cells: Iterable[Iterable[object]]) -> str:
    """Return rows of a table in Markdown."""
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in cells)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("times", type=Path, help="the file that --note-times wrote")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page")
    parser.add_argument("--keep-list", action="store_true", help="write the page alone")
    parser.add_argument("--command", default="make slow-tests", help="what measured")
    parser.add_argument("--note", default=f"On a machine with {os.cpu_count()} cores.")
    options = parser.parse_args(arguments)
    times = json.loads(options.times.read_text("utf-8"))
    if not options.keep_list:
        LIST.write_text(HEAD + "".join(f"{name}\n" for name in listed(times)), "utf-8")
    text = page(times, read(LIST), options.command, options.note)
    options.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
