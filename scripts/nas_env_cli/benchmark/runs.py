"""Runs as step functions: the best network after any number of queries or evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env_cli.benchmark.results import incumbents, run_starts

Numbers = NDArray[np.float64]
QUANTITIES = ("score", "report", "regret_reward", "regret_report")


@dataclass(frozen=True)
class Run:
    """The n networks of one run that were the best when they were found.

    Attributes:
        seed: Its seed.
        query: (n,) unique networks up to and including each one.
        trial: (n,) evaluations up to and including each one, repeats included.
        episode: (n,) episodes up to and including each one.
        values: (n,) score, report and regrets, by name.
        walks: (n,) walks.
        queries: Unique networks of the whole run.
        trials: Evaluations of the whole run, repeats included.
        episodes: Episodes of the whole run.
    """

    seed: int
    query: NDArray[np.int64]
    trial: NDArray[np.int64]
    episode: NDArray[np.int64]
    values: dict[str, Numbers]
    walks: tuple[str, ...]
    queries: int
    trials: int
    episodes: int

    def at(self, name: str, after: Any, by: str = "query") -> Any:
        """Return a quantity of the best network after a number of queries or evaluations.

        Args:
            name: "score", "report", "regret_reward" or "regret_report".
            after: The number, or an array of numbers.
            by: "query": repeats are free; "trial": repeats are charged.
        """
        index = np.searchsorted(getattr(self, by), after, side="right") - 1
        return np.where(index < 0, np.nan, self.values[name][np.maximum(index, 0)])

    def to_optimum(self, cap: int, by: str = "query") -> int | None:
        """Return the queries or evaluations to the optimum; None if it was not found."""
        best = np.flatnonzero(self.values["regret_reward"] == 0)
        count = int(getattr(self, by)[best[0]]) if len(best) else cap + 1
        return count if count <= cap else None


class Runs:
    """All runs of a results table, by agent and environment, in the order of the table.

    Args:
        table: Rows of a results file: all rows, or those of `incumbents`.
        limit: Queries of a run.

    Raises:
        InvalidDataError: There are no rows.
    """

    def __init__(self, table: pa.Table, limit: int) -> None:
        if not len(table):
            raise InvalidDataError("There are no results. Run nas-env benchmark first.")
        self.limit = limit
        self._runs: dict[tuple[str, str], list[Run]] = {}
        rows = incumbents(table)
        starts = np.append(run_starts(rows), len(rows))
        for start, end in pairwise(starts):
            part = rows.slice(start, end - start)
            key = (part["agent"][0].as_py(), part["env"][0].as_py())
            self._runs.setdefault(key, []).append(_run(part))
        for runs in self._runs.values():
            runs.sort(key=lambda run: run.seed)
        self.agents = list(dict.fromkeys(agent for agent, _ in self._runs))
        self.envs = list(dict.fromkeys(env for _, env in self._runs))

    def of(self, agent: str, env: str) -> list[Run]:
        """Return the runs of a pair, sorted by seed; empty if it was not run."""
        return self._runs.get((agent, env), [])

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs of agent and environment that were run."""
        yield from self._runs

    def values(self, agent: str, env: str, name: str, by: str = "query") -> Numbers:
        """Return (runs,) a quantity of the best network at the limit."""
        return np.array([float(run.at(name, self.limit, by)) for run in self.of(agent, env)])

    def curves(self, agent: str, env: str, name: str, after: Sequence[int]) -> Numbers:
        """Return (runs, len(after)) a quantity of the best network after each number of queries."""
        return np.array([run.at(name, np.asarray(after)) for run in self.of(agent, env)])

    def known(self, env: str, name: str) -> bool:
        """Return whether an environment reports a quantity."""
        runs = [run for (_, of), group in self._runs.items() if of == env for run in group]
        return any(np.isfinite(run.values[name]).any() for run in runs)

    def fractions(self, env: str) -> bool:
        """Return whether all scores and reports of an environment lie in [0, 1]."""
        runs = [run for (_, of), group in self._runs.items() if of == env for run in group]
        values = np.concatenate([run.values[x] for run in runs for x in ("score", "report")])
        values = values[np.isfinite(values)]
        return bool(((values >= 0) & (values <= 1)).all())

    def to_optimum(self, agent: str, env: str, by: str = "query") -> list[int | None]:
        """Return (runs,) queries or evaluations to the optimum; None if it was not found."""
        return [run.to_optimum(self.limit, by) for run in self.of(agent, env)]


def _run(part: pa.Table) -> Run:
    """Return the run in the rows of one run; the last row need not be a new best network."""
    scores = part["score"].to_numpy()
    best = np.flatnonzero(np.diff(np.maximum.accumulate(scores), prepend=-np.inf) > 0)
    query, trial, episode = (part[x].to_numpy() for x in ("query", "trial", "episode"))
    return Run(
        seed=part["seed"][0].as_py(),
        query=query[best],
        trial=trial[best],
        episode=episode[best],
        values={name: part[name].to_numpy()[best] for name in QUANTITIES},
        walks=tuple(part["walk"].to_numpy()[best]),
        queries=int(query[-1]),
        trials=int(trial[-1]),
        episodes=int(episode[-1]),
    )
