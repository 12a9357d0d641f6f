"""The hand-made reference networks, which every search trains first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from nas_env.architecture import Candidate, Recipe
from nas_env.evaluators import Evaluator
from nas_env.portfolio import NETWORKS, portfolio
from nas_env.spaces import SearchSpace, Walk
from nas_env.spaces.inverse import walk_of
from nas_env.tasks.base import TaskSpec
from nas_env.wrappers import Limits, TrackSearch, Trial
from nas_env_cli.interrupts import TimeIsUp, time_limit
from nas_env_cli.search.callback import SearchCallback
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.plan import BASELINE, PORTFOLIO, SearchPlan
from nas_env_cli.search.progress_bar import Remaining, SearchProgress
from nas_env_cli.search.record import SearchRecord, describe
from nas_env_cli.search.session import SearchResult

SHARE = 0.5  # of the search's time; the first network may use all of it
FEW = 30  # planned networks below which a search starts near the portfolio
COMPARISON = 10  # planned networks below which a search is a comparison
INITIAL = 8  # networks before a model is used, reference networks included


class Advice(NamedTuple):
    """What an agent learns from the reference networks before it searches.

    Attributes:
        scores: Score of each reference network that is a walk of the space.
        neighbours: Number of networks near them to evaluate first; None: random networks instead.
        planned: Number of networks that the limits allow, about.
    """

    scores: Mapping[Walk, float]
    neighbours: int | None
    planned: float

    def give(self, agent: Any) -> None:
        """Advise an agent that has a method `advise`; leave others unchanged."""
        if self.scores and hasattr(agent, "advise"):
            agent.advise(self.scores, self.neighbours)


def reference_networks(
    space: SearchSpace, spec: TaskSpec, max_params: int | None
) -> dict[str, Candidate]:
    """Return the reference networks of a task with the recipe of a space.

    A network that the space contains has its walk; the others have none. The result is empty if the
    modality has no reference networks.
    """
    if spec.modality not in NETWORKS:
        return {}
    networks = {}
    for name, plain in portfolio(spec, recipe_of(space), max_params).items():
        walk = walk_of(space, plain.architecture)
        networks[name] = plain if walk is None else space.decode(walk)
    return networks


def recipe_of(space: SearchSpace) -> Recipe:
    """Return the recipe of a space's networks, or its fixed settings if walks decide the rest."""
    import numpy as np

    walk = space.sample(np.random.default_rng(0))
    if space.training(walk):
        return Recipe.from_json(space.recipe or {})
    return space.candidate(walk).recipe


def run_portfolio(
    plan: SearchPlan,
    folder: RunFolder,
    store: str | Path,
    seconds: float = inf,
    remaining: Remaining | None = None,
    most: int | None = None,
) -> SearchResult | None:
    """Evaluate the reference networks as a separate search; return None if the task has none.

    Args:
        plan: The search.
        folder: Its folder.
        store: Store of the evaluations.
        seconds: Time limit of the first network. The others must finish in the first half of it.
        remaining: For the progress; see `StageProgress`.
        most: Number of networks to evaluate, the first ones; None: all.
    """
    env = plan.make_env(BASELINE, store)
    inner = env.unwrapped
    networks = reference_networks(inner.space, plan.task.spec, plan.options.limits.max_params)
    if not networks:
        env.close()
        return None
    tracker = TrackSearch(env, Limits(evaluations=len(networks), charge_stored=False))
    info = describe(PORTFOLIO, env, tracker.limits, plan.seed, {}, folder.token(PORTFOLIO))
    record, progress = SearchRecord(tracker, info), SearchProgress(PORTFOLIO, remaining=remaining)
    callback = SearchCallback(tracker, progress, None, record)
    started, reason = time.perf_counter(), "evaluations"
    try:
        for number, batch in enumerate(_batches(list(networks.values())[:most], inner.evaluator)):
            used = time.perf_counter() - started
            with time_limit(seconds - used if number == 0 else SHARE * seconds - used):
                evaluations = inner.evaluator.evaluate(batch, inner.budget)
            for candidate, evaluation in zip(batch, evaluations, strict=True):
                tracker.enter(candidate, evaluation)
            callback.catch_up()
    except TimeIsUp:
        reason = "seconds"
    except KeyboardInterrupt:
        record.end("interrupted")
        raise
    finally:
        progress.close()
        env.close()
    record.end(reason)
    names = {candidate.key: name for name, candidate in networks.items()}
    return SearchResult(None, tracker, reason, time.perf_counter() - started, names)


def _batches(candidates: list[Candidate], evaluator: Evaluator) -> list[list[Candidate]]:
    """Return batches of one network, or one batch if the evaluator compares networks."""
    return [candidates] if evaluator.needs_batches else [[x] for x in candidates]


def usual_seconds(trials: Sequence[Trial]) -> float:
    """Return the mean seconds of a training; the first includes the start-up of the process."""
    return fmean(x.evaluation.seconds for x in trials[1:] or trials)


def advice_of(result: SearchResult | None, limits: Limits) -> Advice:
    """Return what an agent learns from the evaluated reference networks."""
    trials = [] if result is None else [x for x in result.trials if x.evaluation.ok]
    scores = {trial.walk: trial.score for trial in trials if trial.walk}
    planned = float(limits.evaluations or inf)
    if limits.seconds is not None and trials:
        planned = min(planned, limits.seconds / usual_seconds(trials))
    near = max(0, min(INITIAL, int(planned) // 3) - len(scores)) if planned < FEW else None
    return Advice(scores, near, planned)
