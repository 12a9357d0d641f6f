"""The interface of a search space, and what every space gets for nothing."""

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
    """A finite automaton: in each state, which decisions are legal, or that the walk is complete.

    A complete walk is an architecture. A state is hashable and holds what legality, additive costs
    and a tabular controller need; there are at most 100,000 of them.

    Attributes:
        name: The registered name.
        modality: Which tasks fit, such as "image" or "vector".
        num_decisions: Width of the action space.
        max_length: Length of the longest walk.
        input_shape: Shape of the inputs it was made for, without batch; None means any.
        num_outputs: Classes it was made for; None means any.
        max_params: Limit on parameters that legality respects, or None.
        additive_cost: Whether `cost` gives the parameters a decision adds.
        bounds_cost: Whether it gives the most that it may add, where that depends on the rest.
        distinct: Whether no two walks lead to the same network.
        feature_names: Names of the numbers that `features` returns.
        anchors: The decisions about skip connections, at the same positions in every walk; there
            are none unless a space says so.
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
        """Return what is offered in a state; None says that the walk is complete."""

    @abstractmethod
    def follow(self, state: Hashable, decision: int) -> Hashable:
        """Return the state after a legal decision."""

    @abstractmethod
    def partial(self, walk: Walk) -> Architecture:
        """Return the layers that a legal walk, complete or not, has decided so far."""

    def assemble(self, walk: Walk) -> Candidate:
        """Return the candidate of a complete walk that is known to be legal.

        Unless a space says otherwise it is trained by the default recipe.
        """
        return Candidate(self.partial(walk), walk=walk)

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters that a legal decision adds (only with `additive_cost`)."""
        raise InvalidSettingError(
            f"Space {self.name!r} has no additive cost. Ask `additive_cost` before `cost`."
        )

    def project(self, state: Hashable) -> Hashable:
        """Return a coarser state for tabular controllers; the state itself where there is none."""
        return state

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return numbers in [0, 1] that describe a partial network, named by `feature_names`."""
        return ()

    def training(self, walk: Walk) -> dict[str, Scalar]:
        """Return what a legal walk, complete or not, has decided of the recipe, by its fields."""
        return {}

    def descriptors(self, walk: Walk) -> dict[str, tuple[float, ...]]:
        """Return numbers that describe a complete walk, in named groups of fixed lengths.

        A model of the reward may compare walks by them; see the option `descriptors` of the agent
        `imagination`. There are none unless a space knows some that are better than the decisions.
        """
        return {}

    # ---- given by the base ----

    def trained_with(self, **recipe: Any) -> Self:
        """Return this space with other settings of its networks' recipe, such as batch_size.

        Raises:
            UnknownNameError: A recipe has no such setting.
            InvalidSettingError: A value is out of its range, or is decided in the walk.
        """
        Recipe.from_json(recipe)
        decided = self.training(self.sample(np.random.default_rng(0)))
        for name in recipe:
            if name in decided:
                raise InvalidSettingError(
                    f"Recipe setting {name} is a decision of space {self.name!r}, but "
                    f"{name}={recipe[name]!r} was given. Leave it out."
                )
        made = copy(self)
        made.recipe = {**(self.recipe or {}), **recipe}
        return made

    def candidate(self, walk: Walk) -> Candidate:
        """Return what `assemble` does, trained as `trained_with` says."""
        made = self.assemble(walk)
        if self.recipe is None:
            return made
        settings: dict[str, Any] = dict(self.recipe)
        return replace(made, recipe=replace(made.recipe, **settings))

    @cached_property
    def _automaton(self) -> Automaton:
        return compile_space(self)

    def automaton(self) -> Automaton:
        """Return the space compiled to arrays (compiled once)."""
        return self._automaton

    def options(self) -> tuple[Option, ...]:
        """Return all decisions of the space by number."""
        choice = self.choice(self.start())
        return choice.options if choice else ()

    def check(self, walk: Sequence[int], limited: bool = True) -> str | None:
        """Return why a walk is not complete and legal, or None where it is.

        Args:
            walk: The decisions.
            limited: Whether the parameter limit counts.
        """
        automaton, state, spent = self.automaton(), 0, 0
        limit = self.max_params if limited else None
        for position, decision in enumerate(walk):
            if automaton.final[state]:
                return (
                    f"The walk is complete after {position} decisions, but has {len(walk)}. "
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
            return f"The walk is not complete after {len(walk)} decisions. Go on deciding."
        return None

    @cached_property
    def edit_rules(self) -> EditRules:
        """The edits of this space (compiled once)."""
        return EditRules(self.automaton(), self.options(), self.max_params)

    def edits(self, walk: Walk) -> tuple[Neighbour, ...]:
        """Return every complete legal walk that is one edit away from one.

        From a walk over the parameter limit only edits that take parameters away are offered.

        Raises:
            IllegalDecisionError: The walk is not complete and legal, the limit apart.
        """
        self.require(walk, limited=False)
        return self.edit_rules.neighbours(tuple(int(decision) for decision in walk))

    @cached_property
    def _neighbourhood(self) -> Neighbourhood:
        return Neighbourhood(self.automaton(), self.max_params)

    def neighbours(self, walk: Walk) -> tuple[Walk, ...]:
        """Return every complete legal walk that differs from one by one decision, ascending.

        One decision is replaced, inserted or removed (Levenshtein distance 1). The parameter limit
        is respected.

        Raises:
            IllegalDecisionError: The walk is not complete and legal, the limit apart.
        """
        walk = tuple(int(decision) for decision in walk)
        if walk not in self._neighbourhood:
            self.require(walk, limited=False)
        return self._neighbourhood.of(walk)

    def require(self, walk: Sequence[int], limited: bool = True) -> None:
        """Raise IllegalDecisionError where `check` finds a fault."""
        if (fault := self.check(walk, limited)) is not None:
            raise IllegalDecisionError(fault)

    def decode(self, walk: Walk) -> Candidate:
        """Return the candidate that a complete walk stands for.

        Raises:
            IllegalDecisionError: The walk is not complete and legal.
        """
        self.require(walk)
        return self.candidate(tuple(int(decision) for decision in walk))

    def size(self) -> int:
        """Return the exact number of complete legal walks, the parameter limit respected.

        Under a limit every different cost so far is followed: seconds for small spaces, many
        minutes for a MetaQNN preset.
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
            by: "decisions" draws each legal decision with equal chance, which papers call random
                search; "walks" draws every complete walk with equal chance, which makes almost
                only the longest.

        Raises:
            InvalidSettingError: `by` is neither, or too few walks stay under `max_params` for
                sampling by walks.
        """
        if by == "decisions":
            return self._draw(rng, self.max_params, lambda state, legal: None)
        if by != "walks":
            raise InvalidSettingError(f"Sampling by {by!r} is unknown. Use 'decisions' or 'walks'.")
        for _ in range(MAX_REJECTIONS):
            walk = self._draw(rng, None, self._walk_weights)
            if self.max_params is None or self.check(walk) is None:
                return walk
        raise InvalidSettingError(
            f"None of {MAX_REJECTIONS} random walks stays under max_params={self.max_params}. "
            "Sample by 'decisions', or raise the limit."
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
        """Refuse a parameter limit that the space cannot keep.

        Raises:
            InvalidSettingError: The space has no additive cost, or no walk is that small.
        """
        if self.max_params is None:
            return
        if isinstance(self.max_params, bool) or not isinstance(self.max_params, int | np.integer):
            raise InvalidSettingError(
                f"Argument max_params must be an integer, but is {self.max_params!r}."
            )
        cheapest = self.automaton().cheapest
        if cheapest is None:
            raise InvalidSettingError(
                f"Space {self.name!r} has no additive cost, so max_params={self.max_params} "
                "cannot be kept. Leave it out."
            )
        if cheapest[0] > self.max_params:
            raise InvalidSettingError(
                f"No network of space {self.name!r} has at most max_params={self.max_params} "
                f"parameters. The smallest has {cheapest[0]}."
            )


@dataclass(frozen=True)
class SpaceFactory:
    """A registered name of a space: what to build, for which task unless another is named.

    Attributes:
        build: Called with `name`, `input_shape`, `num_outputs` and `max_params` by keyword.
        default_task: Name of the task that is used where none is given.
        default_shape: Input shape where no task says it, for looking at a space on its own.
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
            InvalidSettingError: The parameter limit cannot be kept.
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
