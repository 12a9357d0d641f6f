"""The contract of every search space."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nas_env.architecture import Architecture
from nas_env.errors import IllegalDecisionError, InvalidSettingError, NASError
from nas_env.layers import LAYERS
from nas_env.network import predict
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.spaces.chain import ChainSpace, Grammar
from nas_env.tasks import TASKS, TaskSpec

Make = Callable[..., SearchSpace]
Spec = Callable[[SearchSpace], TaskSpec]
By = Literal["decisions", "walks"]
TINY = Grammar(convolutions=((2, 1, 1), (3, 3, 1)), pools=((2, 2),), linears=(4, 2), max_depth=3)


def tiny(max_params: int | None = None) -> SearchSpace:
    return ChainSpace(TINY, "tiny", (1, 4, 4), 3, max_params)


def walks_of(space: SearchSpace, count: int, by: By, seed: int = 0) -> list[Walk]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng, by) for _ in range(count)]


@pytest.mark.parametrize("by", ["decisions", "walks"])
def test_sampled_walks_are_complete(make_space: Make, space_name: str, by: By) -> None:
    space = make_space(space_name)
    walks = walks_of(space, 100, by)
    assert all(space.check(walk) is None for walk in walks)
    assert max(map(len, walks)) <= space.max_length
    assert len(set(walks)) > min(50, space.size() // 4)
    assert walks == walks_of(space, 100, by)
    assert walks != walks_of(space, 100, by, seed=1)


def test_check_agrees_with_choice_at_every_prefix(make_space: Make, space_name: str) -> None:
    space = make_space(space_name)
    for walk in walks_of(space, 20 if space.max_length < 60 else 2, "decisions"):
        state = space.start()
        for position, decision in enumerate(walk):
            choice = space.choice(state)
            assert choice is not None
            assert choice.legal
            assert list(choice.legal) == sorted(set(choice.legal))
            assert decision in choice.legal
            prefix = walk[:position]
            assert "not complete" in str(space.check(prefix))
            for other in range(-1, space.num_decisions + 1):
                refused = "not legal" in str(space.check((*prefix, other)))
                assert refused is (other not in choice.legal)
            state = space.follow(state, decision)
        assert space.choice(state) is None
        assert "is complete after" in str(space.check((*walk, 0)))


def test_every_legal_decision_leads_on(make_space: Make, space_name: str) -> None:
    space = make_space(space_name)
    automaton = space.automaton()
    assert len(set(automaton.states)) == automaton.num_states <= 100_000
    for number, state in enumerate(automaton.states):
        choice = space.choice(state)
        assert bool(automaton.final[number]) is (choice is None)
        legal = choice.legal if choice else ()
        assert tuple(np.flatnonzero(automaton.legal[number])) == legal
        for decision in legal[:2]:
            after = automaton.states[automaton.next_state[number, decision]]
            assert after == space.follow(state, decision)
            assert hash(after) == hash(space.follow(state, decision))
    assert min(automaton.walks) >= 1


def test_the_longest_walk_has_the_stated_length(make_space: Make, space_name: str) -> None:
    space, reached, longest = make_space(space_name), np.zeros(1, np.int64), -1
    while len(reached):
        after = space.automaton().next_state[reached]
        reached, longest = np.unique(after[after >= 0]), longest + 1
    assert longest == space.max_length
    assert max(len(walk) for walk in walks_of(space, 300, "walks")) > 0.7 * longest


def test_options_are_complete_and_told_apart(make_space: Make, space_name: str) -> None:
    labels = [option.label for option in make_space(space_name).options()]
    assert len(labels) == len(set(labels)) == make_space(space_name).num_decisions


def test_decoding_is_deterministic_and_survives_json(make_space: Make, space_name: str) -> None:
    space, again = make_space(space_name), SPACES.get(space_name)()
    keys = set()
    walks = set(walks_of(space, 100, "decisions"))
    for walk in walks:
        candidate = space.decode(walk)
        assert candidate == again.decode(walk)
        assert candidate.walk == walk
        assert Architecture.from_json(candidate.architecture.to_json()) == candidate.architecture
        assert space.partial(walk) == candidate.architecture
        assert {layer.kind for layer in candidate.architecture.layers} <= set(LAYERS)
        keys.add(candidate.key)
    if space.distinct:
        assert len(keys) == len(walks)


def test_a_wrong_walk_is_not_decoded(make_space: Make, space_name: str) -> None:
    with pytest.raises(IllegalDecisionError, match="not complete after 0 decisions"):
        make_space(space_name).decode(())


def with_costs(space: SearchSpace) -> SearchSpace:
    """Return a space whose decisions have additive costs, or skip the test."""
    if not space.additive_cost:
        pytest.skip("this space has no additive cost, so no limit of parameters")
    return space


def cheapest_of(space: SearchSpace) -> int:
    """Return the parameters of the smallest network."""
    cheapest = with_costs(space).automaton().cheapest
    assert cheapest is not None
    return int(cheapest[0])


def spent_on(space: SearchSpace, walk: Walk) -> int:
    """Return the sum of the costs of a walk's decisions."""
    automaton, state, spent = space.automaton(), 0, 0
    assert automaton.cost is not None
    for decision in walk:
        spent += int(automaton.cost[state, decision])
        state = int(automaton.next_state[state, decision])
    return spent


