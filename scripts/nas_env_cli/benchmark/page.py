"""The leaderboard page (`docs/leaderboard.md`) and its figures, generated from a results file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nas_env.errors import InvalidDataError
from nas_env_cli.benchmark.compare import BASELINES, ENOUGH, Baseline, Comparison, baselines
from nas_env_cli.benchmark.figures import draw_curves, draw_profiles, save_svg
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.benchmark.statistics import REPEATS, Interval, ToOptimum, iqm

TITLE = "Leaderboard"
BY = ("query", "trial")
HALVING = "successive-halving"
SETTINGS = (
    "Agents and their settings. Where `agents/nas_env_agents/hyperparameters.toml` names "
    "docs/sweep.md as source, they come from a hyper-parameter search on synthetic landscapes "
    "with the shapes of NAS-Bench-201 and NAS-Bench-Macro. All others are a paper's or a "
    "library's, or were chosen before a table was looked at{but}:"
)
EXPLORED = (
    ", except those of `imagination`, which were explored with a prototype on NAS-Bench-201 and "
    "NAS-Bench-Macro with a noise-free reward (docs/imagination.md)"
)


def write_page(
    table: pa.Table,
    settings: dict[str, Any],
    page: Path,
    source: Path,
    repeats: int = REPEATS,
    title: str = TITLE,
) -> list[Path]:
    """Write the page and its figures, and return all paths.

    Figures go to the folder with the name of the page.

    Args:
        table: Rows of a results file: all rows, or those of `incumbents`.
        settings: Settings of the results file.
        page: Path of the page.
        source: The results file, for a link.
        repeats: Bootstrap samples of an interval.
        title: Title of the page.

    Raises:
        InvalidDataError: There are no rows, or the runs have no limit of queries.
    """
    if settings["limit"] is None:
        raise InvalidDataError("A leaderboard needs runs with a limit of queries. Give --limit.")
    runs = Runs(table, settings["limit"])
    folder = page.with_suffix("")
    paths = {env: folder / f"curves-{_file(env)}.svg" for env in runs.envs}
    for env, path in paths.items():
        save_svg(draw_curves(runs, env, repeats), path)
    profiles = draw_profiles(runs, repeats)
    if profiles is not None:
        paths["profiles"] = folder / "profiles.svg"
        save_svg(profiles, paths["profiles"])
    pictures = {name: os.path.relpath(path, page.parent) for name, path in paths.items()}
    link = os.path.relpath(source, page.parent)
    text = Leaderboard(runs, settings, link, repeats, title).markdown(pictures)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return [page, *paths.values()]


class Leaderboard:
    """The text of the page.

    Args:
        runs: The runs.
        settings: Settings of the results file.
        source: The results file as the page names it.
        repeats: Bootstrap samples of an interval.
        title: Title of the page.
    """

    def __init__(
        self,
        runs: Runs,
        settings: dict[str, Any],
        source: str,
        repeats: int = REPEATS,
        title: str = TITLE,
    ) -> None:
        self.runs = runs
        self.settings = settings
        self.source = source
        self.repeats = repeats
        self.title = title
        self.compare = Comparison(runs, repeats)
        self.middle = cache(self._middle)
        self.scales = {env: 100 if runs.fractions(env) else 1 for env in runs.envs}
        self.baselines: list[Baseline] = baselines(runs, settings["agents"])
        words = BASELINES["random"]
        self.random = next(
            (baseline.label for baseline in self.baselines if baseline.words == words), ""
        )

    def markdown(self, pictures: dict[str, str]) -> str:
        """Return the page; `pictures` holds figure paths by environment and under "profiles"."""
        parts = [f"# {self.title}", self._how(), self._overview(), *self._sentences()]
        if "profiles" in pictures:
            parts += ["## Performance profiles", f"![Profiles]({pictures['profiles']})"]
        for env in self.runs.envs:
            parts += [f"## {env}", self._final(env), self._optimum(env)]
            parts += [f"![Best so far on {env}]({pictures[env]})"]
        parts += ["## How it was made", self._made()]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _how(self) -> str:
        limit = self.settings["limit"]
        return "\n".join(
            [
                f"A run ends after {limit} {self._counted()}, after "
                f"{10 * limit} episodes, or when the best reward of the table is found. The best "
                "network of a run is the one with the highest reward so far; of equal rewards, the "
                "earliest. Its *report* is the number that papers publish. A network that is "
                "trained for fewer epochs than the environment's default costs a query like any "
                "other but is not ranked. In environments that append decisions, random search, "
                "local search and evolution begin with the same network if they have the same "
                "seed. *Regret*: the difference to the best value of the same column, in points "
                "(hundredths). IQM: interquartile mean over runs. Brackets: 95 % intervals of a "
                f"stratified bootstrap with {self.repeats:,} samples. *Charged*: the same runs "
                f"after {limit} evaluations, with each repeat counted as a query.{self._raw()}",
                "",
                f"This page is generated from [{self.source}]({self.source}) by `nas-env "
                "leaderboard FILE`; `nas-env replay FILE` replays its rows. To add an agent, see "
                "docs/benchmarking.md.",
            ]
        )

    def _raw(self) -> str:
        """Return a note on the environments whose numbers are not fractions; "" if none."""
        raw = ", ".join(env for env, scale in self.scales.items() if scale == 1)
        return f" Numbers of {raw} are not fractions and are shown unscaled." if raw else ""

    def _counted(self) -> str:
        """Return the unit of the limit of a run."""
        same = "" if self.settings["charge_isomorphs"] else "; isomorphic networks count once"
        if self.settings["charge_repeats"]:
            return f"evaluations, repeats included (*queries*: unique networks among them{same})"
        return f"unique networks (*queries*; repeats are free{same})"

    def _overview(self) -> str:
        """Return the table of all agents and environments."""
        names = {env: _quantity(self.runs, env) for env in self.runs.envs}
        heads = [f"{env}: {name.replace('_', ' of ')}" for env, name in names.items()]
        lines = [
            f"IQM after {self.settings['limit']} queries, in points:",
            "",
            *_head("agent", "runs", *heads),
        ]
        for agent in self.runs.agents:
            counts = {len(self.runs.of(agent, env)) for env in self.runs.envs} - {0}
            cells = [self._iqm(agent, env, name) for env, name in names.items()]
            lines.append(_row(f"`{agent}`", _range(counts), *cells))
        return "\n".join([*lines, *self._blanks()])

    def _blanks(self) -> list[str]:
        """Return a note on the empty cells of the overview, if there are any."""
        blank = {x for x in self.runs.agents for y in self.runs.envs if not self.runs.of(x, y)}
        names = {self.settings["agents"][agent]["name"] for agent in blank}
        why = "; successive halving needs more than one fidelity" * (HALVING in names)
        return ["", f"Empty cell: not run on this environment{why}."] if blank else []

    def _sentences(self) -> list[str]:
        """Return the comparisons by final reward and by queries to the optimum."""
        if not self.baselines:
            return []
        text = (
            "Two agents differ if the 95 % interval of the probability that a run of one ends "
            "better than a run of the other (ties count one half) excludes 0.5. Agents with fewer "
            f"than {ENOUGH} runs are not compared. The number of comparisons is not corrected for: "
            "about one in twenty pairs without a true difference is expected to differ."
        )
        parts = [f"## Who beats whom\n\n{text}", "By the reward of the best network at the limit:"]
        parts.append(self._list("score"))
        if any(self.runs.known(env, "regret_reward") for env in self.runs.envs):
            parts.append(
                "By queries to the best reward of the table (fewer is better). A run that did not "
                "find it counts one query more than the limit here, so that finding it with the "
                "last query is better. The means in the tables count the limit itself for such a "
                "run, which is a lower bound."
            )
            parts.append(self._list("queries"))
        return parts

    def _list(self, name: str) -> str:
        agents = self.runs.agents
        return "\n".join(f"- {self.compare.sentence(x, self.baselines, name)}" for x in agents)

    def _final(self, env: str) -> str:
        """Return the table of final numbers of an environment, best agent first."""
        names = [x for x in ("regret_reward", "regret_report") if self.runs.known(env, x)]
        names = names or ["score"]
        heads = [
            f"{name.replace('_', ' of ')}, {by}" for name in names for by in ("free", "charged")
        ]
        against = [f"better than random, {x}" for x in self._against(env)]
        plain = [f"{x}, %" if self.scales[env] == 100 else x for x in ("score", "report")]
        lines = _head("agent", "runs", *plain, *heads, *against)
        for agent in self._order(env):
            cells = [self._iqm(agent, env, name, by) for name in names for by in BY]
            better = [self._better(agent, env, name) for name in self._against(env)]
            plain = [self._mean(agent, env, name) for name in ("score", "report")]
            count = str(len(self.runs.of(agent, env)))
            lines.append(_row(f"`{agent}`", count, *plain, *cells, *better))
        return "\n".join(lines)

    def _against(self, env: str) -> list[str]:
        """Return the quantities that compare agents with random search on an environment."""
        if not self.runs.of(self.random, env):
            return []
        return ["score", "report"] if self.runs.known(env, "report") else ["score"]

    def _optimum(self, env: str) -> str:
        """Return the table of queries to the optimum of an environment."""
        if not self.runs.known(env, "regret_reward"):
            return ""
        limit = self.settings["limit"]
        heads = [f"{x}, {by}" for by in ("free", "charged") for x in ("mean", "median", "found")]
        lines = [
            f"Queries to the best reward. Mean: a run that did not find it counts {limit}. Median: "
            "- if half of the runs or more did not find it. Found: share of runs that found it.",
            "",
            *_head("agent", *heads, "episodes of a run"),
        ]
        for agent in self._order(env):
            cells: list[str] = []
            for by in BY:
                queries = ToOptimum.of(self.runs.to_optimum(agent, env, by), limit)
                middle = "-" if queries.median is None else f"{queries.median:.0f}"
                cells += [f"{queries.mean:.0f}", middle, f"{100 * queries.share:.0f} %"]
            episodes = np.mean([run.episodes for run in self.runs.of(agent, env)])
            lines.append(_row(f"`{agent}`", *cells, f"{episodes:,.0f}"))
        return "\n".join(lines)

    def _order(self, env: str) -> list[str]:
        """Return the agents of an environment, by final score, then queries to the optimum."""
        cap = self.settings["limit"]

        def place(agent: str) -> tuple[float, float]:
            score = float(np.mean(self.runs.values(agent, env, "score")))
            return -round(score, 9), ToOptimum.of(self.runs.to_optimum(agent, env), cap).mean

        return sorted((x for x in self.runs.agents if self.runs.of(x, env)), key=place)

    def _iqm(self, agent: str, env: str, name: str, by: str = "query") -> str:
        if not self.runs.of(agent, env):
            return ""
        interval = self.middle(agent, env, name, by)
        return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"

    def _middle(self, agent: str, env: str, name: str, by: str) -> Interval:
        return iqm(self.scales[env] * self.runs.values(agent, env, name, by), self.repeats)

    def _mean(self, agent: str, env: str, name: str) -> str:
        values = self.scales[env] * self.runs.values(agent, env, name)
        if np.isnan(values).all():
            return ""
        spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
        return f"{values.mean():.2f}{spread}"

    def _better(self, agent: str, env: str, name: str) -> str:
        if agent == self.random:
            return ""
        interval = self.compare.improvement(agent, self.random, env, name)
        return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"

    def _made(self) -> str:
        explored = any("imagination" in x["name"] for x in self.settings["agents"].values())
        explanation = SETTINGS.format(but=EXPLORED if explored else "")
        return "\n".join([*made(self.settings), "", explanation, "", *self._agents()])

    def _agents(self) -> list[str]:
        """Return one line on the settings of each agent and of each environment."""
        lines = []
        for label in self.runs.agents:
            entry = self.settings["agents"][label]
            stored: dict[str, Any] = {}
            for values in entry.get("stored", {}).values():
                stored |= values
            values = ", ".join(f"{k} {v}" for k, v in {**stored, **entry["settings"]}.items())
            lines.append(f"- `{label}`: {entry['name']}{': ' if values else ''}{values}")
        for label in self.runs.envs:
            entry = self.settings["envs"][label]
            values = ", ".join(f"{k} {v}" for k, v in entry["settings"].items())
            lines.append(f"- `{label}`: {entry['id']}{': ' if values else ''}{values}")
        return lines


def made(settings: dict[str, Any]) -> list[str]:
    """Return the commands, seeds and versions of a results file, one command a line."""
    lines = []
    for entry in settings["commands"]:
        seeds = entry["seeds"]
        versions = ", ".join(f"{k} {v}" for k, v in entry["versions"].items())
        seconds = entry["seconds"]
        time = f"{seconds / 60:,.1f} minutes" if seconds else "interrupted"
        lines.append(f"- `{entry['command']}`: seeds {seeds[0]} to {seeds[-1]}, {time}; {versions}")
    return lines


def _quantity(runs: Runs, env: str) -> str:
    return next((x for x in ("regret_report", "regret_reward") if runs.known(env, x)), "score")


def _head(*cells: str) -> list[str]:
    return [_row(*cells), _row("---", *["---:"] * (len(cells) - 1))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _range(counts: Sequence[int] | set[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _file(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", label)
