"""Local search and evolution: what they propose, and what they must not."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chisquare

from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.spaces import Choice, Option, SearchSpace
from nas_env_agents import AGENTS, make_agent
from nas_env_agents.local_search import LocalSearch
from nas_env_agents.regularized_evolution import RegularizedEvolution
from tests.support.tiny_space import all_scores, tiny_env


class Words(SearchSpace):
    """Five letters of four; every prefix is a state, so the scores can be anything."""

    name, modality, num_decisions, max_length = "words", "vector", 4, 5

    def start(self):
        return ()

    def choice(self, state):
        options = tuple(Option(str(x)) for x in range(4))
        return Choice("letter", (0, 1, 2, 3), options) if len(state) < 5 else None

    def follow(self, state, decision):
        return (*state, decision)

    def assemble(self, walk):
        raise NotImplementedError

    def partial(self, walk):
        raise NotImplementedError


def drive(agent, score, count):
    """Let an agent propose walks without an environment; return them with their scores."""
    found = []
    for _ in range(count):
        walk = agent.propose()
        found.append((walk, score(walk)))
        agent.tell(*found[-1])
    return found


def with_words(agent):
    agent.space = Words()
    return agent


def rugged(walk) -> float:
    return float(np.random.default_rng((7, *walk)).random())


def one_apart(one, other) -> bool:
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1


@pytest.mark.parametrize("improvement", ["first", "best"])
def test_local_search_plays_nothing_twice_until_the_space_is_exhausted(improvement):
    agent = with_words(LocalSearch(tiny_env("tokens"), improvement=improvement))
    found = drive(agent, rugged, 1024)
    assert len({walk for walk, _ in found}) > 1000  # a few may be out of reach of 100 draws


@pytest.mark.parametrize("improvement", ["first", "best"])
def test_local_search_moves_up_and_begins_anew_only_at_an_optimum(improvement):
    agent = with_words(LocalSearch(tiny_env("tokens"), seed=3, improvement=improvement))
    moves = []
    move = agent.move

    def watched(walk, score):
        moves.append((agent.present, agent.score, walk, score))
        move(walk, score)

    agent.move = watched
    drive(agent, rugged, 300)
    assert len(moves) > 30
    for before, old, walk, score in moves:
        if before is None:
            continue
        assert one_apart(before, walk)
        assert score > old
        if improvement == "best":
            assert score == max(rugged(x) for x in agent.space.neighbours(before))
    for (_, _, peak, height), (before, *_) in pairwise(moves):
        if before is None:  # begun anew: nothing around the last walk was better
            assert height >= max(rugged(x) for x in agent.space.neighbours(peak))


def test_the_two_improvements_differ():
    walks = [
        drive(with_words(LocalSearch(tiny_env("tokens"), improvement=x)), rugged, 60)
        for x in ("first", "best")
    ]
    assert walks[0] != walks[1]
    with pytest.raises(UnknownNameError, match="Did you mean 'first'"):
        LocalSearch(tiny_env("tokens"), improvement="frist")


def test_local_search_finds_the_optimum_in_fewer_queries_than_random_search():
    """Random search without repeats needs 191 queries in the mean; these ten seeds need 37."""
    best, counts = all_scores()[-1], []
    for seed in range(10):
        agent = make_agent("local-search", tiny_env("tokens"), seed=seed)
        scores = []
        tell = agent.tell
        agent.tell = lambda walk, score, tell=tell, scores=scores: (
            scores.append(score),
            tell(walk, score),
        )
        agent.learn(1500)
        counts.append(next(i for i, x in enumerate(scores, start=1) if x >= best - 1e-9))
    assert np.mean(counts) < 191 / 2


@pytest.mark.parametrize("name", ["local-search", "regularized-evolution"])
def test_they_go_on_where_they_were_saved(name, tmp_path):
    agent = make_agent(name, tiny_env("tokens"), seed=0)
    agent.learn(100)
    agent.save(tmp_path / "agent")
    again = AGENTS.get(name).load(tmp_path / "agent", tiny_env("tokens"))
    one, other = (drive(x, lambda walk: sum(walk) % 7, 20) for x in (agent, again))
    assert one == other


def test_the_oldest_dies_not_the_worst():
    agent = with_words(RegularizedEvolution(tiny_env("tokens"), population_size=5))
    found = drive(agent, lambda walk: -len(agent.population), 5)
    assert list(agent.population) == found
    agent.tell((0, 0, 0, 0, 0), -100.0)  # the worst of all stays, the best and oldest goes
    assert list(agent.population) == [*found[1:], ((0, 0, 0, 0, 0), -100.0)]


@pytest.mark.parametrize("sample_size", [1, 3])
def test_the_parent_is_the_best_of_a_sample_with_replacement(sample_size):
    agent = RegularizedEvolution(tiny_env("tokens"), population_size=4, sample_size=sample_size)
    agent.population.extend(((rank,) * 5, float(rank)) for rank in range(4))
    times = 4000
    parents = Counter(agent.parent()[0] for _ in range(times))
    below = (np.arange(5) / 4) ** sample_size  # chance that every drawn member has a lower rank
    expected = times * np.diff(below)
    assert chisquare([parents[rank] for rank in range(4)], expected).pvalue > 0.01


def test_a_child_differs_in_one_decision_position_and_value_uniform():
    agent = with_words(RegularizedEvolution(tiny_env("tokens")))
    parent = (0, 1, 2, 3, 0)
    children = Counter(agent.mutate(parent) for _ in range(3000))
    assert all(one_apart(parent, child) for child in children)
    assert len(children) == 5 * 3
    assert chisquare(list(children.values())).pvalue > 0.01


def test_positions_have_equal_chances_where_their_choices_differ():
    agent = with_words(RegularizedEvolution(tiny_env("tokens")))
    agent.space.neighbours = lambda walk: ((1, 0), (2, 0), (3, 0), (0, 1))
    children = Counter(agent.mutate((0, 0)) for _ in range(2000))
    assert chisquare([children[0, 1], 2000 - children[0, 1]]).pvalue > 0.01


def test_a_child_of_a_walk_of_another_length_is_a_uniform_neighbour():
    agent = RegularizedEvolution(tiny_env("tokens"))
    walk = max(agent.space.enumerate(), key=len)
    around = agent.space.neighbours(walk)
    assert len({len(x) for x in around}) > 1
    children = Counter(agent.mutate(walk) for _ in range(100 * len(around)))
    assert chisquare([children[x] for x in around]).pvalue > 0.01


def test_evolution_begins_with_random_walks_and_breeds_afterwards():
    agent = with_words(RegularizedEvolution(tiny_env("tokens"), population_size=8))
    found = drive(agent, rugged, 8)
    for _ in range(20):
        members = [walk for walk, _ in agent.population]
        walk = agent.propose()
        assert any(one_apart(walk, member) for member in members)
        agent.tell(walk, rugged(walk))
    assert not all(one_apart(a[0], b[0]) for a, b in pairwise(found))


@pytest.mark.parametrize("name", ["population_size", "sample_size"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(InvalidSettingError, match=f"{name} must be an integer >= 1, but is 0"):
        RegularizedEvolution(tiny_env("tokens"), **{name: 0})
