"""Pairwise test cases: every two values that may occur together do, in few cases.

Most faults that depend on several parameters depend on two of them, so a full product costs much
and finds little more (Kuhn, Wallace and Gallo, "Software fault interactions and implications for
software testing", IEEE Transactions on Software Engineering 30(6), 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations, product

Case = tuple[Hashable, ...]
Pair = tuple[tuple[int, Hashable], tuple[int, Hashable]]


def pairwise_cases(
    factors: Sequence[Iterable[Hashable]], allowed: Callable[..., bool] = lambda *_: True
) -> list[Case]:
    """Return cases that cover every pair of values of every two factors.

    Cases are chosen greedily: the one with the most pairs that are not covered yet comes next, the
    first of equals in the order of the full product. Equal factors give equal cases.

    Args:
        factors: The values of each parameter.
        allowed: Called with one value per factor; False excludes the combination. Pairs that occur
            in no allowed combination are not covered.

    Example:
        >>> pairwise_cases([["a", "b"], [0, 1], [True, False]])
        [('a', 0, True), ('a', 1, False), ('b', 0, False), ('b', 1, True)]
    """
    return reduce_to_pairs(case for case in product(*factors) if allowed(*case))


def reduce_to_pairs(cases: Iterable[Case]) -> list[Case]:
    """Return cases, chosen greedily from those given, that have every pair that those have."""
    left = {case: pairs_of(case) for case in cases}
    covered: set[Pair] = set()
    chosen: list[Case] = []
    while left:
        best = max(left, key=lambda case: len(left[case] - covered))
        if not left[best] - covered:
            break
        covered |= left.pop(best)
        chosen.append(best)
    return chosen


def pairs_of(case: Case) -> set[Pair]:
    """Return the pairs of values that a case covers; of one factor alone, its value."""
    values = list(enumerate(case))
    return set(combinations(values, 2)) if len(values) > 1 else {(x, x) for x in values}
