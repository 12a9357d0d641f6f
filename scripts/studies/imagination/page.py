"""The page `docs/imagination.md`, made from the files of results."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env_agents.imagination.kernel import APART, UNLIKE
from nas_env_agents.imagination.model import EVERY, FIRST_STEPS, SHARE, STEPS
from nas_env_agents.imagination.policy import EPISODES, MEMORY, ROUNDS
from nas_env_agents.imagination.process import NOISE
from nas_env_agents.imagination.tree import BATCH, EXPLORATION, ROLLOUTS
from nas_env_cli.benchmark.page import made
from nas_env_cli.benchmark.results import read_results
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.benchmark.statistics import improvement
from nas_env_cli.specs import EnvSpec
from scripts.studies.imagination.benchmarks import UPPER_BOUND
from scripts.studies.imagination.idea_chart import EVALUATED, SEED, draw_idea
from scripts.studies.imagination.noisy_reward import AFTER, Pick, all_picks, experiment_of
from scripts.studies.imagination.query_ratios import capped, ratio_cell, told_apart
from scripts.studies.nb201_protocol.page import NAMES, PUBLISHED, protocol_results

TEMPLATE = Path(__file__).with_name("template.md")
Numbers = NDArray[np.float64]
SETTINGS = {  # of the agent, as the text names them
    "rollouts": f"{ROLLOUTS} rollouts in {ROLLOUTS // BATCH} batches",
    "episodes": f"{ROUNDS} rounds of {EPISODES} imagined episodes",
    "first_steps": str(FIRST_STEPS),
    "steps": str(STEPS),
    "every": str(EVERY),
    "share": f"{100 * SHARE:.0f} %",
    "unlike": str(UNLIKE),
    "apart": f"{APART:.0f}",
    "noise": str(NOISE),
    "exploration": str(EXPLORATION),
    "memory": f"{MEMORY} from one real decision to the next",
    "idea_seed": str(SEED),
    "idea_cells": str(EVALUATED),
}

# The prototype's mean queries to the optimum; below, with room for another implementation.
PROTOTYPE = "44.5, 39.0, 74.5 and 28.3 (with descriptors 32.3, 31.7 and 59.8)"
REACH = {"cifar10": 55, "cifar100": 48, "imagenet16-120": 90, "macro": 34}
REACH_PROTOCOL = 94.25
REACH_NOISY = {50: 92.92, 100: 92.93, 200: 92.94}
MISSING = "Not run yet: `python -m scripts.studies imagination {name}`."


def write_page(results: Path, page: Path) -> None:
    """Write the page; a part without results names the command that makes them.

    Args:
        results: Folder of the files of results; pictures go there too.
        page: The page.
    """
    draw_idea(results / "idea.svg")
    parts = {x.replace("-", "_"): _part(results, x, make) for x, make in PARTS.items()}
    parts["noisy"] = noisy_table(all_picks(experiment_of(results / "noisy.jsonl")))
    parts["random_search"] = random_search()
    parts["headline"] = headline(results)
    parts["prototype"] = PROTOTYPE
    parts |= SETTINGS
    parts["made"] = "\n".join(_made(results))
    text = string.Template(TEMPLATE.read_text("utf-8")).substitute(parts)
    page.write_text(text, encoding="utf-8")


def headline(results: Path) -> str:
    """Return the networks to the optimum of imagination and local search, if both were run."""
    files = {"imagination": "optimum", "local-search": "optimum-long"}
    if not all((results / f"{name}.parquet").is_file() for name in files.values()):
        return ""
    means: dict[str, list[str]] = {}
    for agent, name in files.items():
        table, settings = read_results(results / f"{name}.parquet")
        runs = Runs(table, settings["limit"])
        means[agent] = [
            f"{capped(runs.to_optimum(agent, env), runs.limit).mean():.0f}" for env in REACH
        ]
    ours, theirs = (" / ".join(means[agent]) for agent in files)
    return (
        "It finds the best network of NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120) and of "
        f"NAS-Bench-Macro after {ours} networks in the mean if the reward has no noise; local "
        f"search needs {theirs}. Other cases and failures are below."
    )


def random_search() -> str:
    """Return the mean queries of random search without repeats, for each table."""
    parts = []
    for text in UPPER_BOUND:
        spec = EnvSpec.parse(text)
        evaluator: Any = spec.make().unwrapped.evaluator  # type: ignore[attr-defined]
        rewarded = evaluator.reward or next(iter(evaluator.table.rewards.values()))
        scores = evaluator.table.column(rewarded)
        if scores.ndim == 2:
            scores = scores.mean(axis=1)
        optima = int((scores == scores.max()).sum())
        parts.append(f"{(len(scores) + 1) / (optima + 1):,.0f} on {spec.label} ({optima})")
    return ", ".join(parts)


def _part(results: Path, name: str, make: Callable[[Any, dict[str, Any]], str]) -> str:
    file = results / f"{name}.parquet"
    if not file.is_file():
        return MISSING.format(name=name)
    return make(*read_results(file))


def optimum_table(table: Any, settings: dict[str, Any]) -> str:
    """Return mean queries to the optimum of each agent on each environment."""
    runs = Runs(table, settings["limit"])
    lines = head("agent", "runs", *runs.envs)
    for agent in runs.agents:
        counts = {len(runs.of(agent, env)) for env in runs.envs} - {0}
        cells = [queries_cell(runs, agent, env) for env in runs.envs]
        lines.append(row(f"`{agent}`", "-".join(map(str, sorted(counts))), *cells))
    return "\n".join([*lines, "", *reached(runs)])


def neural_table(table: Any, settings: dict[str, Any]) -> str:
    """Return queries to the optimum, and their ratios with and without an archive of elites."""
    runs, lines = Runs(table, settings["limit"]), [optimum_table(table, settings)]
    for agent in runs.agents:
        to = agent.removesuffix("-elites")
        if to != agent and to in runs.agents:
            cells = [f"{env} {ratio_cell(runs, agent, env, to)}" for env in runs.envs]
            lines.append(f"- Queries of `{agent}`, ratio to `{to}`: {'; '.join(cells)}.")
    return "\n".join(lines)


def queries_cell(runs: Runs, agent: str, env: str) -> str:
    """Return mean ± standard error (median, 95th percentile; runs that found the optimum)."""
    queries = runs.to_optimum(agent, env)
    if not queries:
        return ""
    counts = capped(queries, runs.limit)
    successes = len(queries) - queries.count(None)
    sign = "" if successes == len(queries) else "≥ "
    middle, late = np.percentile(counts, (50, 95))
    return f"{sign}{with_error(counts)} ({middle:.0f}, {late:.0f}; {successes} of {len(queries)})"


def with_error(values: Numbers, digits: int = 1) -> str:
    """Return mean ± standard error; a single value has no error."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def reached(runs: Runs) -> list[str]:
    """Return a sentence on each aim for `imagination`."""
    lines = []
    for env, aim in REACH.items():
        queries = runs.to_optimum("imagination", env)
        if queries:
            mean = capped(queries, runs.limit).mean()
            word = "reached" if mean <= aim else "**not reached**"
            lines.append(f"- {env}: aim at most {aim} queries: {word} ({mean:.1f}).")
    return lines


