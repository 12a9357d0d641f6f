"""Retraining of the networks that the summary of a search compares on the test split."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas_env.architecture import Candidate
from nas_env_cli.export.reference import reference_candidate
from nas_env_cli.export.retraining import Retrained, retrain
from nas_env_cli.search.plan import SearchPlan
from nas_env_cli.search.session import SearchResult

OVER = " (over the limit)"


def retrain_found(
    plan: SearchPlan, results: Mapping[str, SearchResult], store: str | Path
) -> list[Retrained]:
    """Retrain the best network of each search and the reference with several seeds.

    Args:
        plan: The search.
        results: Results by agent, the chosen agent first.
        store: Store in which precision="auto" saves its choice.
    """
    env: Any = plan.make_env(plan.agent, store).unwrapped
    evaluator: Any = env.evaluator.unwrapped
    budget, seeds = replace(env.budget, training_seed=0), plan.retraining_seeds
    trained = []
    for name, candidate in networks_of(plan, results).items():
        costs, over = evaluator.costs(candidate, budget)
        if over or costs["params"] > (plan.options.limits.max_params or math.inf):
            name += OVER
        count = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
        print(f"retraining with {count}: {name}", file=sys.stderr, flush=True)
        trained.append(retrain(name, candidate, evaluator, env.objective, budget, seeds))
    return trained


def networks_of(plan: SearchPlan, results: Mapping[str, SearchResult]) -> dict[str, Candidate]:
    """Return the networks to compare: the best of each search, and the hand-made reference."""
    networks = {f"best of {name}": result.best.candidate for name, result in results.items()}
    recipe = next(iter(results.values())).best.candidate.recipe
    networks["hand-made reference"] = reference_candidate(plan.task.spec, recipe)
    return networks
