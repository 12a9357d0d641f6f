"""Which methods are run with which seeds, and the file in which every finished run is a line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env_cli.search.provenance import versions
from scripts.studies.pareto.methods import NSGA2, Method, play
from scripts.studies.pareto.problem import DEVICES, problem

POPULATIONS = (6, 10, 20, 40)
KINDS, SIZES = ("targets", "weights"), (3, 5, 10)
CHEAP = ("local-search", "regularized-evolution", "reinforce", "q-learning")
DEAR = ("imagination", "maskable-ppo")  # their runs take long
FIRST_CHOOSING = 1000  # of the seeds that settings are chosen with
CURVE = 20  # points
OFTEN = 30.0  # seconds between two lines of progress


@dataclass(frozen=True)
class Run:
    """What one run reached.

    Attributes:
        part: "choose" or "report".
        method: Label of the method.
        device: The device.
        seed: Its seed.
        networks: Different cells that it evaluated.
        searched: Share of the greatest hypervolume of what is searched, at each point.
        reported: The same of what is reported.
        seconds: How long it took.
    """

    part: str
    method: str
    device: str
    seed: int
    networks: int
    searched: list[float]
    reported: list[float]
    seconds: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes it another run."""
        return self.part, self.method, self.device, self.seed


def marks_of(networks: int) -> list[int]:
    """Return the numbers of networks in the tables: an eighth, a quarter, half, all."""
    return sorted({max(1, networks // part) for part in (8, 4, 2, 1)})


def points_of(networks: int) -> list[int]:
    """Return the numbers of networks at which runs are judged."""
    curve = np.geomspace(min(10, networks), networks, CURVE)
    return sorted({*(round(x) for x in curve), *marks_of(networks)})


def run_once(part: str, method: Method, device: str, seed: int, networks: int) -> Run:
    """Play one run, and judge it at each point; where it ended earlier, by all that it has."""
    started = time.monotonic()
    found = problem(device)
    rows = found.rows(play(method, device, seed, networks))
    judged = [found.volumes(rows[:after]) for after in points_of(networks)]
    searched, reported = ([round(x[i], 6) for x in judged] for i in (0, 1))
    seconds = round(time.monotonic() - started, 2)
    return Run(part, method.label, device, seed, len(rows), searched, reported, seconds)


class Experiment:
    """All runs of one file.

    Args:
        path: The file, made where it is absent.
        networks: Different cells that a run evaluates.

    Raises:
        InvalidSettingError: The file was begun with another number of networks.
    """

    def __init__(self, path: Path, networks: int) -> None:
        self.path, self.networks = path, networks
        for how in self.made_by():
            if how["networks"] != networks:
                raise InvalidSettingError(
                    f"{path} holds runs of {how['networks']} networks, but --networks is "
                    f"{networks}. Give the same, or another --page."
                )

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what the lines hold; one that was broken off is left out."""
        for line in self.path.read_text("utf-8").splitlines() if self.path.is_file() else []:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def made_by(self) -> list[dict[str, Any]]:
        """Return the lines that say how the file was made."""
        return [line for line in self.lines() if "command" in line]

    def runs(self, part: str) -> list[Run]:
        """Return the runs of a part."""
        return [Run(**line) for line in self.lines() if line.get("part") == part]

    def play(self, jobs: Iterable[tuple[str, Method, int]], command: str) -> None:
        """Play the jobs that are not in the file on every device, and write how at the end."""
        done = {run.key for part in ("choose", "report") for run in self.runs(part)}
        missing = [
            (part, method, device, seed)
            for part, method, seed in jobs
            for device in DEVICES
            if (part, method.label, device, seed) not in done
        ]
        if not missing:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        started = shown = time.monotonic()
        try:
            with self.path.open("a", encoding="utf-8") as file:
                for number, job in enumerate(missing, start=1):
                    file.write(f"{json.dumps(asdict(run_once(*job, self.networks)))}\n")
                    file.flush()
                    if (now := time.monotonic()) - shown > OFTEN or number == len(missing):
                        shown = now
                        _show(job[0], number, len(missing), now - started)
        finally:  # also of what an interruption leaves
            self._note(missing, command, time.monotonic() - started)

    def _note(self, jobs: list[Any], command: str, seconds: float) -> None:
        methods = {method.label: method.to_json() for _, method, _, _ in jobs}
        seeds = sorted({seed for *_, seed in jobs})
        how = {"command": command, "part": "how", "networks": self.networks, "seeds": seeds}
        how |= {"methods": methods, "versions": _versions(), "seconds": round(seconds, 1)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(how)}\n")


@dataclass(frozen=True)
class Plan:
    """Which methods are chosen and reported.

    Attributes:
        agents: Agents that are scalarised.
        choosing: Seeds that settings are chosen with.
        seeds: Seeds that are reported.
    """

    agents: tuple[str, ...]
    choosing: int
    seeds: int

    def candidates(self) -> dict[str, list[Method]]:
        """Return the settings that are tried, by agent."""
        found = {NSGA2: [Method(f"{NSGA2}, {x} members", NSGA2, size=x) for x in POPULATIONS]}
        for agent in self.agents:
            if agent not in DEAR:
                found[agent] = [scalarised(agent, kind, size) for kind in KINDS for size in SIZES]
        return found

    def to_choose(self) -> Iterator[tuple[str, Method, int]]:
        """Yield the runs that settings are chosen by."""
        for seed in range(FIRST_CHOOSING, FIRST_CHOOSING + self.choosing):
            for methods in self.candidates().values():
                yield from (("choose", method, seed) for method in methods)

    def to_report(self, chosen: Mapping[str, Method]) -> Iterator[tuple[str, Method, int]]:
        """Yield the runs that are reported, seed by seed; those that take longest come last."""
        for dear in (False, True):
            for seed in range(self.seeds):
                for agent, method in chosen.items():
                    if (agent in DEAR) == dear:
                        yield "report", method, seed


def scalarised(agent: str, kind: str, size: int) -> Method:
    """Return an agent that has a portion of the networks for each of its objectives."""
    return Method(f"{agent}, {size} {kind}", agent, kind, size)


class Choice:
    """The setting of each method, by the mean hypervolume of what is searched at the end.

    Args:
        plan: What is tried.
        runs: The runs of the part "choose".

    Raises:
        InvalidDataError: There are no runs of a setting.
    """

    def __init__(self, plan: Plan, runs: list[Run]) -> None:
        self.plan = plan
        self.means: dict[str, float] = {}
        for method in (x for methods in plan.candidates().values() for x in methods):
            values = [run.searched[-1] for run in runs if run.method == method.label]
            if not values:
                raise InvalidDataError(
                    f"There are no runs of {method.label!r} to choose by. Run "
                    "python -m scripts.studies.pareto."
                )
            self.means[method.label] = fmean(values)

    @cached_property
    def chosen(self) -> dict[str, Method]:
        """The method of each agent, random search first.

        Agents whose runs take long have what is best in the mean of the others.
        """
        found = {"random": Method("random", "random")}
        for agent, methods in self.plan.candidates().items():
            found[agent] = max(methods, key=lambda x: self.means[x.label])
        for agent in self.plan.agents:
            if agent in DEAR:
                found[agent] = scalarised(agent, *self.common)
        return found

    @cached_property
    def common(self) -> tuple[str, int]:
        """The kind and size that are best in the mean of the agents that choose."""
        others = [x for x in self.plan.candidates() if x != NSGA2]
        if not others:
            return "weights", SIZES[0]

        def mean(setting: tuple[str, int]) -> float:
            return fmean(self.means[scalarised(agent, *setting).label] for agent in others)

        return max(((kind, size) for kind in KINDS for size in SIZES), key=mean)


def _show(part: str, number: int, total: int, seconds: float) -> None:
    left = seconds / number * (total - number) / 60
    text = f"{part}: {number}/{total} runs, about {left:.1f} minutes left"
    print(text, file=sys.stderr, flush=True)


def _versions() -> dict[str, str]:
    found = versions()
    try:
        return {**found, "pymoo": version("pymoo")}
    except PackageNotFoundError:
        return found
