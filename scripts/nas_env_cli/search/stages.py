"""The stages of a search command: portfolio, search, comparison, retraining."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from statistics import fmean

from nas_env.errors import InvalidSettingError
from nas_env.store import SQLStore
from nas_env.wrappers import Limits
from nas_env_cli.export.report_training import retrain_found
from nas_env_cli.export.retraining import Retrained
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.plan import SearchPlan
from nas_env_cli.search.portfolio import COMPARISON, Advice, advice_of, run_portfolio
from nas_env_cli.search.progress_bar import SearchProgress
from nas_env_cli.search.session import SearchResult, run_search
from nas_env_cli.search.summary import PORTFOLIO
from nas_env_cli.search.timetable import Timetable, duration
from nas_env_cli.specs import AgentSpec

LEAST_SECONDS = 0.1  # of a search
LAST = 1.5  # times the seconds of the best network, which remain for its retraining


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
            portfolio = run_portfolio(
                self.plan, self.folder, self.store, self.times.for_search(), self._after_search
            )
            trials = portfolio.trials if portfolio else []
            self._mean_seconds = fmean(x.evaluation.seconds for x in trials) if trials else 0.0
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

    def _search(self, agent: AgentSpec, portfolio: SearchResult | None) -> SearchResult:
        """Run the search of one agent with progress and event files."""
        plan, compared = self.plan, agent.name != self.plan.agent.name
        limits = self._limits(agent, portfolio)
        advice = Advice({}, 0, inf) if compared else advice_of(portfolio, limits)
        if advice.planned < COMPARISON:
            self.remarks.append(
                f"The limits allow about {advice.planned:.0f} networks: this is a comparison, not "
                "a search."
            )
            print(self.remarks[-1], flush=True)
        env = plan.make_env(agent, self.store)
        left = self._after_comparison if compared else self._after_search
        progress = SearchProgress(agent.name, remaining=left)
        common = limits, plan.seed, self.folder.tensorboard, progress, self.folder.token(agent.name)
        more = {"advise": advice.give, **agent.settings}
        try:
            if not plan.looks_up:
                result = run_search(agent.name, env, *common, **more)
            else:
                with closing(SQLStore(self.store)) as records:  # the environment has no store
                    result = run_search(agent.name, env, *common, store=records, **more)
        finally:
            progress.close()
            env.close()
        self.folder.write_agent(agent.name, result.agent)
        return result

    def _limits(self, agent: AgentSpec, portfolio: SearchResult | None) -> Limits:
        """Return the limits of a search: those of the plan, in the time that is left for it.

        A search that ended before an interruption is only repeated, with its number of networks.
        """
        limits, times = self.plan.limits, self.times
        if not times.limited:
            return limits
        if (count := self._finished(agent.name)) is not None:
            return replace(limits, evaluations=max(1, count), seconds=None)
        seconds = times.for_search()
        if agent.name != self.plan.agent.name:
            trials = portfolio.trials if portfolio else []
            slowest = max((x.evaluation.seconds for x in trials), default=0.0)
            seconds = min(times.for_comparison(), times.left - times.end - LAST * slowest)
        return replace(limits, seconds=max(seconds, LEAST_SECONDS))

    def _finished(self, name: str) -> int | None:
        """Return the number of networks of a search that ended before this command, or None."""
        if not self.plan.options.output.resume:
            return None
        token = self.folder.token(name)
        with closing(SQLStore(self.store)) as store:
            for search in store.searches():
                if search.info.token == token and search.reason not in (None, "interrupted"):
                    return sum(entry.new for entry in store.entries(search.id))
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
