"""Base class of policies that learn from whole episodes by the score function (REINFORCE).

* Actions are sampled while learning; the log-probability is that of the action taken.
* The return of an episode is the sum of its rewards.
* The baseline of an episode uses earlier returns only, so the gradient is unbiased. Normalised
  advantages are biased: the root mean square that divides them includes the present advantage.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import is_count
from nas_env_agents.common.adam import Adam
from nas_env_agents.common.episodic import EpisodicAgent, Step
from nas_env_agents.common.rules import check_rules


class Episode(NamedTuple):
    """One sampled episode: (steps, actions) bool masks, (steps,) actions, and its advantage."""

    masks: NDArray[np.bool_]
    actions: NDArray[np.int64]
    advantage: float


class Baseline:
    """An exponential moving average of returns, corrected for the bias of its start.

    Args:
        momentum: Weight of the past.
        normalise: Whether advantages are divided by their running root mean square.
    """

    def __init__(self, momentum: float, normalise: bool) -> None:
        self.momentum, self.normalise = momentum, normalise
        self.sums = np.zeros(4)  # returns, their weight, squared advantages, their weight

    @property
    def mean(self) -> float:
        """The average return; 0 before the first."""
        return float(self.sums[0] / self.sums[1]) if self.sums[1] else 0.0

    def advantage(self, value: float) -> float:
        """Return the difference to the mean of earlier returns (0 for the first); then add it."""
        difference = value - self.mean if self.sums[1] else 0.0
        fresh = [value, 1.0, difference**2, 1.0 if self.sums[1] else 0.0]
        self.sums = self.momentum * self.sums + (1 - self.momentum) * np.array(fresh)
        if not self.normalise or difference == 0:
            return difference
        return difference / float(np.sqrt(self.sums[2] / self.sums[3]))


class Ranks:
    """Advantages by rank: the rank of a return among those of the latest distinct episodes.

    Args:
        window: Number of stored episodes.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.returns: dict[tuple[int, ...], float] = {}

    @property
    def mean(self) -> float:
        """The average of the stored returns; 0 before the first."""
        return sum(self.returns.values()) / len(self.returns) if self.returns else 0.0

    def advantage(self, value: float, actions: tuple[int, ...]) -> float:
        """Return the share of lower returns minus the share of higher ones; then add it."""
        signs = [float(np.sign(value - other)) for other in self.returns.values()]
        self.returns.pop(actions, None)
        self.returns[actions] = value
        if len(self.returns) > self.window:
            del self.returns[next(iter(self.returns))]
        return sum(signs) / len(signs) if signs else 0.0


