"""What imagination learns from networks that were evaluated before its search."""

from __future__ import annotations

import numpy as np
import pytest

from nas_env.evaluation import Evaluation, Outcome
from nas_env.wrappers import Limits, Trial
from nas_env_cli.search.portfolio import FEW, INITIAL, Advice, advice_of, usual_seconds
from nas_env_cli.search.session import SearchResult, run_search
from tests.support.tiny_space import tiny_env, tiny_space


def proposals(agent: str, count: int, neighbours: int | None) -> tuple[list, list, list]:
    space, rng = tiny_space(), np.random.default_rng(5)
    scores = dict(zip(dict.fromkeys(space.sample(rng) for _ in range(9)), (0.1, 0.9), strict=False))
    planned: list[int] = []

    def advise(given) -> None:
        Advice(scores, neighbours, 99).give(given)
        imagined = given._imagined
        given._imagined = lambda posterior: planned.append(len(given.model)) or imagined(posterior)

    result = run_search(agent, tiny_env("tokens"), Limits(evaluations=count), 0, advise=advise)
    return list(scores), [x.walk for x in result.trials], planned


@pytest.mark.parametrize("agent", ["imagination", "async-imagination"])
@pytest.mark.parametrize("neighbours", [None, 0, 3])
def test_it_begins_near_them_or_with_random_walks(agent, neighbours):
    known, walks, planned = proposals(agent, 12, neighbours)
    assert not {*known} & {*walks}, "they are not evaluated again"
    best = tiny_space().neighbours(known[1])
    assert {*walks[: neighbours or 0]} <= {*best}
    first = INITIAL if neighbours is None else len(known) + neighbours
    assert planned == list(range(first, len(known) + 12)), "so many were known to the first plan"


class Portfolio:
    limits = Limits(evaluations=2)

    def __init__(self, seconds: list[float]) -> None:
        space, rng = tiny_space(), np.random.default_rng(5)
        self.trials = [
            Trial(n, 1, True, space.decode(space.sample(rng)), evaluation, 0.5, 1.0)
            for n, x in enumerate(seconds)
            for evaluation in [Evaluation(Outcome.OK, {}, (), 1, seconds=x)]
        ]


@pytest.mark.parametrize(("limit", "planned"), [(20.0, 10), (58.0, 29), (60.0, 30), (2.0, 1)])
def test_the_start_up_of_the_first_training_does_not_count(limit, planned):
    tracker = Portfolio([30.0, 2.0, 2.0])
    assert usual_seconds(tracker.trials) == 2 and usual_seconds(tracker.trials[:1]) == 30
    result = SearchResult(None, tracker, "evaluations")  # type: ignore[arg-type]
    advice = advice_of(result, Limits(seconds=limit))
    assert advice.planned == planned
    known = len(advice.scores)
    expected = max(0, min(INITIAL, planned // 3) - known) if planned < FEW else None
    assert advice.neighbours == expected
