"""Gymnasium wrappers that change what a finished network is worth to the agent.

Scores, books and reports stay as they are; only the rewards of steps that end in an evaluation
change. What came before is remembered over episodes, so rewards are not stationary: the same
network is worth something else later. Each class says what that does to the optimum.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import OrderedDict
from typing import Any, SupportsFloat

import gymnasium

from nas_env.architecture import is_count
from nas_env.errors import InvalidSettingError


class EvaluatedReward(gymnasium.RewardWrapper[Any, Any]):
    """Base of the wrappers here: `worth` replaces the reward of a step that was evaluated."""

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and replace the reward where a network was evaluated."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if "evaluation" in info:
            inner: Any = self.unwrapped
            reward = self.worth(float(reward), inner.candidate.key)
        return observation, reward, terminated, truncated, info

    def reward(self, reward: SupportsFloat) -> SupportsFloat:
        """Return a reward without an evaluation as it is."""
        return reward

    @abstractmethod
    def worth(self, reward: float, key: str) -> float:
        """Return the new reward of a network, and remember the old one.

        Args:
            reward: What it was worth so far.
            key: What makes it the same network.
        """

    def action_masks(self) -> Any:
        """Return (actions,) bool, True where legal; the name sb3-contrib looks for."""
        return self.env.get_wrapper_attr("action_masks")()


class ImprovementReward(EvaluatedReward):
    """By how much a network is better than the best before it.

    Within an episode the incumbent is a constant, so which network is best to build now does not
    change; with `clip` all that are no better than it are worth the same, 0, and an agent that has
    found the optimum learns nothing more. The sum of the clipped rewards of a search is the best
    reward less the first one, whose own worth is 0.

    Args:
        env: The environment.
        clip: Whether networks below the incumbent are worth 0, not less.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], clip: bool = True) -> None:
        super().__init__(env)
        self.clip = clip
        self.best: float | None = None

    def worth(self, reward: float, key: str) -> float:
        """Return the reward less the best before it."""
        gain = 0.0 if self.best is None else reward - self.best
        self.best = reward if self.best is None else max(self.best, reward)
        return max(gain, 0.0) if self.clip else gain


class NormalizedReward(EvaluatedReward):
    """The reward less the mean so far, over the standard deviation so far.

    An increasing line at any moment, so the best network and the best policy stay; a learning rate
    then fits rewards of any scale. The first reward, and any while all were equal, is 0. Repeated
    networks count each time: mean and deviation are those of what the agent sees.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def worth(self, reward: float, key: str) -> float:
        """Return the reward in standard deviations from the mean of those before it and itself."""
        self.count += 1
        away = reward - self.mean
        self.mean += away / self.count
        self.squares += away * (reward - self.mean)  # Welford, 1962
        deviation = math.sqrt(self.squares / self.count)
        return (reward - self.mean) / deviation if deviation > 0 else 0.0


class RankReward(EvaluatedReward):
    """The share of the latest different networks that are worse, less that of better ones.

    From -1 to 1, whatever the scale; an outlier counts as much as any other. The best network stays
    the best, but the best *policy* may not: one that makes something good always is worth more
    than one that gambles on the best with the same mean reward, and the other way round.

    Args:
        env: The environment.
        window: How many different networks are remembered.

    Raises:
        InvalidSettingError: The window is no integer >= 1.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], window: int = 50) -> None:
        super().__init__(env)
        if not is_count(window):
            raise InvalidSettingError(f"Setting window must be an integer >= 1, but is {window}.")
        self.window = window
        self.rewards: OrderedDict[str, float] = OrderedDict()

    def worth(self, reward: float, key: str) -> float:
        """Return the rank; the first network is worth 0."""
        others = [value for name, value in self.rewards.items() if name != key]
        self.rewards[key] = reward
        self.rewards.move_to_end(key)
        if len(self.rewards) > self.window:
            self.rewards.popitem(last=False)
        if not others:
            return 0.0
        return sum((reward > x) - (reward < x) for x in others) / len(others)