def test_additive_costs_equal_the_predicted_parameters_or_bound_them(
    make_space: Make, spec_for: Spec, space_name: str
) -> None:
    space = with_costs(make_space(space_name))
    spec = spec_for(space)
    for walk in walks_of(space, 50, "decisions") + walks_of(space, 50, "walks"):
        spent = spent_on(space, walk)
        params = predict(space.decode(walk).architecture, spec).params
        assert params <= spent if space.bounds_cost else params == spent


@pytest.mark.parametrize("times", [1, 3, 30])
def test_a_parameter_limit_is_kept_without_dead_ends(
    make_space: Make, spec_for: Spec, space_name: str, times: int
) -> None:
    limit = times * cheapest_of(make_space(space_name))
    space = make_space(space_name, None, 10, limit)
    spec = spec_for(space)
    params = []
    for walk in walks_of(space, 100, "decisions"):  # sampling would fail at a dead end
        assert space.check(walk) is None
        params.append(predict(space.decode(walk).architecture, spec).params)
    assert max(params) <= limit
    assert times > 1 or space.bounds_cost or set(params) == {limit}


def test_walks_over_the_limit_are_refused(make_space: Make, space_name: str) -> None:
    free = with_costs(make_space(space_name))
    walks = walks_of(free, 20, "walks")
    spent = [spent_on(free, walk) for walk in walks]
    limit = min(spent)
    limited = make_space(space_name, None, 10, limit)
    faults = [limited.check(walk) for walk in walks]
    assert [fault is not None for fault in faults] == [params > limit for params in spent]
    assert all("not legal" in str(fault) for fault in faults if fault is not None)
    assert len(set(spent)) == 1 or any(faults)


def test_an_impossible_limit_is_refused(make_space: Make, space_name: str) -> None:
    cheapest = cheapest_of(make_space(space_name))
    with pytest.raises(InvalidSettingError, match=f"The smallest has {cheapest}"):
        SPACES.get(space_name)(None, 10, cheapest - 1)


def test_a_shape_of_another_modality_is_refused(make_space: Make, space_name: str) -> None:
    shape = (13,) if make_space(space_name).modality == "image" else (1, 8, 8)
    with pytest.raises(NASError, match=re.escape(str(shape))):
        SPACES.get(space_name)(shape)


def test_the_default_task_fits(make_space: Make, space_name: str) -> None:
    name = SPACES.get(space_name).default_task
    assert name in TASKS
    assert TASKS.get(name)().spec.modality == make_space(space_name).modality


def test_features_are_named_and_bounded(make_space: Make, space_name: str) -> None:
    space = make_space(space_name)
    features = np.array([space.features(state) for state in space.automaton().states])
    assert features.shape == (space.automaton().num_states, len(space.feature_names))
    assert features.min() >= 0
    assert features.max() <= 1


@given(actions=st.lists(st.integers(0, 10**6), min_size=20, max_size=20), seed=st.integers(0, 9))
def test_any_numbers_become_a_walk_by_projection(
    make_space: Make, space_name: str, actions: list[int], seed: int
) -> None:
    space = make_space(space_name)
    state, walk = space.start(), []
    for action in actions:
        if (choice := space.choice(state)) is None:
            break
        walk.append(choice.legal[action % len(choice.legal)])
        state = space.follow(state, walk[-1])
    assert space.check(walk) is None or len(walk) == 20


