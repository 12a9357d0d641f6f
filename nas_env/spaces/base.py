"""The base class of search spaces, with the methods that all spaces share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Architecture, Candidate, Recipe, Scalar, Shape
from nas_env.errors import IllegalDecisionError, InvalidSettingError
from nas_env.registry import Registry
from nas_env.spaces.automaton import Automaton, compile_space
from nas_env.spaces.choice import Anchor, Choice, Option, Walk
from nas_env.spaces.edits import EditRules, Neighbour
from nas_env.spaces.neighbours import Neighbourhood

MAX_REJECTIONS = 10_000
__all__ = ["SPACES", "Anchor", "Choice", "Option", "SearchSpace", "SpaceFactory", "Walk"]


class SearchSpace(ABC):
    """A finite automaton: each state has legal decisions, or marks the walk as complete.

    A complete walk is an architecture. A state is hashable and holds the information that legality,
    additive costs and tabular controllers need. A space has at most 100,000 states.

    Attributes:
        name: The registered name.
        modality: Modality of the tasks that fit, such as "image" or "vector".
        num_decisions: Size of the action space.
        max_length: Length of the longest walk.
        input_shape: Shape of the inputs without the batch dimension; None means any.
        num_outputs: Number of classes; None means any.
        max_params: Maximum number of parameters that legality enforces, or None.
        additive_cost: Whether `cost` returns the parameters that a decision adds.
        bounds_cost: Whether `cost` returns an upper bound, because the exact number depends on the
            other decisions.
        distinct: Whether different walks always give different networks.
        feature_names: Names of the features that `features` returns.
        anchors: The decisions about skip connections, at the same positions in every walk; empty by
            default.
    """

    name: str
    modality: str
    num_decisions: int
    max_length: int
    input_shape: Shape | None = None
    num_outputs: int | None = None
    max_params: int | None = None
    additive_cost: bool = False
    bounds_cost: bool = False
    distinct: bool = False
    feature_names: tuple[str, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    recipe: Mapping[str, Scalar] | None = None

    @abstractmethod
    def start(self) -> Hashable:
        """Return the state before the first decision."""

    @abstractmethod
    def choice(self, state: Hashable) -> Choice | None:
        """Return the choice in a state, or None if the walk is complete."""

    @abstractmethod
    def follow(self, state: Hashable, decision: int) -> Hashable:
        """Return the state after a legal decision."""

    @abstractmethod
    def partial(self, walk: Walk) -> Architecture:
        """Return the layers that a legal, possibly incomplete walk defines."""

    def assemble(self, walk: Walk) -> Candidate:
        """Return the candidate of a complete walk, without checking that the walk is legal.

        By default the candidate has the default recipe.
        """
        return Candidate(self.partial(walk), walk=walk)

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters that a legal decision adds (only with `additive_cost`)."""
        raise InvalidSettingError(
            f"Space {self.name!r} has no additive cost. Check `additive_cost` before calling "
            "`cost`."
        )

    def project(self, state: Hashable) -> Hashable:
        """Return a coarser state for tabular controllers; by default the state itself."""
        return state

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return features of a partial network in [0, 1], in the order of `feature_names`."""
        return ()

    def training(self, walk: Walk) -> dict[str, Scalar]:
        """Return the recipe settings that a legal, possibly incomplete walk defines."""
        return {}

    def descriptors(self, walk: Walk) -> dict[str, tuple[float, ...]]:
        """Return features of a complete walk, in named groups of fixed lengths.

        A reward model can compare walks by them; see the option `descriptors` of the agent
        `imagination`. Empty by default; a space overrides it if it has features that predict better
        than the decisions.
        """
        return {}

    # ---- implemented by the base class ----

    def trained_with(self, **recipe: Any) -> Self:
        """Return a copy of this space that overrides recipe settings, such as batch_size.

        Raises:
            UnknownNameError: A setting of the recipe does not exist.
            InvalidSettingError: A value is out of range, or the walk decides the setting.
        """
        Recipe.from_json(recipe)
        decided = self.training(self.sample(np.random.default_rng(0)))
        for name in recipe:
            if name in decided:
                raise InvalidSettingError(
                    f"Recipe setting {name} is a decision of space {self.name!r}, got "
                    f"{name}={recipe[name]!r}. Omit it."
                )
        space = copy(self)
        space.recipe = {**(self.recipe or {}), **recipe}
        return space

    def candidate(self, walk: Walk) -> Candidate:
        """Return the candidate of `assemble`, with the recipe settings of `trained_with`."""
        plain = self.assemble(walk)
        if self.recipe is None:
            return plain
        settings: dict[str, Any] = dict(self.recipe)
        return replace(plain, recipe=replace(plain.recipe, **settings))

    @cached_property
    def _automaton(self) -> Automaton:
        return compile_space(self)

    def automaton(self) -> Automaton:
        """Return the space compiled to arrays; cached."""
        return self._automaton

    def options(self) -> tuple[Option, ...]:
        """Return all decisions of the space in the order of their numbers."""
        choice = self.choice(self.start())
        return choice.options if choice else ()

    def check(self, walk: Sequence[int], limited: bool = True) -> str | None:
        """Return why a walk is not complete and legal, or None if it is.

        Args:
            walk: The decisions.
            limited: Whether to check the parameter limit.
        """
        automaton, state, spent = self.automaton(), 0, 0
        limit = self.max_params if limited else None
        for position, decision in enumerate(walk):
            if automaton.final[state]:
                return (
                    f"The walk is complete after {position} decisions, got {len(walk)}. "
                    f"Use the first {position}."
                )
            allowed = np.flatnonzero(automaton.allowed(state, spent, limit))
            if decision not in allowed:
                return (
                    f"Decision {decision} is not legal at position {position}. "
                    f"Legal: {', '.join(map(str, allowed))}."
                )
            spent += int(automaton.cost[state, decision]) if automaton.cost is not None else 0
            state = int(automaton.next_state[state, decision])
        if not automaton.final[state]:
            return f"The walk is not complete after {len(walk)} decisions. Add more decisions."
        return None

    @cached_property
    def edit_rules(self) -> EditRules:
        """The edits of this space; cached."""
        return EditRules(self.automaton(), self.options(), self.max_params)

    def edits(self, walk: Walk) -> tuple[Neighbour, ...]:
        """Return all complete legal walks that are one edit away from a walk.

        If the walk exceeds the parameter limit, only edits that remove parameters are returned.

        Raises:
            IllegalDecisionError: The walk, apart from the limit, is not complete and legal.
        """
        self.require(walk, limited=False)
        return self.edit_rules.neighbours(tuple(int(decision) for decision in walk))

    @cached_property
    def _neighbourhood(self) -> Neighbourhood:
        return Neighbourhood(self.automaton(), self.max_params)

    def neighbours(self, walk: Walk) -> tuple[Walk, ...]:
        """Return all complete legal walks that differ from a walk by one decision, sorted.

        One decision is replaced, inserted or removed (Levenshtein distance 1). The parameter limit
        is respected.

        Raises:
            IllegalDecisionError: The walk, apart from the limit, is not complete and legal.
        """
        walk = tuple(int(decision) for decision in walk)
        if walk not in self._neighbourhood:
            self.require(walk, limited=False)
        return self._neighbourhood.of(walk)

    def require(self, walk: Sequence[int], limited: bool = True) -> None:
        """Raise IllegalDecisionError if the walk is not complete and legal; see `check`."""
        if (fault := self.check(walk, limited)) is not None:
            raise IllegalDecisionError(fault)

    def decode(self, walk: Walk) -> Candidate:
        """Return the candidate of a complete walk.

        Raises:
            IllegalDecisionError: The walk is not complete and legal.
        """
        self.require(walk)
        return self.candidate(tuple(int(decision) for decision in walk))

    def size(self) -> int:
        """Return the exact number of complete legal walks within the parameter limit.

        With a limit the count follows every distinct partial cost. This takes seconds for small
        spaces, many minutes for a MetaQNN preset.
        """
        automaton = self.automaton()
        if self.max_params is None or automaton.cost is None or automaton.most is None:
            return automaton.walks[0]
        complete, frontier = 0, Counter({(0, 0): 1})  # (state, spent) -> number of prefixes
        while frontier:
            after: Counter[tuple[int, int]] = Counter()
            for (state, spent), count in frontier.items():
                if spent + automaton.most[state] <= self.max_params:
                    complete += count * automaton.walks[state]
                    continue
                for decision in np.flatnonzero(automaton.allowed(state, spent, self.max_params)):
                    price = int(automaton.cost[state, decision])
                    after[int(automaton.next_state[state, decision]), spent + price] += count
            frontier = after
        return complete

    def enumerate(self) -> Iterator[Walk]:
        """Yield every complete legal walk in lexicographic order."""
        automaton = self.automaton()
        stack: list[tuple[int, int, Walk]] = [(0, 0, ())]
        while stack:
            state, spent, walk = stack.pop()
            if automaton.final[state]:
                yield walk
                continue
            for decision in np.flatnonzero(automaton.allowed(state, spent, self.max_params))[::-1]:
                price = int(automaton.cost[state, decision]) if automaton.cost is not None else 0
                child = int(automaton.next_state[state, decision])
                stack.append((child, spent + price, (*walk, int(decision))))

    def sample(
        self, rng: np.random.Generator, by: Literal["decisions", "walks"] = "decisions"
    ) -> Walk:
        """Return a random complete walk.

        Args:
            rng: Source of randomness.
            by: "decisions" draws each legal decision with equal probability, which papers call
                random search; "walks" draws each complete walk with equal probability, which
                returns almost only the longest walks.

        Raises:
            InvalidSettingError: `by` is neither of them, or too few walks satisfy `max_params` to
                sample by "walks".
        """
        if by == "decisions":
            return self._draw(rng, self.max_params, lambda state, legal: None)
        if by != "walks":
            raise InvalidSettingError(f"Argument by must be 'decisions' or 'walks', got {by!r}.")
        for _ in range(MAX_REJECTIONS):
            walk = self._draw(rng, None, self._walk_weights)
            if self.max_params is None or self.check(walk) is None:
                return walk
        raise InvalidSettingError(
            f"None of {MAX_REJECTIONS} random walks satisfies max_params={self.max_params}. "
            "Sample by 'decisions', or increase the limit."
        )

    def _walk_weights(self, state: int, legal: NDArray[np.intp]) -> NDArray[np.float64]:
        automaton = self.automaton()
        counts = [automaton.walks[automaton.next_state[state, decision]] for decision in legal]
        total = sum(counts)
        return np.array([count / total for count in counts])

    def _draw(
        self,
        rng: np.random.Generator,
        limit: int | None,
        weights: Callable[[int, NDArray[np.intp]], NDArray[np.float64] | None],
    ) -> Walk:
        automaton, state, spent, walk = self.automaton(), 0, 0, []
        while not automaton.final[state]:
            legal = np.flatnonzero(automaton.allowed(state, spent, limit))
            decision = int(rng.choice(legal, p=weights(state, legal)))
            walk.append(decision)
            spent += int(automaton.cost[state, decision]) if automaton.cost is not None else 0
            state = int(automaton.next_state[state, decision])
        return tuple(walk)

    def check_limit(self) -> None:
        """Check that the space can enforce the parameter limit.

        Raises:
            InvalidSettingError: The space has no additive cost, or every walk exceeds the limit.
        """
        if self.max_params is None:
            return
        if isinstance(self.max_params, bool) or not isinstance(self.max_params, int | np.integer):
            raise InvalidSettingError(
                f"Argument max_params must be an integer, got {self.max_params!r}."
            )
        cheapest = self.automaton().cheapest
        if cheapest is None:
            raise InvalidSettingError(
                f"Space {self.name!r} has no additive cost and cannot enforce "
                f"max_params={self.max_params}. Omit max_params."
            )
        if cheapest[0] > self.max_params:
            raise InvalidSettingError(
                f"No network of space {self.name!r} has at most max_params={self.max_params} "
                f"parameters. The smallest has {cheapest[0]}."
            )


@dataclass(frozen=True)
class SpaceFactory:
    """A registry entry of a space.

    Attributes:
        build: Called with `name`, `input_shape`, `num_outputs` and `max_params` by keyword.
        default_task: Name of the default task.
        default_shape: Default input shape, for using a space without a task.
        description: One sentence for lists; by default the first one of the space's docstring.
    """

    build: Callable[..., SearchSpace]
    default_task: str
    default_shape: Shape
    description: str = ""

    def __call__(
        self,
        input_shape: Shape | None = None,
        num_outputs: int = 10,
        max_params: int | None = None,
    ) -> SearchSpace:
        """Return the space for inputs of `input_shape` (without batch) and `num_outputs` classes.

        Raises:
            InvalidSettingError: The space cannot enforce the parameter limit.
        """
        space = self.build(
            input_shape=input_shape or self.default_shape,
            num_outputs=num_outputs,
            max_params=max_params,
        )
        space.check_limit()
        return space


SPACES: Registry[SpaceFactory] = Registry("search space", package="nas_env.spaces")

__all__ = ["SPACES", "Choice", "Option", "SearchSpace", "SpaceFactory", "Walk"]
