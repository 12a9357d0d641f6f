"""The interface of lanes, and the record of one step of all lanes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators import Evaluator
from nas_env.lanes.scoring import Budgets, Scorer
from nas_env.mdp import MDP, BaseState
from nas_env.spaces import Walk

Mask = NDArray[np.bool_]
Start = Callable[[Budget], Walk | None]
TRUE, FALSE = np.bool_(True), np.bool_(False)


class Moves(Protocol):
    """The results of the actions of some lanes."""

    rewards: NDArray[np.float64]  # (lanes,)
    terminated: Mask  # (lanes,)
    truncated: Mask  # (lanes,)

    def info(self, lane: int) -> dict[str, Any]:
        """Return the info that `NASEnv.step` would return."""

    def observation(self, lane: int) -> Any:
        """Return the observation that `NASEnv.step` would return."""


class Beginnings(Protocol):
    """The starts of episodes in some lanes."""

    def info(self, lane: int) -> dict[str, Any]:
        """Return the info that `NASEnv.reset` would return."""


def scored(score: float, evaluation: Evaluation, candidate: Candidate) -> dict[str, Any]:
    """Return the entries of an info that describe an evaluated network."""
    return {
        "evaluation": {"score": score, **evaluation.summary()},
        "architecture": candidate.architecture.text,
    }


def step_info(
    decision: int, illegal: bool, evaluation_info: dict[str, Any], mask: NDArray[np.int8]
) -> dict[str, Any]:
    """Return the info of one lane's step, as in `NASEnv.step`."""
    illegal_action = TRUE if illegal else FALSE
    return {
        "decision": decision,
        "illegal_action": illegal_action,
        **evaluation_info,
        "action_mask": mask,
    }


def stacked(mdp: MDP, states: Sequence[BaseState]) -> NDArray[Any]:
    """Return the observations of states as the rows of an array, computed one by one."""
    rows = [mdp.observe(state) for state in states]
    observations: NDArray[Any] = np.array(rows, dtype=mdp.observation_space.dtype)
    return observations


@dataclass(frozen=True)
class Story:
    """The data from which the infos of a turn are built.

    Attributes:
        moves: The results of the actions, None at a reset of all lanes.
        acted: (lanes,) which lanes acted.
        beginnings: The starts of episodes, None if no episode started.
        begun: (lanes,) which lanes started an episode, after their action if they had one.
    """

    moves: Moves | None
    acted: Mask
    beginnings: Beginnings | None
    begun: Mask


class Turn:
    """One step, or one reset, of all lanes.

    Args:
        tell: Builds the story; called when an info is accessed, possibly many steps later.
        masks: Returns the (lanes, actions) int8 action mask after the turn.
    """

    def __init__(self, tell: Callable[[], Story], masks: Callable[[], NDArray[np.int8]]) -> None:
        self._tell: Callable[[], Story] | None = tell
        self.masks = masks

    @property
    def story(self) -> Story:
        """The events of this turn; built on first access."""
        if self._tell is not None:
            self._story, self._tell = self._tell(), None
        return self._story

    @property
    def ended_and_begun(self) -> bool:
        """Whether an episode ended and the next one started in at least one lane."""
        story = self.story
        return story.moves is not None and bool((story.acted & story.begun).any())

    def info(self, lane: int) -> dict[str, Any]:
        """Return the last info that a single environment would have returned."""
        story = self.story
        if story.beginnings is not None and story.begun[lane]:
            return story.beginnings.info(lane)
        assert story.moves is not None
        return story.moves.info(lane)

    def final(self, lane: int) -> tuple[Any, dict[str, Any]] | None:
        """Return the final observation and info if an episode ended and the next one started."""
        story = self.story
        if story.moves is None or not (story.acted[lane] and story.begun[lane]):
            return None
        return story.moves.observation(lane), story.moves.info(lane)


class Step(NamedTuple):
    """The result of `Lanes.step`: arrays with one row per lane, and the turn for the infos."""

    observations: NDArray[Any]
    rewards: NDArray[np.float64]
    terminated: Mask
    truncated: Mask
    turn: Turn


class Parts(NamedTuple):
    """The constructor arguments of lanes.

    Attributes:
        mdp: The MDP.
        scorer: Scores finished networks.
        rngs: One random generator per lane.
        budget: The base budget of all lanes.
        start: Called with a lane's budget; returns the initial walk of an episode without the
            option "start", or None for the default of the MDP.
        num: Number of lanes.
        same_step: Whether the next episode starts in the same step in which an episode ends. If
            False, it starts in the next step, whose action is ignored.
    """

    mdp: MDP
    scorer: Scorer
    rngs: Sequence[np.random.Generator]
    budget: Budget
    start: Start
    num: int
    same_step: bool


class Lanes(ABC):
    """Parallel episodes that are stepped together; each lane behaves as a `NASEnv`.

    Args:
        parts: The MDP, the scorer and the settings.

    Attributes:
        budgets: The budget of each lane.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.mdp, self.scorer = parts.mdp, parts.scorer
        self.none, self.all = np.zeros(parts.num, np.bool_), np.ones(parts.num, np.bool_)
        self.budgets = Budgets(parts.budget)

    def ask(self, evaluator: Evaluator) -> None:
        """Use another evaluator from now on."""
        self.scorer.evaluator = evaluator

    @abstractmethod
    def reset(self, budgets: Budgets, start: Start) -> tuple[NDArray[Any], Turn]:
        """Begin an episode in all lanes and return observations and turn."""

    @abstractmethod
    def step(self, actions: NDArray[np.int64]) -> Step:
        """Take one action per lane, an array (lanes,). If it raises, no lane has changed.

        Raises:
            IllegalDecisionError: An action is illegal and the mode is "raise".
        """

    @abstractmethod
    def masks_now(self) -> Callable[[], NDArray[np.int8]]:
        """Return a function for the (lanes, actions) mask of this step; it may be called later."""

    @abstractmethod
    def state(self, lane: int) -> BaseState:
        """Return the state of a lane."""


class TwoPhaseLanes(Lanes):
    """Lanes that first take actions and then start episodes."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.over = self.none

    @abstractmethod
    def advance(self, actions: NDArray[np.int64], acting: Mask) -> Moves:
        """Take the actions of some lanes, score finished networks and return the results."""

    @abstractmethod
    def begin(self, lanes: Mask, start: Start) -> Beginnings:
        """Start an episode in some lanes."""

    @abstractmethod
    def observe(self) -> NDArray[Any]:
        """Return the observations of all lanes, a new array."""

    def reset(self, budgets: Budgets, start: Start) -> tuple[NDArray[Any], Turn]:
        """Begin an episode in all lanes and return observations and turn."""
        self.budgets, self.over = budgets, self.none
        story = Story(None, self.none, self.begin(self.all, start), self.all)
        return self.observe(), Turn(lambda: story, self.masks_now())

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Take one action per lane, an array (lanes,)."""
        acting = self.all if self.parts.same_step else ~self.over
        moves = self.advance(actions, acting)
        ended = moves.terminated | moves.truncated
        begun = ended if self.parts.same_step else self.over
        self.over = self.none if self.parts.same_step else ended
        beginnings = None
        if begun.any():
            self.budgets = self.budgets.begun(begun)
            beginnings = self.begin(begun, self.parts.start)
        story = Story(moves, acting, beginnings, begun)
        turn = Turn(lambda: story, self.masks_now())
        return Step(self.observe(), moves.rewards, moves.terminated, moves.truncated, turn)
