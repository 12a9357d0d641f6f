"""Search a network with a reinforcement-learning agent and say honestly what came out."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import gymnasium
import torch

import nas_env  # noqa: F401 - registers the environments
from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError, NASError
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES, Objective
from nas_env.sources import ReadOptions
from nas_env.store import SQLStore
from nas_env.tasks import Task
from nas_env.wrappers import Limits, Trial
from nas_env_agents import observation_of
from nas_env_cli.export.exporting import check_export, export_run
from nas_env_cli.export.reference import reference_candidate
from nas_env_cli.export.retraining import Retrained, retrain
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.search import SearchResult, run_search
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.interrupt import INTERRUPTED, how_to_go_on, leave_at_the_second_interrupt
from nas_env_cli.search.options import Options, agent_of, check, parse, recorded
from nas_env_cli.search.progress_bar import SearchProgress
from nas_env_cli.search.provenance import versions
from nas_env_cli.search.summary import SearchSummary
from nas_env_cli.search.user_data import CHOSEN, OwnData, check_same_data, own_data

BASELINE = "random"


def run(options: Options) -> int:
    """Run the search and return the exit code."""
    leave_at_the_second_interrupt()
    torch.set_num_threads(1)  # agents and networks are small: one thread is fastest
    path = options.output or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        return search(options, path)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that comes while the process ends
        print(f"\nInterrupted. All evaluations are kept. {how_to_go_on(path)}", file=sys.stderr)
        return INTERRUPTED
    except (NASError, gymnasium.error.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def search(options: Options, path: Path) -> int:
    """Run agent and random search, train the best networks anew, write and print the report."""
    check(options)
    options, data = with_data(options)
    limits = Limits(options.evaluations, options.seconds, options.until_score)
    probe = make_env(options, agent_of(options), None, data.task if data else None)
    check_probe(options, path, probe)
    if options.store is not None and not options.resume:
        SQLStore(options.store).close()  # a wrong one is refused before anything is written
    folder = RunFolder(path, recorded(options), options.resume)
    if options.data is not None:
        hashed = {"data_hash": getattr(probe.task, "data_hash", "")}
        folder.write_data(data.to_json() if data else hashed)
    print(f"writing to {path}", file=sys.stderr, flush=True)
    if options.resume and folder.finished:
        print(f"The search in {path} has finished.\n\n{folder.summary}")
        if options.retry_failed:
            print(
                "Nothing was tried again: --retry-failed helps a new search over the same --store."
            )
        take_away(options, path, probe.task)
        return 0
    if options.resume:
        print("going on: what was evaluated before is answered by the store", file=sys.stderr)
    searches = {}
    for name in dict.fromkeys((agent_of(options), BASELINE)):
        env = make_env(options, name, store_of(options, folder), probe.task)
        chosen = options.preset and name == agent_of(options)
        settings = {"preset": options.preset} if chosen else {}
        searches[name] = run_one(name, env, limits, options.seed, folder, settings)
        folder.write_agent(name, searches[name].agent)
    name, best = best_found(searches)
    spec = probe.task.spec
    folder.write_best(best.candidate, spec, best.score, name)
    report = make_report(options, probe, folder, searches)
    text = f"# Search with {agent_of(options)} on {spec.name}\n\n{report.markdown()}"
    folder.write_summary(report, text)
    print(f"\n{text}\nWritten to {path}")
    take_away(options, path, probe.task)
    return 0


def check_probe(options: Options, path: Path, probe: NASEnv) -> None:
    """Refuse to go on with other data, and to export what is never trained."""
    if options.resume:
        check_same_data(path, probe.task)
    if options.export:
        check_export(options.evaluator, probe.evaluator.unwrapped)


def take_away(options: Options, path: Path, task: Task) -> None:
    """Write the best network as files that need nothing of this repository, where asked for."""
    if options.export:
        print(export_run(path, task=task))


def with_data(options: Options) -> tuple[Options, OwnData | None]:
    """Return the options with nothing left out, and own data where there are some; show them."""
    if options.data is None or options.task is not None:
        for name in ("target", "image_size", "problem", "metric", "data_cache", "data_memory_mb"):
            if getattr(options, name) is not None:
                raise InvalidSettingError(
                    f"Option --{name.replace('_', '-')} is about --data. Give --data, without "
                    "--task."
                )
        standard = {"objective": "accuracy-under-cost", "epochs": 8}
        left_out: dict[str, Any] = {
            key: value for key, value in standard.items() if getattr(options, key) is None
        }
        return replace(options, **left_out), None
    size, folder, memory = options.image_size, options.data_cache, options.data_memory_mb
    reading = ReadOptions(options.target, size, options.problem, folder, memory)
    given = {name: getattr(options, name) for name in CHOSEN}
    data = own_data(options.data, reading, options.metric, given)
    print(data.text, flush=True)
    return replace(options, **data.settings), data


def store_of(options: Options, folder: RunFolder) -> str | Path:
    """Return where the evaluations of a run are kept."""
    return options.store or folder.store


def make_env(
    options: Options, agent: str, store: str | Path | None, task: Task | None = None
) -> Any:
    """Return the environment for an agent; without a store, its bare form for a first check."""
    optional: dict[str, Any] = {"space": options.space, "task": options.task, "data": options.data}
    if task is not None:
        optional = {"space": options.space, "task": task}
    if options.batch_size is not None:
        optional["recipe"] = {"batch_size": options.batch_size}
    optional |= {"start": start_of(options.start), "max_edits": options.max_edits}
    optional |= {"reward": options.reward, "inherit": options.inherit or None}
    optional |= {"workers": options.workers}
    if options.env == "NASEdit-v0":
        optional["until_score"] = options.until_score
    env = gymnasium.make(
        options.env,
        objective=objective(options),
        evaluator=options.evaluator,
        observation=observation_of(agent, options.env),
        budget={
            "epochs": options.epochs,
            "max_seconds": options.max_seconds,
            "max_memory_mb": options.max_memory_mb,
            "max_macs": options.max_macs,
            "max_latency_ms": options.max_latency_ms,
        },
        store=store,
        retry_failed=options.retry_failed,
        max_params=options.max_params,
        latency=options.latency or options.max_latency_ms is not None,
        device=options.device,
        precision=options.precision if store else "float32",
        **{key: value for key, value in optional.items() if value is not None},
    )
    return env if store else env.unwrapped


def start_of(text: str | None) -> str | list[int] | None:
    """Return the start that an option names: a word, or the decisions of a walk."""
    parts = (text or "").split(",")
    return [int(part) for part in parts] if all(x.strip().isdigit() for x in parts) else text


def objective(options: Options) -> str | Objective | None:
    """Return the objective that the options name."""
    if options.objective == "accuracy-under-cost":
        return OBJECTIVES.get(options.objective)(target_params=options.target_params)
    return options.objective


def run_one(
    name: str,
    env: Any,
    limits: Limits,
    seed: int,
    folder: RunFolder,
    settings: dict[str, Any],
) -> SearchResult:
    """Run one search with progress and event files."""
    progress = SearchProgress(name)
    try:
        token = folder.token(name)
        events = folder.tensorboard
        return run_search(name, env, limits, seed, events, progress, token, **settings)
    finally:
        progress.close()
        env.close()


def best_found(searches: dict[str, SearchResult]) -> tuple[str, Trial]:
    """Return the best network of all searches, and who found it; the agent's of equal ones."""
    found = {name: x.best for name, x in searches.items()}
    name = max(found, key=lambda x: (found[x].evaluation.ok, found[x].score))
    return name, found[name]


