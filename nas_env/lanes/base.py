"""The interface of lanes, and the record of one step of all of them."""

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
    """What some lanes' actions led to."""

    rewards: NDArray[np.float64]  # (lanes,)
    terminated: Mask  # (lanes,)
    truncated: Mask  # (lanes,)

    def info(self, lane: int) -> dict[str, Any]:
        """Return what `NASEnv.step` returns as info."""

    def observation(self, lane: int) -> Any:
        """Return what `NASEnv.step` returns as observation."""


class Beginnings(Protocol):
    """How some lanes' episodes began."""

    def info(self, lane: int) -> dict[str, Any]:
        """Return what `NASEnv.reset` returns as info."""


def scored(score: float, evaluation: Evaluation, candidate: Candidate) -> dict[str, Any]:
    """Return the part of an info that tells of an evaluated network."""
    return {
        "evaluation": {"score": score, **evaluation.summary()},
        "architecture": candidate.architecture.text,
    }


def step_info(
    decision: int, illegal: bool, told: dict[str, Any], mask: NDArray[np.int8]
) -> dict[str, Any]:
    """Return the info of one lane's step, as `NASEnv.step` makes it."""
    illegal_action = TRUE if illegal else FALSE
    return {"decision": decision, "illegal_action": illegal_action, **told, "action_mask": mask}


def stacked(mdp: MDP, states: Sequence[BaseState]) -> NDArray[Any]:
    """Return the observations of states, asked for one by one, as the rows of an array."""
    rows = [mdp.observe(state) for state in states]
    found: NDArray[Any] = np.array(rows, dtype=mdp.observation_space.dtype)
    return found


@dataclass(frozen=True)
class Story:
    """All that a turn's infos are made of.

    Attributes:
        moves: What the actions led to, None at a reset of all lanes.
        acted: (lanes,) which lanes acted.
        beginnings: How episodes began, None where none did.
        begun: (lanes,) which lanes began an episode, after their action if they had one.
    """

    moves: Moves | None
    acted: Mask
    beginnings: Beginnings | None
    begun: Mask


class Turn:
    """One step, or one reset, of all lanes.

    Args:
        tell: Makes the story; called where an info is looked at, perhaps many steps later.
        masks: Returns the (lanes, actions) int8 action mask after the turn.
    """

    def __init__(self, tell: Callable[[], Story], masks: Callable[[], NDArray[np.int8]]) -> None:
        self._tell: Callable[[], Story] | None = tell
        self.masks = masks

    @property
    def story(self) -> Story:
        """What happened."""
        if self._tell is not None:
            self._story, self._tell = self._tell(), None
        return self._story

    @property
    def ended_and_begun(self) -> bool:
        """Whether in some lane an episode ended and the next began."""
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
        """Return last observation and info of an episode that ended where the next began."""
        story = self.story
        if story.moves is None or not (story.acted[lane] and story.begun[lane]):
            return None
        return story.moves.observation(lane), story.moves.info(lane)


class Step(NamedTuple):
    """What `Lanes.step` returns: arrays with one row a lane, and the turn for the infos."""

    observations: NDArray[Any]
    rewards: NDArray[np.float64]
    terminated: Mask
    truncated: Mask
    turn: Turn


class Parts(NamedTuple):
    """What lanes are made from.

    Attributes:
        mdp: The process.
        scorer: Scores finished networks.
        rngs: One generator for each lane.
        budget: What all lanes have in common of their budgets.
        start: Called with a lane's budget; returns the walk that an episode begins with where no
            option says another, None for the process's own beginning.
        num: Number of lanes.
        same_step: Whether an episode begins in the step in which the one before ends, else in the
            next, whose action is ignored.
    """

    mdp: MDP
    scorer: Scorer
    rngs: Sequence[np.random.Generator]
    budget: Budget
    start: Start
    num: int
    same_step: bool


class Lanes(ABC):
    """Episodes side by side, stepped together; each is exactly what `NASEnv` would make of it.

    Args:
        parts: What they are made from.

    Attributes:
        budgets: The budget of each lane.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.mdp, self.scorer = parts.mdp, parts.scorer
        self.none, self.all = np.zeros(parts.num, np.bool_), np.ones(parts.num, np.bool_)
        self.budgets = Budgets(parts.budget)

    def ask(self, evaluator: Evaluator) -> None:
        """Have what is finished from now on evaluated by another evaluator."""
        self.scorer.evaluator = evaluator

    @abstractmethod
    def reset(self, budgets: Budgets, start: Start) -> tuple[NDArray[Any], Turn]:
        """Begin an episode in all lanes and return observations and turn."""

    @abstractmethod
    def step(self, actions: NDArray[np.int64]) -> Step:
        """Take one (lanes,) array of actions; nothing has changed where it raises.

        Raises:
            IllegalDecisionError: An action is illegal and the process was told to raise.
        """

    @abstractmethod
    def masks_now(self) -> Callable[[], NDArray[np.int8]]:
        """Return what computes the (lanes, actions) mask of this moment, whenever it is called."""

    @abstractmethod
    def state(self, lane: int) -> BaseState:
        """Return the state of a lane."""


class TwoPhaseLanes(Lanes):
    """Lanes that first take actions and then begin episodes."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.over = self.none

    @abstractmethod
    def advance(self, actions: NDArray[np.int64], acting: Mask) -> Moves:
        """Take the actions of some lanes, score what they finish and return what came of it."""

    @abstractmethod
    def begin(self, lanes: Mask, start: Start) -> Beginnings:
        """Begin an episode in some lanes."""

    @abstractmethod
    def observe(self) -> NDArray[Any]:
        """Return the observations of all lanes, a fresh array."""

    def reset(self, budgets: Budgets, start: Start) -> tuple[NDArray[Any], Turn]:
        """Begin an episode in all lanes and return observations and turn."""
        self.budgets, self.over = budgets, self.none
        story = Story(None, self.none, self.begin(self.all, start), self.all)
        return self.observe(), Turn(lambda: story, self.masks_now())

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Take one (lanes,) array of actions."""
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
