"""Results of an experiment as lines of JSON: what is missing is run, what is there is kept."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.runner import one_thread_each
from nas_env_cli.search.provenance import versions

J = TypeVar("J")
Line = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """A file of results.

    A call that runs anything begins with a line of how: command, settings, versions; then comes a
    line for each result. A line that was broken off does not count.

    Attributes:
        file: Path of the file.
        settings: What all results of the file have in common.

    Raises:
        InvalidSettingError: The file was begun with other settings.
    """

    file: Path
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        for how in self.made_by():
            if how["settings"] != dict(self.settings):
                raise InvalidSettingError(
                    f"{self.file} was begun with the settings {how['settings']}. Give those, or "
                    "remove it."
                )

    def made_by(self) -> list[Line]:
        """Return how the results were made, one entry for each call that ran anything."""
        return [line for line in self._lines() if "command" in line]

    def read(self) -> list[Line]:
        """Return the results."""
        return [line for line in self._lines() if "command" not in line]

    def run(
        self, jobs: Sequence[J], play: Callable[[J], Line], processes: int, command: str
    ) -> None:
        """Play the jobs and keep a line for each.

        Args:
            jobs: What is missing.
            play: Plays one, in a process of its own; can be pickled.
            processes: Jobs at once, with one thread each.
            command: The command line.
        """
        if not jobs:
            return
        self._append({"command": command, "settings": dict(self.settings), "versions": versions()})
        one_thread_each()
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for number, line in enumerate(pool.imap_unordered(play, jobs), start=1):
                self._append(line)
                print(f"{number}/{len(jobs)}: {line}", file=sys.stderr, flush=True)

    def how(self) -> dict[str, str]:
        """Return the commands and the versions of the last call, as text for a page."""
        hows = self.made_by()
        commands = dict.fromkeys(how["command"] for how in hows)
        found = hows[-1]["versions"]
        return {
            "command": "`, `".join(commands),
            "versions": ", ".join(f"{name} {value}" for name, value in found.items()),
        }

    def _append(self, line: Line) -> None:
        broken = self.file.is_file() and not self.file.read_bytes().endswith(b"\n")
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write("\n" * broken + json.dumps(line) + "\n")

    def _lines(self) -> list[Line]:
        found = []
        for line in self.file.read_text("utf-8").splitlines() if self.file.is_file() else []:
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return found
