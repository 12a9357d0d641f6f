"""The folder of a benchmark: settings, one file for each finished cell, and results."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.files import replacing, write_atomically
from nas_env.wrappers import Limits
from nas_env_cli.benchmark.cells import Cell
from nas_env_cli.benchmark.results import (
    SHARED,
    Row,
    check_settings,
    incumbents,
    table_of,
    writing_results,
)
from nas_env_cli.specs import AgentSpec, EnvSpec

EPISODES = 10  # maximum episodes of a run, as a multiple of its limit of queries
LOCK = ".lock"
REASON = b"reason"


@dataclass(frozen=True)
class Plan:
    """The cells and limits of a benchmark.

    Attributes:
        agents: The agents.
        envs: The environments.
        seeds: Seeds of every pair of agent and environment.
        limit: Unique networks of a run; None: only simulated seconds end it.
        simulated_seconds: Simulated seconds of a run; None: no limit.
        charge_repeats: Whether a repeated network costs a query and its seconds again.
        charge_isomorphs: Whether each walk to the same network costs a query.
        command: The command line, for the pages.
    """

    agents: tuple[AgentSpec, ...]
    envs: tuple[EnvSpec, ...]
    seeds: range
    limit: int | None = 300
    simulated_seconds: float | None = None
    charge_repeats: bool = False
    charge_isomorphs: bool = True
    command: str = ""

    def cells(self) -> list[Cell]:
        """Return every cell, seed by seed."""
        return [
            Cell(agent, env, seed)
            for seed in self.seeds
            for agent in self.agents
            for env in self.envs
        ]

    @property
    def limits(self) -> Limits:
        """The limits of a run, with at most ten times as many episodes as queries."""
        episodes = None if self.limit is None else EPISODES * self.limit
        return Limits(
            evaluations=self.limit,
            simulated_seconds=self.simulated_seconds,
            episodes=episodes,
            charge_repeats=self.charge_repeats,
            charge_isomorphs=self.charge_isomorphs,
        )

    def fixed(self) -> dict[str, Any]:
        """Return the settings that all cells of a folder share."""
        return {name: getattr(self, name) for name in SHARED}


class BenchmarkFolder:
    """A folder with `settings.json`, `cells/`, `results.parquet` and `best.parquet`.

    A later command may add agents, environments and seeds; finished cells stay.

    Args:
        path: The folder.

    Raises:
        InvalidSettingError: The path is a file.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_dir():
            raise InvalidSettingError(f"Output {path} is a file. Give a folder.")
        self.path = path

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of all commands so far, as plain data; empty for a new folder.

        Raises:
            InvalidDataError: The settings file is damaged.
        """
        file = self.path / "settings.json"
        try:
            data = json.loads(file.read_text("utf-8")) if file.is_file() else {}
            if not isinstance(data, dict):
                raise ValueError("not a JSON object")
            if data:
                check_settings(data)
        except ValueError as error:
            raise InvalidDataError(
                f"{file}: not the settings of a benchmark ({error}). Restore the file, or choose "
                "another --output."
            ) from None
        return data

    def begin(self, plan: Plan, versions: dict[str, str]) -> None:
        """Add a plan to the settings.

        Raises:
            InvalidSettingError: The plan contradicts the settings of this folder.
        """
        saved = self.settings
        here = {x.name for x in self.path.iterdir()} if self.path.is_dir() else set()
        if not saved and here - {LOCK}:
            raise InvalidSettingError(
                f"Output folder {self.path} is not empty and holds no benchmark. Choose another."
            )
        data = saved or {**plan.fixed(), "agents": {}, "envs": {}, "commands": []}
        for name, value in plan.fixed().items():
            self._same(name.replace("_", "-"), data[name], value)
        for env in plan.envs:
            entry = self._entry(data["envs"], env, f"*/{_name(env.label)}/*.parquet")
            requested = env.to_json()
            self._same(f"envs {env.label}", {name: entry[name] for name in requested}, requested)
            self._same_files(env, entry)
        for agent in plan.agents:
            entry = self._entry(data["agents"], agent, f"{_name(agent.label)}/*/*.parquet")
            for part, value in agent.to_json(plan.envs).items():
                self._enter(f"agents {agent.label}", entry, part, value)
        entry = {"command": plan.command, "seeds": [*plan.seeds], "versions": versions}
        before = [x for x in data["commands"] if {**x, "seconds": 0} == {**entry, "seconds": 0}]
        others = [x for x in data["commands"] if x not in before]
        data["commands"] = [*others, before[0] if before else {**entry, "seconds": 0}]
        (self.path / "cells").mkdir(parents=True, exist_ok=True)
        self._write("settings.json", json.dumps(data, indent=1))

    def note_seconds(self, seconds: float) -> None:
        """Add to the running time of the last command, which may have been interrupted before."""
        data = self.settings
        data["commands"][-1]["seconds"] += round(seconds)
        self._write("settings.json", json.dumps(data, indent=1))

    def _entry(self, entries: dict[str, Any], spec: AgentSpec | EnvSpec, finished: str) -> Any:
        """Return the entry of a label; a new entry if none of its runs is finished."""
        if spec.label not in entries or not any((self.path / "cells").glob(finished)):
            entries[spec.label] = spec.to_json()
        return entries[spec.label]

    def _enter(self, option: str, entry: dict[str, Any], part: str, value: Any) -> None:
        """Add a part of an agent's settings; merge stored hyper-parameters by environment."""
        if part == "stored":
            for env_id, stored in value.items():
                saved = entry[part].setdefault(env_id, stored)
                self._same(f"{option} (stored for {env_id})", saved, stored)
        else:
            self._same(option, entry[part], value)

    def _same_files(self, env: EnvSpec, entry: dict[str, Any]) -> None:
        """Add the hashes of an environment's files; raise if a file has changed."""
        for name, digest in env.files().items():
            if entry.setdefault("files", {}).setdefault(name, digest) != digest:
                raise InvalidSettingError(
                    f"File {env.settings[name]} of --envs {env.label} has changed since the "
                    f"benchmark in {self.path} was begun. Restore it, or choose another --output "
                    "or another label."
                )

    def _same(self, option: str, saved: Any, value: Any) -> None:
        if json.dumps(saved, sort_keys=True) != json.dumps(value, sort_keys=True):
            raise InvalidSettingError(
                f"The benchmark in {self.path} was begun with --{option} = {saved}, not {value}. "
                "Use the same value, another --output or another label."
            )

    def has(self, cell: Cell) -> bool:
        """Return whether a cell is finished."""
        return self._cell(cell).is_file()

    def write(self, cell: Cell, rows: Sequence[Row], reason: str) -> None:
        """Write the rows of a finished cell atomically."""
        path = self._cell(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = table_of(rows).replace_schema_metadata({REASON: reason.encode()})
        with replacing(path) as part:
            pq.write_table(table, part, compression="zstd")
        self.log(cell).unlink(missing_ok=True)

    def write_log(self, cell: Cell, text: str) -> None:
        """Write the traceback of a failed cell; it is deleted when the cell is finished."""
        path = self.log(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def log(self, cell: Cell) -> Path:
        """Return the path of the log of a failed cell."""
        return self._cell(cell).with_suffix(".log")

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows of every finished cell, in order of agent, environment and seed."""
        settings = self.settings
        for agent in settings["agents"]:
            for env in settings["envs"]:
                folder = self.path / "cells" / _name(agent) / _name(env)
                files = folder.glob("*.parquet")
                for file in sorted(files, key=lambda path: int(path.stem)):
                    yield pq.read_table(file).replace_schema_metadata()

    def paths(self, results: str = "results.parquet") -> tuple[Path, Path]:
        """Return the paths of the file of all rows and of the file of the best rows."""
        full = self.path / results
        return full, full.with_stem("best" if full.stem != "best" else "best-only")

    def merge(self, results: str = "results.parquet") -> None:
        """Write the file of all rows, and the file of the rows of `incumbents`."""
        full, best = self.paths(results)
        settings = self.settings
        with writing_results(full, settings) as rows, writing_results(best, settings) as rises:
            for table in self.tables():
                rows.write(table)
                rises.write(incumbents(table))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder while the block runs.

        Raises:
            InvalidSettingError: Another process uses the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("w") as file:
            try:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:  # not on Windows
                pass
            except OSError:
                raise InvalidSettingError(
                    f"Another benchmark is running in {self.path}. Wait for it, or choose another "
                    "--output."
                ) from None
            yield

    def _cell(self, cell: Cell) -> Path:
        return (
            self.path
            / "cells"
            / _name(cell.agent.label)
            / _name(cell.env.label)
            / f"{cell.seed}.parquet"
        )

    def _write(self, name: str, text: str) -> None:
        write_atomically(self.path / name, text)


def _name(label: str) -> str:
    """Return a label as a file name."""
    return quote(label, safe=" =+-_").replace(".", "%2E") or "%"
