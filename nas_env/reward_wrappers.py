"""Gymnasium wrappers that transform the reward of a finished network.

They change only the rewards of steps with an evaluation; scores, records and reports stay the same.
The wrappers keep statistics across episodes, so rewards are not stationary: the same network can
have another reward later. Each class documents the effect on the optimum.
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
    """Base class of these wrappers: `worth` replaces the reward of a step with an evaluation."""

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take one step, and replace the reward if a network was evaluated."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if "evaluation" in info:
            inner: Any = self.unwrapped
            reward = self.worth(float(reward), inner.candidate.key)
        return observation, reward, terminated, truncated, info

    def reward(self, reward: SupportsFloat) -> SupportsFloat:
        """Return the reward of a step without an evaluation unchanged."""
        return reward

    @abstractmethod
    def worth(self, reward: float, key: str) -> float:
        """Return the new reward of a network, and update the statistics.

        Args:
            reward: The original reward.
            key: Key of the network; equal for repeats of the same network.
        """

    def action_masks(self) -> Any:
        """Return a bool array (actions,), True for legal actions, as sb3-contrib expects it."""
        return self.env.get_wrapper_attr("action_masks")()


class ImprovementReward(EvaluatedReward):
    """The difference between the reward and the best reward so far (the incumbent).

    Within an episode the incumbent is constant, so the best network to build is the same. With
    `clip` all networks that do not improve on it have reward 0, and an agent that has found the
    optimum gets no further signal. The first reward of a search is 0. The sum of the clipped
    rewards of a search is the best original reward minus the first original reward.

    Args:
        env: The environment.
        clip: Whether to replace negative rewards by 0.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], clip: bool = True) -> None:
        super().__init__(env)
        self.clip = clip
        self.best: float | None = None

    def worth(self, reward: float, key: str) -> float:
        """Return the reward minus the best earlier reward."""
        gain = 0.0 if self.best is None else reward - self.best
        self.best = reward if self.best is None else max(self.best, reward)
        return max(gain, 0.0) if self.clip else gain


class NormalizedReward(EvaluatedReward):
    """The reward minus the running mean, divided by the running standard deviation.

    At each moment this is an increasing linear function, so the best network and the best policy
    stay the same, and one learning rate works for rewards of any scale. The first reward is 0, and
    so are all rewards while the deviation is 0. Repeated networks count each time, because mean and
    deviation describe the rewards that the agent receives.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def worth(self, reward: float, key: str) -> float:
        """Return the standardized reward; mean and deviation include this reward."""
        self.count += 1
        away = reward - self.mean
        self.mean += away / self.count
        self.squares += away * (reward - self.mean)  # Welford, 1962
        deviation = math.sqrt(self.squares / self.count)
        return (reward - self.mean) / deviation if deviation > 0 else 0.0


class RankReward(EvaluatedReward):
    """The share of worse networks minus the share of better ones, among the latest networks.

    The result is in [-1, 1] for any reward scale, and outliers have no special weight. The best
    network stays the best, but the best *policy* can change: policies with the same mean reward,
    such as a reliable one and one that rarely finds the best network, can have different mean
    ranks.

    Args:
        env: The environment.
        window: Number of distinct networks to compare with.

    Raises:
        InvalidSettingError: `window` is not an integer >= 1.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], window: int = 50) -> None:
        super().__init__(env)
        if not is_count(window):
            raise InvalidSettingError(f"Setting window must be an integer >= 1, got {window}.")
        self.window = window
        self.rewards: OrderedDict[str, float] = OrderedDict()

    def worth(self, reward: float, key: str) -> float:
        """Return the rank in [-1, 1], 0 for the first network."""
        others = [value for name, value in self.rewards.items() if name != key]
        self.rewards[key] = reward
        self.rewards.move_to_end(key)
        if len(self.rewards) > self.window:
            self.rewards.popitem(last=False)
        if not others:
            return 0.0
        return sum((reward > x) - (reward < x) for x in others) / len(others)
