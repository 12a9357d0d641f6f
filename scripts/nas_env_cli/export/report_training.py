"""Retraining of the networks that the summary of a search compares on the test split."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget
from nas_env_cli.export.retraining import Retrained, TrainedOnce, measure_on_test, train_once
from nas_env_cli.interrupts import TimeIsUp, time_limit
from nas_env_cli.search.plan import SearchPlan
from nas_env_cli.search.progress_bar import Remaining, RetrainingProgress
from nas_env_cli.search.session import SearchResult

OVER = " (over the limit)"


def retrain_found(
    plan: SearchPlan,
    results: Mapping[str, SearchResult],
    store: str | Path,
    seconds: float = math.inf,
    remaining: Remaining | None = None,
) -> list[Retrained]:
    """Retrain the best network of each search with several seeds.

    All networks are trained with the first seed, then all with the second, and so on; the best
    network of the search comes first. If the time limit is reached, only the seeds that all
    networks completed count. If no seed is complete, only the trained networks are returned.

    Args:
        plan: The search.
        results: Results by search, the chosen agent first.
        store: Store in which precision="auto" saves its choice.
        seconds: Time limit.
        remaining: For the progress; see `StageProgress`.
    """
    env: Any = plan.make_env(plan.agent, store).unwrapped
    evaluator: Any = env.evaluator.unwrapped
    budget, seeds = replace(env.budget, training_seed=0), plan.retraining_seeds
    networks = _marked(plan, results, evaluator, budget)
    best = max(results.values(), key=lambda x: (x.best.evaluation.ok, x.best.score)).best.candidate
    order = sorted(networks, key=lambda name: networks[name] is not best)
    rounds: list[dict[str, TrainedOnce | None]] = []
    progress = RetrainingProgress("retraining", len(seeds) * len(networks), remaining=remaining)
    started = time.monotonic()
    try:
        with time_limit(seconds):
            for number, seed in enumerate(seeds):
                if _too_late(time.monotonic() - started, number, seconds):
                    break
                rounds.append({})
                for place, name in enumerate(order):
                    progress.begin(number * len(order) + place, f"{name}, seed {seed}")
                    own = replace(budget, training_seed=seed)
                    rounds[-1][name] = _train(evaluator, networks, name, own, rounds[-1])
    except TimeIsUp:
        pass
    finally:
        progress.close()
    complete = [row for row in rounds if len(row) == len(networks)] or rounds[:1]
    known = {key: name for result in results.values() for key, name in result.names.items()}
    return [
        replace(
            measure_on_test(
                name, candidate, evaluator, env.objective, [row[name] for row in complete]
            ),
            reference=known.get(candidate.key, ""),
        )
        for name, candidate in networks.items()
        if complete and name in complete[0]
    ]


def _train(
    evaluator: Any,
    networks: Mapping[str, Candidate],
    name: str,
    budget: Budget,
    trained: Mapping[str, TrainedOnce | None],
) -> TrainedOnce | None:
    """Train a network, unless the same network of another search was trained with this seed."""
    key = networks[name].trained_key
    for other, result in trained.items():
        if networks[other].trained_key == key:
            return result
    return train_once(evaluator, networks[name], budget, early_stopping=True)


def best_on_validation(retrained: list[Retrained]) -> Retrained:
    """Return the network with the highest mean validation score over the retraining seeds."""
    return max(retrained, key=lambda x: fmean(x.validation_scores))


def _too_late(spent: float, rounds: int, seconds: float) -> bool:
    """Return whether one more round probably exceeds the time limit."""
    return rounds > 0 and spent + spent / rounds > seconds


def _marked(
    plan: SearchPlan, results: Mapping[str, SearchResult], evaluator: Any, budget: Any
) -> dict[str, Candidate]:
    """Return the best network of each search by name; one over a limit is marked."""
    networks: dict[str, Candidate] = {}
    for name, result in results.items():
        candidate = result.best.candidate
        title = f"best of {name}"
        costs, over = evaluator.costs(candidate, budget)
        if over or costs["params"] > (plan.options.limits.max_params or math.inf):
            title += OVER
        networks[title] = candidate
    return networks
