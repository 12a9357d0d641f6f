"""The stages of a search command: portfolio, search, comparison, retraining."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import NamedTuple

from nas_env.errors import InvalidSettingError
from nas_env.store import SQLStore
from nas_env.wrappers import Limits
from nas_env_cli.export.report_training import retrain_found
from nas_env_cli.export.retraining import Retrained
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.plan import PORTFOLIO, SearchPlan
from nas_env_cli.search.portfolio import (
    COMPARISON,
    Advice,
    advice_of,
    run_portfolio,
    usual_seconds,
)
from nas_env_cli.search.progress_bar import SearchProgress
from nas_env_cli.search.session import SearchResult, run_search
from nas_env_cli.search.timetable import Timetable, duration
from nas_env_cli.specs import AgentSpec

LEAST_SECONDS = 0.1  # of a search
LAST = 1.5  # times the seconds of the best network, which remain for its retraining


class Earlier(NamedTuple):
    """A search that an interrupted command began.

    Attributes:
        limits: Its limits.
        networks: Number of its new networks.
        over: Whether it ended.
    """

    limits: Limits
    networks: int
    over: bool


@dataclass
class Stages:
    """Runs the stages of a plan one after another, within its time limit.

    Attributes:
        plan: The search.
        folder: Its folder.
        store: Store of the evaluations.
        times: How the time limit is divided.
        remarks: What the user should know about the search, one sentence each.
    """

    plan: SearchPlan
    folder: RunFolder
    store: str | Path
    times: Timetable
    remarks: list[str] = field(default_factory=list)
    _mean_seconds: float = 0.0  # of a training

    def searches(self) -> dict[str, SearchResult]:
        """Run portfolio, agent and random search, and return those that evaluated a network.

        Raises:
            InvalidSettingError: The time limit ended before the first network was trained.
        """
        portfolio = None
        if self.plan.trains:
            portfolio = self._portfolio()
            trials = portfolio.trials if portfolio else []
            self._mean_seconds = usual_seconds(trials) if trials else 0.0
            self.times.write(self.folder.path)
        results: dict[str, SearchResult] = {}
        for agent in self.plan.agents:
            results[agent.name] = self._search(agent, portfolio)
            if agent.name == self.plan.agent.name and portfolio is not None:
                results[PORTFOLIO] = portfolio
        empty = [name for name, result in results.items() if not result.trials]
        if len(empty) == len(results):
            raise InvalidSettingError(
                f"The time limit of {duration(self.times.seconds or 0)} ended before the first "
                "network was trained. Raise it."
            )
        self.remarks += [f"There was no time for a network of {name}." for name in empty]
        return {name: x for name, x in results.items() if name not in empty}

    def retraining(self, results: Mapping[str, SearchResult]) -> list[Retrained]:
        """Retrain the best network of each search; there may be none if the time is up."""
        seconds = self.times.for_retraining() if self.times.limited else inf
        retrained = retrain_found(self.plan, results, self.store, seconds, self._after_retraining)
        seeds = len(retrained[0].scores) if retrained else 0
        if seeds < len(self.plan.retraining_seeds):
            self.remarks.append(
                f"There was time to retrain with {seeds} of {len(self.plan.retraining_seeds)} "
                "seeds."
            )
        return retrained

    def _portfolio(self) -> SearchResult | None:
        """Evaluate the reference networks, or repeat them from the store."""
        earlier, seconds = self._earlier(PORTFOLIO), self.times.for_search()
        over = earlier is not None and earlier.over
        most = earlier.networks if earlier is not None and over else None
        if over:
            seconds = self.times.seconds or inf
        with self.times.paused(over):
            return run_portfolio(
                self.plan, self.folder, self.store, seconds, self._after_search, most
            )

    def _search(self, agent: AgentSpec, portfolio: SearchResult | None) -> SearchResult:
        """Run the search of one agent with progress and event files."""
        plan, compared = self.plan, agent.name != self.plan.agent.name
        earlier = self._earlier(agent.name)
        limits = self._limits(agent, portfolio, earlier)
        begun_with = earlier.limits if earlier else limits
        advice = Advice({}, None, inf) if compared else advice_of(portfolio, begun_with)
        if advice.planned < COMPARISON:
            count = round(advice.planned)
            self.remarks.append(
                f"The limits allow about {count} network{'s' * (count != 1)}: this is a "
                "comparison, not a search."
            )
            print(self.remarks[-1], flush=True)
        env = plan.make_env(agent, self.store)
        left = self._after_comparison if compared else self._after_search
        progress = SearchProgress(agent.name, remaining=left)
        common = limits, plan.seed, self.folder.tensorboard, progress, self.folder.token(agent.name)
        more = {"advise": advice.give, **agent.settings}
        try:
            with self.times.paused(earlier is not None and earlier.over):
                if not plan.looks_up:
                    result = run_search(agent.name, env, *common, **more)
                else:
                    with closing(SQLStore(self.store)) as records:  # the environment has no store
                        result = run_search(agent.name, env, *common, store=records, **more)
        finally:
            progress.close()
            env.close()
        self.folder.write_agent(agent.name, result.agent)
        self.times.write(self.folder.path)
        return result

    def _limits(
        self, agent: AgentSpec, portfolio: SearchResult | None, earlier: Earlier | None
    ) -> Limits:
        """Return the limits of a search: those of the plan, in the time that is left for it.

        A search that ended before an interruption is only repeated, with its number of networks.
        Time remains to retrain a network as slow as the slowest of the portfolio.
        """
        limits, times = self.plan.limits, self.times
        if not times.limited:
            return limits
        if earlier is not None and earlier.over:
            seconds = times.seconds if earlier.networks else LEAST_SECONDS
            return replace(limits, evaluations=max(1, earlier.networks), seconds=seconds)
        compared = agent.name != self.plan.agent.name
        trials = portfolio.trials if portfolio else []
        slowest = max((x.evaluation.seconds for x in trials), default=0.0)
        seconds = times.for_comparison() if compared else times.for_search()
        seconds = min(seconds, times.left - times.end - LAST * slowest)
        return replace(limits, seconds=max(seconds, LEAST_SECONDS))

    def _earlier(self, name: str) -> Earlier | None:
        """Return a search of this folder as an interrupted command with a time limit left it."""
        if not (self.plan.options.output.resume and self.times.limited):
            return None
        token = self.folder.token(name)
        with closing(SQLStore(self.store)) as store:
            for search in store.searches():
                if search.info.token == token:
                    limits = Limits(**search.info.environment["limits"])
                    networks = sum(entry.new for entry in store.entries(search.id))
                    over = search.reason not in (None, "interrupted")
                    return Earlier(limits, networks, over)
        return None

    def _after_search(self, seconds: float) -> float:
        """Return the seconds left of the command if the search needs `seconds` more."""
        if self.times.limited:
            return self.times.left
        return seconds * len(self.plan.agents) + self._retraining_seconds()

    def _after_comparison(self, seconds: float) -> float:
        return self.times.left if self.times.limited else seconds + self._retraining_seconds()

    def _after_retraining(self, seconds: float) -> float:
        return min(seconds + self.times.end, self.times.left)

    def _retraining_seconds(self) -> float:
        """Return about how long the retraining takes, from the portfolio's networks."""
        return self._mean_seconds * len(self.plan.retraining_seeds) * (len(self.plan.agents) + 1)