class PolicyGradient(EpisodicAgent):
    """Samples episodes, and after each batch of them moves its parameters by one step.

    Args:
        env: One environment.
        seed: Seed of the agent.
        learning_rate: Step size.
        momentum: Weight of the past in the baseline.
        normalise: Whether advantages are divided by their running root mean square.
        rank_window: If > 0, the advantage is the rank, in [-1, 1], among this many distinct
            episodes, which is free of scale and outliers.
        entropy: Weight of the mean entropy of the decisions.
        reward_scale: Factor of the returns; 100 turns accuracies into percent.
        reward_power: Exponent of the absolute return; the sign is kept.
        batch_size: Episodes per update.
        adam: Use Adam; if False, plain gradient ascent. Plain steps shrink as the policy becomes
            deterministic, Adam's do not, so Adam commits much sooner.

    Raises:
        InvalidSettingError: A setting is out of its range.
    """

    observation = "tokens"
    NAMES: tuple[str, ...] = (
        "learning_rate",
        "momentum",
        "normalise",
        "rank_window",
        "entropy",
        "reward_scale",
        "reward_power",
        "batch_size",
        "adam",
    )

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        seed: int = 0,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        normalise: bool = False,
        rank_window: int = 0,
        entropy: float = 0.0,
        reward_scale: float = 1.0,
        reward_power: float = 1.0,
        batch_size: int = 1,
        adam: bool = True,
    ) -> None:
        super().__init__(env, seed)
        check_rules(
            ("learning_rate", learning_rate, learning_rate > 0, "> 0"),
            ("momentum", momentum, 0 <= momentum < 1, "in [0, 1)"),
            (
                "rank_window",
                rank_window,
                rank_window == 0 or is_count(rank_window),
                "an integer >= 0",
            ),
            ("entropy", entropy, entropy >= 0, ">= 0"),
            ("reward_power", reward_power, reward_power > 0, "> 0"),
            ("batch_size", batch_size, is_count(batch_size), "an integer >= 1"),
        )
        self.learning_rate, self.momentum, self.normalise = learning_rate, momentum, normalise
        self.entropy, self.reward_scale, self.reward_power = entropy, reward_scale, reward_power
        self.batch_size, self.rank_window, self.adam = batch_size, rank_window, adam
        inner: Any = env.unwrapped
        self.inner = inner
        self.num_actions = int(env.action_space.n)  # type: ignore[attr-defined]
        self.max_steps = int(getattr(inner.mdp, "max_edits", inner.space.max_length))
        self.baseline = Baseline(momentum, normalise)
        self.ranks = Ranks(rank_window)
        self.batch: list[Episode] = []
        self.parameters = self.initial()
        self.optimiser = Adam(len(self.parameters), learning_rate)

    @abstractmethod
    def initial(self) -> NDArray[Any]:
        """Return the parameters at the start, as one vector."""

    @abstractmethod
    def logits(self, step: int) -> NDArray[Any]:
        """Return (actions,) unnormalised log-probabilities for a step of the present episode."""

    @abstractmethod
    def gradient(self, batch: list[Episode]) -> NDArray[Any]:
        """Return the gradient of the mean of advantage times log-probability, plus entropy."""

    def update(self) -> None:
        """Move the parameters by one step along the gradient of the batch."""
        gradient = self.gradient(self.batch)
        step = self.optimiser.step(gradient) if self.adam else self.learning_rate * gradient
        self.parameters += step
        self.batch = []

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return a legal action sampled from the policy, or the most likely one if greedy."""
        legal = mask.nonzero()[0]
        logits = self.logits(self.inner.state.steps)[legal]
        if greedy:
            return int(legal[logits.argmax()])
        chances = np.exp(logits - logits.max()).cumsum()
        return int(legal[chances.searchsorted(self.rng.random() * chances[-1], side="right")])

    def begin_episode(self, mask: NDArray[np.bool_]) -> None:
        """Store the mask of the first action."""
        self._first_mask = mask

    def end_episode(self, steps: list[Step]) -> None:
        """Add the episode to the batch; update if the batch is full."""
        value = sum(step.reward for step in steps)
        value = self.reward_scale * float(np.copysign(abs(value) ** self.reward_power, value))
        actions = tuple(step.action for step in steps)
        if self.rank_window:
            advantage = self.ranks.advantage(value, actions)
        else:
            advantage = self.baseline.advantage(value)
        self.logger.record(
            "train/baseline", (self.ranks if self.rank_window else self.baseline).mean
        )
        self.batch.append(
            Episode(
                np.array([self._first_mask, *(step.mask for step in steps[:-1])]),
                np.array(actions),
                advantage,
            )
        )
        if len(self.batch) == self.batch_size:
            self.update()

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        return {**super().settings(), **{name: getattr(self, name) for name in self.NAMES}}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return parameters, optimiser, baseline and the unfinished batch."""
        return {
            "parameters": self.parameters,
            "moments": self.optimiser.moments,
            "updates": np.array(self.optimiser.updates),
            "baseline": self.baseline.sums,
            "ranks": np.array(json.dumps([*self.ranks.returns.items()])),
            "lengths": np.array([len(x.actions) for x in self.batch], dtype=np.int64),
            "actions": np.array([a for x in self.batch for a in x.actions], dtype=np.int64),
            "masks": np.array([row for x in self.batch for row in x.masks], dtype=bool),
            "advantages": np.array([x.advantage for x in self.batch]),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        self.parameters[:] = arrays["parameters"]
        self.optimiser.moments, self.optimiser.updates = arrays["moments"], int(arrays["updates"])
        self.baseline.sums = arrays["baseline"]
        ranks = json.loads(str(arrays["ranks"]))
        self.ranks.returns = {tuple(actions): value for actions, value in ranks}
        ends = np.cumsum(arrays["lengths"])
        for end, length, value in zip(ends, arrays["lengths"], arrays["advantages"], strict=True):
            part = slice(end - length, end)
            self.batch.append(Episode(arrays["masks"][part], arrays["actions"][part], float(value)))
