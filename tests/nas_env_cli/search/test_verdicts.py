"""The statements of a search summary about retrained networks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

from nas_env.wrappers import Limits
from nas_env_cli.export.retraining import Retrained
from nas_env_cli.search.summary import SearchSummary

NOTHING: Any = None  # the candidate is not looked at
BEST = SimpleNamespace(score=0.8, evaluation=SimpleNamespace(ok=True))
NO_LIMIT = SimpleNamespace(limits=Limits(evaluations=24))


def search(evaluations: int, first: float = 0.7, last: float = 0.8) -> Any:
    return SimpleNamespace(
        best=BEST,
        quarters=lambda: (first, last),
        evaluations=evaluations,
        names={},
        trials=[],
        tracker=NO_LIMIT,
    )


SEARCH = search(24)


def network(name: str, scores: tuple[float, ...]) -> Retrained:
    return Retrained(name, NOTHING, 10, 20, scores, scores, None, validation_scores=scores)


def said_of(pair: list[Retrained], seeds: int) -> str:
    lines = SearchSummary(
        {}, {"ours": SEARCH, "theirs": SEARCH}, pair, 100, range(seeds)
    ).verdicts()
    (line,) = (x for x in lines if x.startswith("Retrained"))
    return line


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_two_networks_are_told_apart_as_by_the_test_of_student(seeds: int) -> None:
    rng, seen = np.random.default_rng(seeds), set()
    for shift in np.linspace(-0.1, 0.1, 41):
        ours, theirs = rng.normal(0.8, 0.02, seeds), rng.normal(0.8 + shift, 0.02, seeds)
        pair = [network("ours", tuple(ours)), network("theirs", tuple(theirs))]
        chance = ttest_ind(ours, theirs).pvalue
        word = "beats" if ours.mean() > theirs.mean() else "loses to"
        told = f"ours {word}" if chance < 0.05 else "ours and theirs cannot be told apart"
        assert said_of(pair, seeds).startswith(f"Retrained, {told} "), (ours, theirs)
        seen.add(chance < 0.05)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (0.7, 0.8, "rose from 0.7000 to 0.8000."),
        (0.8, 0.7, "fell from 0.8000 to 0.7000."),
        (0.7627, 0.7627, "stayed at 0.7627."),
        (0.76271, 0.76269, "stayed at 0.7627."),
    ],
)
def test_what_the_quarters_say(first: float, last: float, told: str) -> None:
    lines = SearchSummary({}, {"ours": search(20, first, last)}, [], 100, []).verdicts()
    assert lines == [f"The mean score of ours's networks {told}"]


def test_the_quarters_of_few_networks_say_nothing_of_learning() -> None:
    several = {"ours": search(19), "theirs": search(20)}
    told = [x for x in SearchSummary({}, several, [], 100, []).verdicts() if "mean score of" in x]
    assert told == ["The mean score of theirs's networks rose from 0.7000 to 0.8000."]
    assert SearchSummary({}, {"ours": search(19)}, [], 100, []).verdicts() == []


def test_one_seed_tells_nothing_apart() -> None:
    pair = [network("ours", (0.9,)), network("theirs", (0.1,))]
    told = "Retrained with one seed, ours and theirs cannot be told apart."
    assert said_of(pair, 1) == told
