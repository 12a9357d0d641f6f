"""Pairwise cases cover every pair, with few cases, and always the same ones."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.pairwise import pairs_of, pairwise_cases, reduce_to_pairs

SIZES = [(3,), (3, 4), (2, 3, 4), (5, 5, 5), (2, 2, 2, 2, 2), (20, 5, 2), (1, 1, 1)]


def factors_of(sizes: tuple[int, ...]) -> list[range]:
    return [range(size) for size in sizes]


def all_pairs(cases) -> set:
    return set().union(*map(pairs_of, cases))


@pytest.mark.parametrize("sizes", SIZES)
def test_every_pair_is_covered(sizes: tuple[int, ...]) -> None:
    cases = pairwise_cases(factors_of(sizes))
    assert all_pairs(cases) == all_pairs(product(*factors_of(sizes)))


@pytest.mark.parametrize(("sizes", "most"), [((5, 5, 5), 36), ((2,) * 5, 8), ((20, 5, 2), 100)])
def test_there_are_few_cases(sizes: tuple[int, ...], most: int) -> None:
    assert len(pairwise_cases(factors_of(sizes))) <= most


def test_forbidden_combinations_do_not_occur_and_all_others_are_covered() -> None:
    def allowed(letter: str, number: int, flag: bool) -> bool:
        return letter != "a" or (number == 0 and flag)

    factors = ["abc", range(3), (False, True)]
    cases = pairwise_cases(factors, allowed)
    assert all(allowed(*case) for case in cases)
    assert all_pairs(cases) == all_pairs(x for x in product(*factors) if allowed(*x))


def test_the_cases_are_the_same_every_time_and_none_is_there_twice() -> None:
    factors = factors_of((4, 3, 3, 2))
    cases = pairwise_cases(factors)
    assert cases == pairwise_cases(factors)
    assert len(set(cases)) == len(cases)


def test_cases_of_a_list_are_chosen_from_it() -> None:
    full = [case for case in product(range(4), range(4), range(4)) if sum(case) % 3]
    cases = reduce_to_pairs(full)
    assert set(cases) < set(full)
    assert all_pairs(cases) == all_pairs(full)


def test_no_factors_and_empty_factors() -> None:
    assert pairwise_cases([[], [1, 2]]) == []
    assert reduce_to_pairs([]) == []