def make_report(
    options: Options, env: NASEnv, folder: RunFolder, searches: dict[str, SearchResult]
) -> SearchSummary:
    """Train the best networks and the reference anew, where networks are trained at all."""
    settings = {**recorded(options), "versions": versions()}
    settings["data_hash"] = getattr(env.task, "data_hash", "")
    first = 1 + options.seed * options.retrain_seeds  # no two searches share a retraining seed
    seeds = range(first, first + options.retrain_seeds)
    retrained: list[Retrained] = []
    searching = make_env(options, agent_of(options), store_of(options, folder), env.task)
    evaluator = searching.unwrapped.evaluator.unwrapped
    if isinstance(evaluator, Training):
        retrained = retrain_all(options, env, evaluator, searches, seeds)
        names = list(searches)
        folder.write_weights(retrained[names.index(best_found(searches)[0])])
    spec = env.task.spec
    return SearchSummary(
        settings, searches, retrained, spec.sizes[2], list(seeds), MetricFormat.of(spec)
    )


def retrain_all(
    options: Options,
    env: NASEnv,
    evaluator: Training,
    searches: dict[str, SearchResult],
    seeds: range,
) -> list[Retrained]:
    """Return the agent's best, random search's best and the reference, trained anew."""
    networks = {f"best of {name}": x.best.candidate for name, x in searches.items()}
    recipe = searches[agent_of(options)].best.candidate.recipe
    networks["hand-made reference"] = reference_candidate(env.task.spec, recipe)
    found = []
    for name, candidate in networks.items():
        count = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
        print(f"training anew with {count}: {name}", file=sys.stderr, flush=True)
        budget = replace(env.budget, training_seed=0)
        costs, over = evaluator.costs(candidate, budget)
        if over or costs["params"] > (options.max_params or math.inf):
            name = f"{name} (over the limit)"
        found.append(retrain(name, candidate, evaluator, env.objective, budget, seeds))
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words that follow its name; return the exit code."""
    return run(parse(arguments))
