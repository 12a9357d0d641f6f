"""The jobs of docs/pareto.md, the result of a run, and the choice of each method's setting."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np

from nas_env.errors import InvalidDataError
from scripts.studies.common.experiment import Experiment, Job
from scripts.studies.pareto.methods import NSGA2, Method, evaluated
from scripts.studies.pareto.problem import DEVICES, problem

POPULATIONS = (6, 10, 20, 40)
KINDS, SIZES = ("targets", "weights"), (3, 5, 10)
CHEAP = ("local-search", "regularized-evolution", "reinforce", "q-learning")
DEAR = ("imagination", "maskable-ppo")  # their runs take long
FIRST_CHOOSING = 1000  # of the seeds that settings are chosen with
CURVE = 20  # points


@dataclass(frozen=True)
class Run:
    """One run and its result.

    Attributes:
        part: "choose" or "report".
        method: Label of the method.
        device: The device.
        seed: Its seed.
        networks: Different cells that it evaluated.
        searched: Share of the maximum hypervolume of the searched objectives, at each point.
        reported: The same for the reported objectives.
        seconds: Wall time.
    """

    part: str
    method: str
    device: str
    seed: int
    networks: int
    searched: list[float]
    reported: list[float]
    seconds: float


def marks_of(networks: int) -> list[int]:
    """Return the numbers of networks in the tables: an eighth, a quarter, half, all."""
    return sorted({max(1, networks // part) for part in (8, 4, 2, 1)})


def points_of(networks: int) -> list[int]:
    """Return the numbers of networks at which runs are judged."""
    curve = np.geomspace(min(10, networks), networks, CURVE)
    return sorted({*(round(x) for x in curve), *marks_of(networks)})


def play(networks: int, job: Job) -> dict[str, Any]:
    """Play one run and compute its hypervolumes at each point."""
    started = time.monotonic()
    device_problem = problem(job["device"])
    method = Method(job["agent"], job["kind"], job["size"])
    rows = device_problem.rows(evaluated(method, job["device"], job["seed"], networks))
    judged = [device_problem.volumes(rows[:after]) for after in points_of(networks)]
    searched, reported = ([round(x[i], 6) for x in judged] for i in (0, 1))
    seconds = round(time.monotonic() - started, 2)
    numbers = {"networks": len(rows), "searched": searched, "reported": reported}
    return {**numbers, "seconds": seconds}


def runs_of(experiment: Experiment, part: str) -> list[Run]:
    """Return the finished runs of a part."""
    return [
        Run(
            part,
            Method(job["agent"], job["kind"], job["size"]).label,
            job["device"],
            job["seed"],
            **result,
        )
        for job, result in experiment.results()
        if job["part"] == part
    ]


@dataclass(frozen=True)
class Plan:
    """The methods to choose and to report.

    Attributes:
        agents: Scalarised agents.
        choosing: Number of seeds for the choice of settings.
        seeds: Number of reported seeds.
    """

    agents: tuple[str, ...]
    choosing: int
    seeds: int

    def candidates(self) -> dict[str, list[Method]]:
        """Return the compared settings, by agent."""
        methods = {NSGA2: [Method(NSGA2, size=x) for x in POPULATIONS]}
        for agent in self.agents:
            if agent not in DEAR:
                methods[agent] = [Method(agent, kind, size) for kind in KINDS for size in SIZES]
        return methods

    def to_choose(self) -> list[Job]:
        """Return the runs for the choice of settings."""
        return [
            job
            for seed in range(FIRST_CHOOSING, FIRST_CHOOSING + self.choosing)
            for methods in self.candidates().values()
            for method in methods
            for job in _jobs("choose", method, seed)
        ]

    def to_report(self, chosen: Mapping[str, Method]) -> list[Job]:
        """Return the reported runs, seed by seed; slow agents come last."""
        return [
            job
            for dear in (False, True)
            for seed in range(self.seeds)
            for agent, method in chosen.items()
            if (agent in DEAR) == dear
            for job in _jobs("report", method, seed)
        ]


def _jobs(part: str, method: Method, seed: int) -> Iterator[Job]:
    settings = {"agent": method.agent, "kind": method.kind, "size": method.size}
    for device in DEVICES:
        yield {"part": part, **settings, "device": device, "seed": seed}


class Choice:
    """The setting of each method, by the mean final hypervolume of the searched objectives.

    Args:
        plan: The methods.
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
                    f"The results have no runs of {method.label!r}. Run "
                    "python -m scripts.studies pareto."
                )
            self.means[method.label] = fmean(values)

    @cached_property
    def chosen(self) -> dict[str, Method]:
        """The method of each agent, random search first.

        Slow agents use the setting that is best in the mean of the others.
        """
        selected = {"random": Method("random")}
        for agent, methods in self.plan.candidates().items():
            selected[agent] = max(methods, key=lambda x: self.means[x.label])
        for agent in self.plan.agents:
            if agent in DEAR:
                selected[agent] = Method(agent, *self.common)
        return selected

    @cached_property
    def common(self) -> tuple[str, int]:
        """The kind and size that are best in the mean over the other agents."""
        others = [x for x in self.plan.candidates() if x != NSGA2]
        if not others:
            return "weights", SIZES[0]

        def mean(setting: tuple[str, int]) -> float:
            return fmean(self.means[Method(agent, *setting).label] for agent in others)

        return max(((kind, size) for kind in KINDS for size in SIZES), key=mean)