def protocol_table(table: Any, settings: dict[str, Any]) -> str:
    """Return the accuracies of the NAS-Bench-201 paper's protocol."""
    lines = head("agent", "runs", "trainings", *(f"{x}, %" for x in NAMES), "best found")
    for words, means, spreads in PUBLISHED.values():
        cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(means, spreads, strict=True)]
        lines.append(row(f"{words}, published", "500", "", *cells, ""))
    runs, aims = Runs(table, 0), []
    for result in protocol_results(table, settings):
        means, spreads = result.tests.mean(axis=0), result.tests.std(axis=0, ddof=1)
        cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(means, spreads, strict=True)]
        optima = [x.values["regret_reward"][-1] == 0 for x in runs.of(result.label, "cifar10")]
        share = f"{100 * np.mean(optima):.0f} %"
        count = str(len(result.tests))
        lines.append(row(f"`{result.label}`", count, f"{result.networks:.0f}", *cells, share))
        if result.label == "imagination" or result.label.startswith("random_share"):
            word = "reached" if means[0] >= REACH_PROTOCOL else "**not reached**"
            error = spreads[0] / np.sqrt(len(result.tests))
            aims.append(
                f"- Aim on CIFAR-10, at least {REACH_PROTOCOL:.2f} %, by `{result.label}`: {word} "
                f"({means[0]:.3f}, standard error {error:.3f})."
            )
    return "\n".join([*lines, "", *aims])


