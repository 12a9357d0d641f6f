"""NSGA-II of the library pymoo on the walks of a space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_env.errors import MissingDependencyError
from nas_env.spaces import SearchSpace, Walk

PATIENCE = 50  # generations without a new network


def search(
    space: SearchSpace, points: Any, limit: int, population: int, seed: int
) -> list[tuple[int, ...]]:
    """Return the different walks that NSGA-II evaluates, in order, at most `limit`.

    Each decision is a variable with the values of its position. Children come from uniform
    crossover and random replacement of decisions, as in pymoo for choices. A repeated walk costs
    nothing.

    Args:
        space: Walks of one length, with the same decisions in each state of a position.
        points: Called with a list of walks; returns (n, objectives), lower is better.
        limit: Different walks.
        population: Members, and children of a generation.
        seed: Seed of the algorithm.

    Raises:
        MissingDependencyError: pymoo is not installed.

    Reference: Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic
        Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6(2), 2002.
    """
    algorithm = _algorithm(_choices(space), population, seed)
    evaluated: dict[Walk, Any] = {}
    waited = 0
    while len(evaluated) < limit and waited < PATIENCE:
        generation = algorithm.ask()
        walks = [tuple(int(x[str(i)]) for i in range(len(x))) for x in generation.get("X")]
        new = [x for x in dict.fromkeys(walks) if x not in evaluated][: limit - len(evaluated)]
        waited = 0 if new else waited + 1
        evaluated |= dict(zip(new, points(new), strict=True)) if new else {}
        if any(walk not in evaluated for walk in walks):  # the limit ends in this generation
            break
        generation.set("F", np.array([evaluated[walk] for walk in walks]))
        algorithm.tell(infills=generation)
    return list(evaluated)


def _choices(space: SearchSpace) -> list[Sequence[int]]:
    """Return the decisions of each position."""
    state, choices = space.start(), list[Sequence[int]]()
    while (choice := space.choice(state)) is not None:
        choices.append(choice.legal)
        state = space.follow(state, choice.legal[0])
    return choices


def _algorithm(choices: Sequence[Sequence[int]], population: int, seed: int) -> Any:
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.mixed import (
            MixedVariableDuplicateElimination,
            MixedVariableMating,
            MixedVariableSampling,
        )
        from pymoo.core.problem import Problem
        from pymoo.core.variable import Choice
    except ImportError as error:
        raise MissingDependencyError(
            f"NSGA-II needs pymoo, which is not installed ({error}). Run: make install."
        ) from None
    different = MixedVariableDuplicateElimination()
    algorithm = NSGA2(
        pop_size=population,
        sampling=MixedVariableSampling(),
        mating=MixedVariableMating(eliminate_duplicates=different),
        eliminate_duplicates=different,
    )
    variables = {str(i): Choice(options=list(legal)) for i, legal in enumerate(choices)}
    problem = Problem(vars=variables, n_obj=2)
    algorithm.setup(problem, seed=seed, termination=("n_gen", 10**9), verbose=False)
    return algorithm