def brute_force(space: SearchSpace) -> set[Walk]:
    """Return all walks by trying every sequence against the space's own rules."""
    found = set()
    for length in range(1, space.max_length + 1):
        for walk in product(range(space.num_decisions), repeat=length):
            state = space.start()
            for decision in walk:
                choice = space.choice(state)
                if choice is None or decision not in choice.legal:
                    break
                state = space.follow(state, decision)
            else:
                if space.choice(state) is None:
                    found.add(walk)
    return found


def test_size_and_enumeration_equal_brute_force() -> None:
    space, expected = tiny(), brute_force(tiny())
    walks = list(space.enumerate())
    assert walks == sorted(expected)
    assert space.size() == space.automaton().walks[0] == len(expected)


@pytest.mark.parametrize("limit", [12, 40, 60, 10_000])
def test_size_under_a_limit_equals_brute_force(limit: int) -> None:
    spec = TaskSpec("probe", 1, "image", (1, 4, 4), 3)
    sizes = {
        walk: predict(tiny().decode(walk).architecture, spec).params for walk in brute_force(tiny())
    }
    expected = sorted(walk for walk, params in sizes.items() if params <= limit)
    space = tiny(limit)
    assert list(space.enumerate()) == expected
    assert space.size() == len(expected)


def test_sampling_by_walks_is_uniform_and_by_decisions_is_not() -> None:
    space = tiny()
    for by, uniform in (("walks", True), ("decisions", False)):
        counts = Counter(walks_of(space, 50 * space.size(), by))  # type: ignore[arg-type]
        observed = [counts[walk] for walk in space.enumerate()]
        assert bool(chisquare(observed).pvalue > 0.01) is uniform


def test_sampling_by_decisions_gives_each_legal_decision_the_same_chance() -> None:
    space = tiny()
    first = Counter(walk[0] for walk in walks_of(space, 2000, "decisions"))
    choice = space.choice(space.start())
    assert choice is not None
    assert sorted(first) == list(choice.legal)
    assert chisquare(list(first.values())).pvalue > 0.01


def test_sampling_by_anything_else_is_refused() -> None:
    with pytest.raises(InvalidSettingError, match="'decisions' or 'walks'"):
        tiny().sample(np.random.default_rng(0), "layers")  # type: ignore[arg-type]


def distance(one: Walk, other: Walk) -> int:
    """Return the Levenshtein distance of two walks."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def test_neighbours_are_legal_and_one_decision_away(make_space: Make, space_name: str) -> None:
    space = make_space(space_name)
    count = 10 if space.max_length < 60 else 2
    for walk in walks_of(space, count, "decisions") + walks_of(space, count, "walks"):
        around = space.neighbours(walk)
        assert list(around) == sorted(set(around))
        assert around
        for other in around:
            assert space.check(other) is None
            assert distance(walk, other) == 1
        for other in around[:: max(1, len(around) // 10)]:
            assert walk in space.neighbours(other)


@pytest.mark.parametrize("limit", [None, 60])
def test_neighbours_equal_brute_force(limit: int | None) -> None:
    space = tiny(limit)
    walks = list(space.enumerate())
    for walk in walks:
        expected = tuple(other for other in walks if distance(walk, other) == 1)
        assert space.neighbours(walk) == expected
    assert {len(x) - len(y) for x in walks for y in space.neighbours(x)} == {-1, 0, 1}


def test_a_walk_over_the_limit_has_neighbours_under_it() -> None:
    free, space = tiny(), tiny(60)
    over = [walk for walk in free.enumerate() if space.check(walk) is not None]
    for walk in over:
        around = set(space.neighbours(walk))
        assert around == {x for x in free.neighbours(walk) if space.check(x) is None}


def test_only_complete_walks_have_neighbours() -> None:
    with pytest.raises(IllegalDecisionError, match="not complete"):
        tiny().neighbours(())


@pytest.mark.parametrize(("name", "count"), [("nasbench201", 6 * 4), ("nasbench-macro", 8 * 2)])
def test_neighbours_of_fixed_lengths_differ_by_one_decision_replaced(
    make_space: Make, name: str, count: int
) -> None:
    space = make_space(name)
    for walk in walks_of(space, 5, "walks"):
        assert len(space.neighbours(walk)) == count
        assert {len(other) for other in space.neighbours(walk)} == {len(walk)}
