"""From a network back to the decisions that lead to it."""

from __future__ import annotations

import numpy as np

from nas_env.architecture import Architecture
from nas_env.spaces.base import SearchSpace
from nas_env.spaces.choice import Walk

MAX_PREFIXES = 10_000  # partial walks that are followed


def walk_of(space: SearchSpace, architecture: Architecture) -> Walk | None:
    """Return a legal walk of a space to an architecture, or None if none is found.

    The search follows the decisions whose partial network is the beginning of the architecture. So
    it finds walks in spaces that append layers, but not in cell spaces.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("mlp")(input_shape=(13,), num_outputs=3)
        >>> walk_of(space, space.decode((8, 6, 11)).architecture)
        (8, 6, 11)
    """
    automaton, layers = space.automaton(), architecture.layers
    stack: list[tuple[int, int, Walk]] = [(0, 0, ())]
    for _ in range(MAX_PREFIXES):
        if not stack:
            return None
        state, spent, walk = stack.pop()
        if automaton.final[state]:
            if space.candidate(walk).architecture == architecture:
                return walk
            continue
        for decision in np.flatnonzero(automaton.allowed(state, spent, space.max_params))[::-1]:
            longer = (*walk, int(decision))
            partial = space.partial(longer).layers
            if partial == layers[: len(partial)]:
                price = 0 if automaton.cost is None else int(automaton.cost[state, decision])
                after = int(automaton.next_state[state, decision])
                stack.append((after, spent + price, longer))
    return None