def noisy_table(picks: Sequence[Pick]) -> str:
    """Return the accuracies of picks by one noisy training, and the runs that ended early."""
    if not picks:
        return MISSING.format(name="noisy")
    lines = head("agent", "pick", "runs", *(f"{x} queries" for x in AFTER))
    aims, short = [], []
    for agent, rule in dict.fromkeys((pick.agent, pick.rule) for pick in picks):
        cells, count = [], 0
        for after in AFTER:
            chosen = [x for x in picks if (x.agent, x.rule, x.queries) == (agent, rule, after)]
            values, count = 100 * np.array([pick.accuracy for pick in chosen]), len(chosen)
            spread = f" ± {values.std(ddof=1):.2f}" if count > 1 else ""
            cells.append(f"{values.mean():.2f}{spread}")
            fewer = sum(pick.reached < after for pick in chosen)
            if fewer and rule == "reward":
                short.append(f"{fewer} of {count} runs of `{agent}` at {after}")
            if rule == "posterior":
                word = "reached" if values.mean() >= REACH_NOISY[after] else "**not reached**"
                aims.append(f"{after} queries: at least {REACH_NOISY[after]}: {word}")
        lines.append(row(f"`{agent}`", f"by {rule}", str(count), *cells))
    lines += ["", f"Aims for the posterior's pick: {'; '.join(aims)}."]
    if short:
        lines.append("")
        lines.append(
            "Some runs used up their episodes with repeated networks and evaluated fewer different "
            f"ones. They are judged by their last pick: {'; '.join(short)}."
        )
    return "\n".join(lines)


def unseen_table(table: Any, settings: dict[str, Any]) -> str:
    """Return final scores, and queries to the optimum, on the tables chosen by the rule."""
    runs = Runs(table, settings["limit"])
    first = head("agent", *runs.envs)
    second = head("agent", *runs.envs)
    for agent in runs.agents:
        first.append(row(f"`{agent}`", *(_regret(runs, agent, env) for env in runs.envs)))
        second.append(row(f"`{agent}`", *(queries_cell(runs, agent, env) for env in runs.envs)))
    count = len(runs.of(runs.agents[0], runs.envs[0]))
    return "\n".join(
        [
            f"Regret after {runs.limit} queries, in points (hundredths if the reward is a "
            f"fraction), mean ± standard error of {count} runs:",
            "",
            *first,
            "",
            f"Queries to the optimum (cap {runs.limit}):",
            "",
            *second,
            "",
            *_winners(runs),
        ]
    )


def _regret(runs: Runs, agent: str, env: str) -> str:
    values = points(runs, env) * runs.values(agent, env, "regret_reward")
    return with_error(values, 3) if len(values) else ""


def points(runs: Runs, env: str) -> int:
    """Return the factor to points: 100 for fractions, 1 for accuracies in percent."""
    return 100 if runs.fractions(env) else 1


