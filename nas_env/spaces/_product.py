"""Spaces of fixed length in which all decisions are always legal, compiled with numpy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from functools import cached_property
from itertools import chain, product
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Shape
from nas_env.spaces._image import ImageSpace
from nas_env.spaces.automaton import NO_WALK, Automaton
from nas_env.spaces.base import Choice, Option, Walk


class ProductSpace(ImageSpace):
    """A fixed number of positions with the same options at each; the state is the walk so far.

    The parameters of a decision depend only on its position, so costs are additive.

    Args:
        name: The registered name.
        input_shape: Shape of the images, without batch.
        num_outputs: Number of classes.
        max_params: Maximum number of parameters, or None.
        positions: Name of the choice at each position.
        operations: Label of each decision.
    """

    def __init__(
        self,
        name: str,
        input_shape: Shape,
        num_outputs: int,
        max_params: int | None,
        positions: Sequence[str],
        operations: Sequence[str],
    ) -> None:
        super().__init__(name, input_shape, num_outputs, max_params)
        self.num_decisions, self.max_length = len(operations), len(positions)
        options = [Option(x, {"operation": (x, order)}) for order, x in enumerate(operations)]
        legal = tuple(range(len(operations)))
        self._choices = [Choice(position, legal, tuple(options)) for position in positions]
        self.feature_names = (
            "depth",
            *(f"{position}: {operation}" for position in positions for operation in operations),
        )

    @abstractmethod
    def prices(self) -> list[list[int]]:
        """Return the parameters that each decision adds at each position.

        The last position includes the parameters of the fixed part of the network.
        """

    def start(self) -> Walk:
        """Return the empty walk."""
        return ()

    def choice(self, state: Hashable) -> Choice | None:
        """Return all operations; None after the last position."""
        position = len(cast(Walk, state))
        return self._choices[position] if position < self.max_length else None

    def follow(self, state: Hashable, decision: int) -> Walk:
        """Return the longer walk."""
        return (*cast(Walk, state), decision)

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters that an operation adds; the last one includes the skeleton."""
        return self._prices[len(cast(Walk, state))][decision]

    def project(self, state: Hashable) -> int:
        """Return only the number of decisions made."""
        return len(cast(Walk, state))

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the share of positions decided, and the operation at each of them one-hot."""
        walk, blank = cast(Walk, state), (-1,) * self.max_length
        decided = (*walk, *blank)[: self.max_length]
        one_hot = (float(d == x) for x in decided for d in range(self.num_decisions))
        return len(walk) / self.max_length, *one_hot

    @cached_property
    def _prices(self) -> list[list[int]]:
        return self.prices()

    @cached_property
    def _automaton(self) -> Automaton:
        return compile_product(np.array(self._prices, dtype=np.int64))


def compile_product(prices: NDArray[np.int64]) -> Automaton:
    """Return the result of `compile_space` for such a space, without visiting single states.

    Args:
        prices: (positions, decisions) additive cost.
    """
    length, width = prices.shape
    sizes = width ** np.arange(length + 1)  # states by number of decisions
    depth = np.repeat(np.arange(length + 1), sizes)
    final = depth == length
    inner, total = int(sizes[:-1].sum()), len(depth)
    next_state = np.full((total, width), -1, dtype=np.int32)
    next_state[:inner] = 1 + np.arange(inner * width).reshape(inner, width)
    cost = np.zeros((total, width), dtype=np.int64)
    cost[:inner] = prices[depth[:inner]]
    least = np.append(prices.min(axis=1)[::-1].cumsum()[::-1], 0)  # by number of decisions
    most = np.append(prices.max(axis=1)[::-1].cumsum()[::-1], 0)
    to_go = np.full((total, width), NO_WALK, dtype=np.int64)
    to_go[:inner] = cost[:inner] + least[depth[:inner] + 1, None]
    states = chain.from_iterable(product(range(width), repeat=n) for n in range(length + 1))
    walks = tuple(sizes[::-1][depth].tolist())
    return Automaton(tuple(states), next_state, final, walks, cost, to_go, most[depth])
