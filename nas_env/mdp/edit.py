"""`edit`: start with a complete network and change it, one edit per action."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.mdp.base import MDP, MDPS, Move
from nas_env.observations import EDIT_OBSERVATIONS
from nas_env.registry import unknown_name
from nas_env.spaces import SearchSpace, Walk
from nas_env.spaces.edits import ADD_END, STOP
from nas_env.states import EditState

REWARDS = ("improvement", "score", "best")
CACHE_SIZE = 10_000
Outcomes = list[list[Walk]]  # possible walks after an edit, grouped by the layer it changes


@MDPS.register("edit")
class Edit(MDP):
    """Change a complete network edit by edit; every new network is evaluated.

    `nas_env.spaces.edits` defines the edits. With the observations "loss-bins" and "accuracy-bins"
    an action is an edit, and the layer is sampled; with the others an action is an edit at a
    position. If an edit has several possible results, such as which layer to add, one is sampled.
    The samples are determined by `EditState.draw` and `steps`, so `advance` is pure: the same
    action in the same state always gives the same network.

    Decisions: an edit at a position, or only an edit if the layer is sampled; the last one is
        "stop".
    Reward: the increase of the score by the edit; see the setting `reward`.
    Episode end: `terminated` by "stop" or at the score `until_score`, `truncated` after `max_edits`
        actions.

    Args:
        space: The search space.
        observation: A name in `nas_env.observations.EDIT_OBSERVATIONS`; "features" (loss, accuracy,
            layers, parameters, last edit and the walk) by default.
        illegal: See `MDP`; by default "stay", here without a penalty, so that the rewards still add
            up to the total improvement.
        failure: Score of an episode that "terminate" ends.
        reward: "improvement": the increase of the score by the edit; the sum over an episode is
            last minus first score. "score": the score after the action, even if it changed
            nothing. "best": the increase of the episode's best score, which no observation
            contains.
        max_edits: Actions after which the episode is truncated.
        until_score: The episode is terminated by the first action after which the network has at
            least this score, even if the initial network already had it.
        inherit: Whether a network starts with the trained weights of its predecessor, as far as
            the shapes match. Its evaluation then depends on its ancestors, and its key includes
            them.

    Raises:
        UnknownNameError: The observation, mode or reward does not exist.
        InvalidSettingError: `max_edits` is below 1.
    """

    observations = EDIT_OBSERVATIONS
    default_observation = "features"
    default_illegal = "stay"
    state_type = EditState

    def __init__(
        self,
        space: SearchSpace,
        observation: str | None = None,
        illegal: str | None = None,
        failure: float = 0.0,
        reward: str = "improvement",
        max_edits: int = 20,
        until_score: float | None = None,
        inherit: bool = False,
    ) -> None:
        super().__init__(space, observation, illegal, failure)
        if reward not in REWARDS:
            raise unknown_name("reward", reward, REWARDS)
        if max_edits < 1:
            raise InvalidSettingError(f"Setting max_edits must be >= 1, got {max_edits}.")
        self.reward = reward
        self.max_edits = max_edits
        self.until_score = until_score
        self.inherit = inherit
        drawn = self.observation.drawn
        positions = 1 if drawn else space.edit_rules.max_layers
        self.edits = space.edit_rules.edits
        self.actions = _actions(self.edits, positions)
        self.drawn = drawn
        self.action_space = gymnasium.spaces.Discrete(len(self.actions))
        self._number = {action: number for number, action in enumerate(self.actions)}
        self._known: dict[Walk, tuple[NDArray[np.int8], list[Outcomes]]] = {}
        self._stopped = np.zeros(len(self.actions), dtype=np.int8)
        self._stopped.flags.writeable = False

    def begin(self, rng: np.random.Generator, start: Walk | None = None) -> Move:
        """Return the start, or a random walk, as a network that needs a score.

        Raises:
            IllegalDecisionError: The start is not a complete legal walk of the space.
        """
        if start is not None:
            self.space.require(start, limited=False)  # edits may shrink a network that is too large
        walk = self.space.sample(rng) if start is None else tuple(int(x) for x in start)
        state = self._placed(EditState(0, walk, draw=int(rng.integers(2**31))))
        return Move(state, pending=self._candidate(state))

    def mask(self, state: EditState) -> NDArray[np.int8]:
        """Return an int8 array (actions,), 1 for edits that change the network and for "stop"."""
        return self._stopped if state.ended else self._options(state.walk)[0]

    def take(self, state: EditState, action: int, illegal: bool) -> Move:
        """Apply an edit; the candidate of the new network is pending, except after "stop"."""
        edit = self.actions[action][0]
        after = state._replace(steps=state.steps + 1, last=self.edits.index(edit))
        if edit == STOP:
            return Move(after._replace(ended=True), action, illegal, terminated=True)
        by_layer = self._options(state.walk)[1][action]
        rng = np.random.default_rng((state.draw, state.steps))
        walks = by_layer[rng.integers(len(by_layer))]
        lineage = (*state.lineage, state.walk) if self.inherit else ()
        after = after._replace(walk=walks[rng.integers(len(walks))], lineage=lineage, score=None)
        after = self._placed(after)
        return Move(after, action, illegal, self._candidate(after), truncated=self.cut(after))

    def settle(
        self,
        before: EditState,
        move: Move,
        score: float | None,
        evaluation: Evaluation | None = None,
    ) -> tuple[EditState, float]:
        """Return the state with score, loss and accuracy, and the reward, 0 for the first state."""
        state: EditState = move.state
        if move.pending is not None and score is not None:
            metrics = evaluation.metrics if evaluation is not None and evaluation.ok else {}
            state = state._replace(
                score=score,
                best=max(state.best, score),
                loss=float(metrics.get("loss", math.inf)),
                accuracy=float(metrics.get("accuracy", 0.0)),
            )
        elif move.illegal and move.terminated:
            state = state._replace(score=self.failure, ended=True)
        if state.score is None or before.score is None:
            return state, 0.0
        if self.reward == "score":
            return state, state.score
        if self.reward == "best":
            return state, state.best - before.best
        return state, state.score - before.score

    def satisfied(self, state: EditState) -> bool:
        """Whether an action has reached the score `until_score`."""
        wanted = self.until_score
        if wanted is None or state.score is None or state.steps == 0:
            return False
        return state.score >= wanted

    def over(self, state: EditState) -> bool:
        """Whether the agent stopped, `until_score` was reached, or the episode was truncated."""
        return state.ended or self.cut(state) or self.satisfied(state)

    def cut(self, state: EditState) -> bool:
        """Whether the episode has reached `max_edits`."""
        return state.steps >= self.max_edits

    def observe(self, state: EditState) -> Any:
        """Return the observation of a state."""
        return self.observation.observe(state)

    def label(self, action: int) -> str:
        """Return the edit, and the layer it changes if that is part of the action."""
        edit, position = self.actions[action]
        rules = self.space.edit_rules
        words = rules.words(edit)
        if self.drawn or edit in (ADD_END, STOP):
            return words
        return f"{words}, {rules.where(position)}"

    def reward_bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return the minimum and maximum reward for scores in [low, high]."""
        if self.reward == "score":
            return low, high
        return (0.0 if self.reward == "best" else low - high), high - low

    def _placed(self, state: EditState) -> EditState:
        """Return the state with the automaton node and the cost of its walk."""
        node, spent = self.space.edit_rules.place(state.walk)
        return state._replace(node=node, spent=spent)

    def _candidate(self, state: EditState) -> Candidate:
        parent = None
        for walk in state.lineage:
            parent = replace(self.space.candidate(walk), parent=parent)
        candidate = self.space.candidate(state.walk)
        return replace(candidate, parent=parent) if parent is not None else candidate

    def _options(self, walk: Walk) -> tuple[NDArray[np.int8], list[Outcomes]]:
        """Return the mask and the possible walks after each action; cached."""
        if walk not in self._known:
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[walk] = self._find_options(walk)
        return self._known[walk]

    def _find_options(self, walk: Walk) -> tuple[NDArray[np.int8], list[Outcomes]]:
        outcomes: list[dict[int, list[Walk]]] = [{} for _ in self.actions]
        for edit, position, after in self.space.edit_rules.neighbours(walk):
            key = (edit, 0 if self.drawn or edit == ADD_END else position)
            outcomes[self._number[key]].setdefault(position, []).append(after)
        mask = np.array(
            [bool(x) or a[0] == STOP for x, a in zip(outcomes, self.actions, strict=True)]
        )
        legal = mask.astype(np.int8)
        legal.flags.writeable = False
        return legal, [list(x.values()) for x in outcomes]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}}


def _actions(edits: Sequence[str], positions: int) -> Sequence[tuple[str, int]]:
    """Return the edit and the layer of each action, in the order of the actions."""
    return [
        (edit, position)
        for edit in edits
        for position in range(1 if edit in (ADD_END, STOP) else positions)
    ]
