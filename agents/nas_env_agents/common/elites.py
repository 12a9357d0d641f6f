"""Elites: a policy replays the best episodes so far and learns from them as from its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from nas_env.architecture import is_count
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.spaces import Walk

TARGET_KL = 1.0


@dataclass
class Archive:
    """The walks that were played, and the state of their replay.

    Attributes:
        scores: Score of each walk.
        walk: Decisions of the present episode so far.
        again: Remaining decisions of the elite that is being replayed.
        waiting: Elites still to replay in this rollout.
    """

    scores: dict[Walk, float] = field(default_factory=dict)
    walk: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    waiting: list[Walk] = field(default_factory=list)

    def best(self, count: int) -> list[Walk]:
        """Return the best walks, the first of equals first."""
        return sorted(self.scores, key=lambda walk: -self.scores[walk])[:count]

    def take(self, decision: int, score: float | None) -> None:
        """Record a decision, and the score if the walk is complete."""
        self.walk.append(decision)
        if score is not None:
            self.scores[tuple(self.walk)] = score
            self.walk = []

    def next(self, begins: bool) -> int | None:
        """Return the next decision of an elite, or None if the policy decides.

        Args:
            begins: Whether an episode begins.
        """
        if begins and self.waiting:
            self.again = list(self.waiting.pop(0))
        return self.again.pop(0) if self.again else None


class Elites:
    """Mixin for PPO and MaskablePPO, placed before them in the bases: an archive of elites.

    The first `elites` episodes of each rollout replay the best walks so far: their actions are
    given, and the policy supplies their log-probabilities. A replayed walk is a repeat: it costs
    steps, but no evaluation. Only for a single environment.

    The policy may give an elite a probability close to 0. The probability ratio, which PPO does
    not clip for negative advantages, can then overflow. With elites, the epochs of a rollout
    therefore stop early at `target_kl` 1, unless it is set.

    Attributes:
        elites: Episodes of a rollout that replay an elite; 0 for none.
        archive: The walks that were played.
    """

    elites: int = 0
    archive: Archive
    policy: Any
    n_envs: int
    _last_episode_starts: Any

    @classmethod
    def create(cls, env: Any, seed: int, device: str, elites: int = 0, **settings: Any) -> Self:
        """Return an agent with a multi-layer perceptron over the observation.

        Args:
            env: The environment.
            seed: Seed of the agent.
            device: Device of the policy.
            elites: Episodes of each rollout that replay the best walks so far.
            settings: Arguments of the algorithm's constructor.

        Raises:
            InvalidSettingError: `elites` is not an integer >= 0.
            IncompatibleError: There are several lanes.
        """
        if elites != 0 and not is_count(elites):
            raise InvalidSettingError(f"Setting elites must be an integer >= 0, but is {elites}.")
        if elites:
            settings.setdefault("target_kl", TARGET_KL)
        agent = cls("MlpPolicy", env, seed=seed, device=device, **settings)  # type: ignore[call-arg]
        if elites and agent.n_envs != 1:
            raise IncompatibleError(
                f"An archive of elites is for one environment, but there are {agent.n_envs} "
                "lanes. Use one, or elites=0."
            )
        agent.elites, agent.archive = elites, Archive()
        return agent

    def collect_rollouts(self, *arguments: Any, **kwargs: Any) -> bool:
        """Collect a rollout, elites first."""
        if not self.elites:
            return super().collect_rollouts(*arguments, **kwargs)  # type: ignore[misc, no-any-return]
        self.archive.waiting = self.archive.best(self.elites)
        with self._played_again():
            return super().collect_rollouts(*arguments, **kwargs)  # type: ignore[misc, no-any-return]

    @contextmanager
    def _played_again(self) -> Iterator[None]:
        """Context manager in which the policy takes the actions of elites."""
        usual = self.policy.forward

        def forward(observation: Any, *arguments: Any, **kwargs: Any) -> tuple[Any, Tensor, Tensor]:
            decision = self.archive.next(bool(self._last_episode_starts[0]))
            if decision is None:
                return usual(observation, *arguments, **kwargs)  # type: ignore[no-any-return]
            action = torch.tensor([decision], device=self.policy.device)
            masks = {name: kwargs[name] for name in ("action_masks",) if name in kwargs}
            values, likelihood, _ = self.policy.evaluate_actions(observation, action, **masks)
            return action, values, likelihood

        self.policy.forward = forward
        try:
            yield
        finally:
            del self.policy.forward

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: Any = None) -> None:
        """Record the decision, and the score if the episode ends."""
        super()._update_info_buffer(infos, dones)  # type: ignore[misc]
        if self.elites:
            info, done = infos[0], dones is not None and bool(dones[0])
            score = float(info["evaluation"]["score"]) if done else None
            self.archive.take(int(info["decision"]), score)