def _winners(runs: Runs) -> list[str]:
    """Return, for each environment, `imagination` against the best other agent, paired by seed."""
    lines = []
    for env in runs.envs:
        unit = points(runs, env)
        regret = {
            agent: {
                run.seed: unit * float(run.at("regret_reward", runs.limit)) for run in agent_runs
            }
            for agent in runs.agents
            if (agent_runs := runs.of(agent, env))
        }
        own = regret.pop("imagination")
        other = min(regret, key=lambda agent: float(np.mean([*regret[agent].values()])))
        gaps = np.array([own[seed] - regret[other][seed] for seed in own if seed in regret[other]])
        low, high = bootstrap(gaps, np.mean)
        word = "no difference is shown" if low <= 0 <= high else "lower" if high < 0 else "higher"
        lines.append(
            f"- {env}: regret of `imagination` minus that of `{other}`, the best of the others: "
            f"{gaps.mean():+.3f} points [{low:+.3f}, {high:+.3f}]: {word}."
        )
    return lines


def bootstrap(values: Numbers, of: Callable[..., Any], repeats: int = 2000) -> Numbers:
    """Return the 95 % bootstrap interval of a statistic along the last axis."""
    rows = np.random.default_rng(0).integers(len(values), size=(repeats, len(values)))
    return np.asarray(np.percentile(of(values[rows], axis=-1), (2.5, 97.5)))


def trained_table(table: Any, settings: dict[str, Any]) -> str:
    """Return the scores of real training, early and late."""
    runs = Runs(table, settings["limit"])
    env, limit = runs.envs[0], runs.limit
    marks = [limit // 4, limit // 2, limit]
    lines = head("agent", "runs", *(f"best of {x}" for x in marks), "better than random")
    for agent in runs.agents:
        curves = runs.curves(agent, env, "score", marks)
        cells = [
            f"{m:.4f} ± {s:.4f}" for m, s in zip(curves.mean(0), curves.std(0, ddof=1), strict=True)
        ]
        other = runs.curves("random", env, "score", marks)
        better = better_than(curves[:, -1], other[:, -1])
        lines.append(
            row(f"`{agent}`", str(len(curves)), *cells, "" if agent == "random" else better)
        )
    return "\n".join(lines)


def better_than(one: Numbers, other: Numbers) -> str:
    """Return the share of pairs in which `one` is higher (ties count half), and its interval."""
    value, low, high = improvement(one, other)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def ratio_table(table: Any, settings: dict[str, Any]) -> str:
    """Return queries to the optimum, and their ratio to those of the default `imagination`."""
    runs = Runs(table, settings["limit"])
    names = [name for env in runs.envs for name in (env, "ratio")]
    lines = head("agent", *names)
    for agent in runs.agents:
        cells = []
        for env in runs.envs:
            cells += [queries_cell(runs, agent, env), ratio_cell(runs, agent, env)]
        lines.append(row(f"`{agent}`", *cells))
    return "\n".join([*lines, "", *(told_apart(runs, env) for env in runs.envs)])


PARTS: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "optimum": optimum_table,
    "optimum-tabular": optimum_table,
    "optimum-neural": neural_table,
    "optimum-long": optimum_table,
    "protocol": protocol_table,
    "unseen": unseen_table,
    "batches": ratio_table,
    "ablations": ratio_table,
    "digits": trained_table,
    "mnist": trained_table,
}


def _made(results: Path) -> Iterable[str]:
    """Yield the command, seeds, time and versions of each experiment."""
    for name in PARTS:
        file = results / f"{name}.parquet"
        if not file.is_file():
            continue
        try:
            yield from made(read_results(file)[1])
        except InvalidDataError:
            continue
    yield from made({"commands": experiment_of(results / "noisy.jsonl").calls()})


def head(*cells: str) -> list[str]:
    """Return the first two lines of a table."""
    return [row(*cells), row("---", *["---:"] * (len(cells) - 1))]


def row(*cells: str | Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(str, cells))} |"
