"""Comparisons of agents: probabilities of improvement, and one sentence for each agent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from nas_env_cli.benchmark.runs import Numbers, Runs
from nas_env_cli.benchmark.statistics import REPEATS, Interval, improvement

BASELINES = {
    "random": "random search",
    "local-search": "local search",
    "regularized-evolution": "regularised evolution",
}
ENOUGH = 10  # runs that a verdict needs
BEATS, LOSES, LEVEL = "beats", "loses to", "is not distinguishable from"


class Baseline(NamedTuple):
    """An agent that all others are compared with: its label, and its name in sentences."""

    label: str
    words: str


def baselines(runs: Runs, agents: dict[str, Any]) -> list[Baseline]:
    """Return random search, local search and regularised evolution, if they were run.

    Args:
        runs: The runs.
        agents: Settings by label. If several labels have the same agent, the first one counts.
    """
    present = []
    for name, words in BASELINES.items():
        labels = [x for x in runs.agents if agents[x]["name"] == name]
        present += [Baseline(labels[0], words)] if labels else []
    return present


class Comparison:
    """Pairwise comparison of agents on each environment.

    Args:
        runs: The runs.
        repeats: Bootstrap samples of an interval.
    """

    def __init__(self, runs: Runs, repeats: int = REPEATS) -> None:
        self.runs = runs
        self.repeats = repeats
        self.improvement = cache(self._improvement)

    def final(self, agent: str, env: str, name: str = "score") -> Numbers:
        """Return (runs,) final numbers; higher is better.

        Args:
            agent: Label of the agent.
            env: Label of the environment.
            name: "score" or "report" at the limit, or "queries": the negative number of queries to
                the optimum; one more than the limit if the run did not find it.
        """
        if name != "queries":
            return self.runs.values(agent, env, name)
        cap = self.runs.limit + 1
        counts = self.runs.to_optimum(agent, env)
        return np.array([-float(cap if count is None else count) for count in counts])

    def _improvement(self, agent: str, baseline: str, env: str, name: str = "score") -> Interval:
        """Return the probability that a run of the agent ends better than a baseline run."""
        ours, theirs = self.final(agent, env, name), self.final(baseline, env, name)
        return improvement(ours, theirs, self.repeats)

    def verdict(self, agent: str, baseline: str, env: str, name: str = "score") -> str:
        """Return `BEATS` if the interval lies above 0.5, `LOSES` if below 0.5, else `LEVEL`.

        The result is `LEVEL` if either agent has fewer than `ENOUGH` runs, because the bootstrap
        of a few runs gives intervals that are too narrow.
        """
        if min(len(self.runs.of(x, env)) for x in (agent, baseline)) < ENOUGH:
            return LEVEL
        interval = self.improvement(agent, baseline, env, name)
        return BEATS if interval.low > 0.5 else LOSES if interval.high < 0.5 else LEVEL

    def sentence(self, agent: str, others: Sequence[Baseline], name: str = "score") -> str:
        """Return one sentence that compares the agent with each baseline on each environment."""
        parts = [
            self._clause(agent, baseline, name) for baseline in others if baseline.label != agent
        ]
        clauses = "; ".join(part for part in parts if part) or "has no baseline to compare with"
        return f"`{agent}` {clauses}."

    def _clause(self, agent: str, baseline: Baseline, name: str) -> str:
        envs = [
            env
            for env in self.runs.envs
            if self.runs.of(agent, env)
            and self.runs.of(baseline.label, env)
            and (name != "queries" or self.runs.known(env, "regret_reward"))
        ]
        verdicts = {env: self.verdict(agent, baseline.label, env, name) for env in envs}
        clauses = []
        for word in (BEATS, LOSES, LEVEL):
            where = [env for env in envs if verdicts[env] == word]
            on = "everywhere" if len(where) == len(envs) > 1 else f"on {', '.join(where)}"
            clauses += [f"{word} {baseline.words} {on}"] if where else []
        return ", ".join(clauses)
