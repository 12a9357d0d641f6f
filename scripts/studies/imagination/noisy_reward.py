"""Search by a single noisy training, evaluated on the other trainings.

On NAS-Bench-Macro every network was trained three times. The reward is one of the three, drawn for
each network and seed. Results are the mean of the other two, because the mean of all three would
include the training used for selection.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed

import nas_env  # noqa: F401 - registers the environments
from nas_env.wrappers import Limits, TrackSearch
from nas_env_cli.specs import AgentSpec, EnvSpec
from scripts.studies.common.experiment import Experiment, Job
from scripts.studies.imagination.benchmarks import EVOLUTION, REINFORCE

ENV = "macro=NASBenchMacro-v0:run=random"
AFTER = (50, 100, 200)  # queries at which runs are judged
SEEDS = 100
AGENTS = (
    "imagination=imagination:noisy=true",
    "random",
    "local-search",
    EVOLUTION,
    REINFORCE,
)


class Pick(NamedTuple):
    """The network that one run would answer after a number of queries.

    Attributes:
        agent: Label of the agent.
        seed: Its seed.
        queries: Unique networks so far.
        rule: "reward": the best reward so far; "posterior": the agent's own answer.
        accuracy: Mean test accuracy of the pick's other two trainings.
        reached: Unique networks of the run. Fewer than `queries` if the run used up its episodes
            with repeated networks; then this is its last pick.
    """

    agent: str
    seed: int
    queries: int
    rule: str
    accuracy: float
    reached: int


class Picks(BaseCallback):
    """Records the answers of a run after each number of queries, and ends it at the last."""

    def __init__(self, tracker: TrackSearch, label: str, seed: int) -> None:
        super().__init__()
        self.tracker, self.label, self.seed = tracker, label, seed
        self.picks: list[Pick] = []
        self.reports: dict[Any, float] = {}
        self._seen = 0

    def _on_step(self) -> bool:
        self._take_in()
        done = {pick.queries for pick in self.picks}
        if self.tracker.evaluations in set(AFTER) - done:
            self._note(self.tracker.evaluations)
        return self.tracker.evaluations < AFTER[-1] and self.tracker.finished is None

    def finish(self) -> list[Pick]:
        """Return the picks; for numbers that the run did not reach, the final pick."""
        for queries in AFTER:
            if queries not in {pick.queries for pick in self.picks}:
                self._note(queries)
        return self.picks

    def _take_in(self) -> None:
        for trial in self.tracker.trials[self._seen :]:
            self.reports[trial.walk] = float(trial.evaluation.metrics["report"])
        self._seen = len(self.tracker.trials)

    def _note(self, queries: int) -> None:
        """Record the present answers."""
        assert self.tracker.best is not None
        walks = {"reward": self.tracker.best.walk}
        if (answer := getattr(self.model, "answer", None)) is not None:
            walks["posterior"] = answer()
        reached = min(self.tracker.evaluations, queries)
        for rule, walk in walks.items():
            accuracy = self.reports[walk]
            self.picks.append(Pick(self.label, self.seed, queries, rule, accuracy, reached))


def play(job: Job) -> list[dict[str, Any]]:
    """Return the picks of an agent with a seed, as plain values."""
    return [
        {name: value for name, value in pick._asdict().items() if name not in ("agent", "seed")}
        for pick in picks_of_run(job["agent"], job["seed"])
    ]


def picks_of_run(agent: str, seed: int) -> list[Pick]:
    """Run an agent with a seed and return its picks."""
    spec = AgentSpec.parse(agent)
    environment = EnvSpec.parse(ENV)
    env: gymnasium.Env[Any, Any] = environment.make(spec.observation(environment))
    set_random_seed(seed)
    env.reset(seed=seed)
    tracker = TrackSearch(env, Limits(evaluations=AFTER[-1], episodes=10 * AFTER[-1]))
    picks = Picks(tracker, spec.label, seed)
    spec.make(tracker, seed).learn(10**6, picks)
    return picks.finish()


def experiment_of(file: Path) -> Experiment:
    """Return the experiment of a file of picks, or raise if it had other agents."""
    agents = {spec.label: spec.settings for spec in map(AgentSpec.parse, AGENTS)}
    return Experiment(file, {"agents": agents})


def jobs(seeds: Iterable[int]) -> list[Job]:
    """Return a run of every agent with every seed."""
    return [{"agent": agent, "seed": seed} for seed in seeds for agent in AGENTS]


def all_picks(experiment: Experiment) -> list[Pick]:
    """Return all picks."""
    return [
        Pick(agent=AgentSpec.parse(job["agent"]).label, seed=job["seed"], **pick)
        for job, result in experiment.results()
        for pick in result
    ]
