"""Deferred scoring: evaluates all networks of a rollout in one call, before learning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvWrapper

from nas_env.env import NASEnv
from nas_env.errors import IncompatibleError
from nas_env.evaluators import Deferred, Evaluator
from nas_env.mdp import Construct
from nas_env.objectives import Objective
from nas_env_agents.common.environments import reward_wrapper
from nas_env_agents.common.vec_env import NASVecEnv


class Gap(NamedTuple):
    """A pending reward: its place in the buffer, and the sum of its episode's earlier rewards."""

    step: int
    lane: int
    before: float


class Lanes(NamedTuple):
    """The evaluators and objectives of the lanes of a vector environment."""

    evaluators: Sequence[Deferred]
    objectives: Sequence[Objective]

    def settle(self, gaps: Sequence[Gap]) -> list[float]:
        """Evaluate all pending candidates and return the score of each gap.

        Raises:
            IncompatibleError: A gap has no pending evaluation.
        """
        distinct = {id(evaluator): evaluator for evaluator in self.evaluators}
        settled = {key: iter(evaluator.settle()) for key, evaluator in distinct.items()}
        scores = []
        for gap in gaps:
            evaluation = next(settled[id(self.evaluators[gap.lane])], None)
            if evaluation is None:
                raise unexplained(gap)
            scores.append(self.objectives[gap.lane].score(evaluation))
        return scores


class DeferredBuffer(RolloutBuffer):
    """A rollout buffer that obtains the scores of its networks when the rollout is complete.

    A pending reward is NaN. Before returns and advantages are computed, all pending candidates are
    evaluated in one call, and the scores replace the NaNs, also in the algorithm's
    `ep_info_buffer`, from which `rollout/ep_rew_mean` is logged. The weights equal those of
    immediate scoring bit for bit, because nothing in a rollout depends on its scores.

    `deferred_scoring` raises an error for:

    * mdp="edit", whose observations contain the score;
    * anything that changes rewards: `NormalizeReward`, a reward wrapper, `VecNormalize` with
      `norm_reward`;
    * algorithms that learn from single steps.

    Callbacks and `Monitor` see NaN as the reward of a finished network. Limits on score and seconds
    take effect after the rollout in which they are reached; those on evaluations and episodes are
    exact.
    """

    lanes: Lanes | None = None
    agent: Any = None

    def reset(self) -> None:
        """Empty the buffer."""
        self._gaps: list[Gap] = []
        super().reset()

    def attach(self, lanes: Lanes, agent: Any) -> None:
        """Use these lanes to settle, and correct the agent's episode returns."""
        self.lanes, self.agent = lanes, agent
        self._returns = np.zeros(self.n_envs)

    def detach(self) -> None:
        """Remove lanes and agent."""
        self.lanes = self.agent = None

    def add(
        self,
        obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        episode_start: NDArray[Any],
        *others: Any,
        **kwargs: Any,
    ) -> None:
        """Add a step of all lanes; remember where rewards are pending."""
        if self.lanes is not None:
            self._returns *= 1.0 - episode_start
            for lane in np.flatnonzero(np.isnan(reward)).tolist():
                self._gaps.append(Gap(self.pos, lane, float(self._returns[lane])))
            self._returns += reward
            self._returns[np.isnan(reward)] = 0.0
        super().add(obs, action, reward, episode_start, *others, **kwargs)

    def settle(self) -> None:
        """Write the pending scores into the rewards and the episodes' returns."""
        if self.lanes is None:
            return
        gaps, self._gaps = self._gaps, []
        scores = self.lanes.settle(gaps)
        for gap, score in zip(gaps, scores, strict=True):
            self.rewards[gap.step, gap.lane] = score  # the last reward: nothing to bootstrap
        episodes = self.agent.ep_info_buffer or ()
        pending = [episode for episode in episodes if np.isnan(episode["r"])]  # the latest ones
        for episode, gap, score in zip(pending[::-1], gaps[::-1], scores[::-1], strict=False):
            episode["r"] = round(gap.before + score, 6)  # as Monitor does

    def compute_returns_and_advantage(self, last_values: Any, dones: NDArray[Any]) -> None:
        """Settle, then compute returns and advantages.

        Raises:
            IncompatibleError: Rewards are NaN, but scoring is not deferred.
        """
        self.settle()
        for step, lane in np.argwhere(np.isnan(self.rewards)).tolist():
            raise unexplained(Gap(step, lane, 0.0))
        super().compute_returns_and_advantage(last_values, dones)


class DeferredRolloutBuffer(DeferredBuffer):
    """The buffer for Stable-Baselines3's PPO and A2C, see `DeferredBuffer`."""


class DeferredMaskableRolloutBuffer(DeferredBuffer, MaskableRolloutBuffer):  # type: ignore[misc]
    """The buffer for sb3-contrib's MaskablePPO, see `DeferredBuffer`."""


BUFFERS: dict[type[RolloutBuffer], type[DeferredBuffer]] = {
    RolloutBuffer: DeferredRolloutBuffer,
    MaskableRolloutBuffer: DeferredMaskableRolloutBuffer,
}


@contextmanager
def deferred_scoring(agent: Any) -> Iterator[None]:
    """Context manager: an on-policy algorithm scores each rollout as a whole.

    Outside the block the environment scores immediately. It works for unregistered algorithms
    too: `with deferred_scoring(agent): agent.learn(10_000)`.

    Args:
        agent: PPO or A2C of Stable-Baselines3, or MaskablePPO of sb3-contrib, on a `DummyVecEnv` of
            environments or on a `NASVecEnv`.

    Raises:
        IncompatibleError: The scores cannot be deferred; the message has the reason.
    """
    if (reason := why_not(agent)) is not None:
        raise IncompatibleError(f"Scoring cannot be deferred: {reason}")
    base, before = base_of(agent.env), agent.rollout_buffer
    buffer = before if isinstance(before, DeferredBuffer) else deferred_copy(before)
    evaluators = evaluators_of(base)
    wrapped = {id(x): x if isinstance(x, Deferred) else Deferred(x) for x in evaluators}
    deferred_evaluators = [wrapped[id(x)] for x in evaluators]
    buffer.attach(Lanes(deferred_evaluators, base.get_attr("objective")), agent)
    agent.rollout_buffer = buffer
    ask(base, deferred_evaluators)
    try:
        yield
        buffer.settle()  # of an interrupted rollout
    finally:
        for evaluator in deferred_evaluators:
            evaluator.drop()
        ask(base, evaluators)
        buffer.detach()
        agent.rollout_buffer = before


class DeferredScoring:
    """Mixin for on-policy algorithms, placed before them in the bases: `learn` defers scoring.

    Attributes:
        deferred: True for always, False for never, None for whenever the environment's evaluator
            runs several evaluations in parallel and deferred scoring is possible.
    """

    deferred: bool | None = None
    env: Any
    rollout_buffer: Any

    @property
    def defers(self) -> bool:
        """Whether `learn` would defer scoring."""
        if self.deferred is not None:
            return self.deferred
        return why_not(self) is None and evaluators_of(base_of(self.env))[0].slots > 1

    def learn(self, *arguments: Any, **kwargs: Any) -> Any:
        """Learn for a number of steps, or until the callback returns False."""
        if not self.defers:
            return super().learn(*arguments, **kwargs)  # type: ignore[misc]
        with deferred_scoring(self):
            return super().learn(*arguments, **kwargs)  # type: ignore[misc]

    def collect_rollouts(self, *arguments: Any, **kwargs: Any) -> bool:
        """Collect a rollout; settle it also if the callback stops it."""
        complete: bool = super().collect_rollouts(*arguments, **kwargs)  # type: ignore[misc]
        if not complete and isinstance(self.rollout_buffer, DeferredBuffer):
            self.rollout_buffer.settle()
        return complete


def why_not(agent: Any) -> str | None:
    """Return why the scores of an agent's rollouts cannot be deferred, with a remedy; or None."""
    buffer, env = getattr(agent, "rollout_buffer", None), getattr(agent, "env", None)
    if type(buffer) not in (*BUFFERS, *BUFFERS.values()):
        name = type(agent).__name__
        return f"{name} has no supported rollout buffer. Use PPO, A2C or MaskablePPO."
    if getattr(agent, "elites", 0):
        return "an archive of elites ranks each episode as it ends. Use elites=0."
    layer = env
    while isinstance(layer, VecEnvWrapper):
        if isinstance(layer, VecNormalize) and layer.norm_reward:
            return "VecNormalize changes each reward. Give it norm_reward=False."
        layer = layer.venv
    if isinstance(layer, NASVecEnv):
        return _why_not_process([layer.envs.template])
    if not isinstance(layer, DummyVecEnv):
        remedy = "Use DummyVecEnv or nas_env_agents.common.vec_env."
        return f"{type(layer).__name__} is not supported. {remedy}"
    for single in layer.envs:
        if (wrapper := reward_wrapper(single)) is not None:
            return f"The wrapper {wrapper} changes each reward. Leave it out."
    return _why_not_process([single.unwrapped for single in layer.envs])


def _why_not_process(envs: Sequence[Any]) -> str | None:
    for env in envs:
        if not isinstance(env, NASEnv):
            return (
                f"{type(env).__name__} is not an environment of nas_env. Use one, such as NAS-v0."
            )
        if not isinstance(env.mdp, Construct):
            kind = type(env.mdp).__name__
            return f"observations of {kind!r} contain the score. Use mdp='construct'."
    return None


def base_of(env: VecEnv) -> DummyVecEnv | NASVecEnv:
    """Return the innermost vector environment."""
    layer: Any = env
    while isinstance(layer, VecEnvWrapper):
        layer = layer.venv
    return layer  # type: ignore[no-any-return]


def evaluators_of(base: DummyVecEnv | NASVecEnv) -> list[Evaluator]:
    """Return the evaluator of each lane."""
    return base.get_attr("evaluator")


def ask(base: DummyVecEnv | NASVecEnv, evaluators: Sequence[Evaluator]) -> None:
    """Set the evaluator of each lane."""
    if isinstance(base, NASVecEnv):
        base.envs.evaluator = evaluators[0]
        return
    for env, evaluator in zip(base.envs, evaluators, strict=True):
        env.unwrapped.evaluator = evaluator  # type: ignore[attr-defined]


def deferred_copy(buffer: RolloutBuffer) -> DeferredBuffer:
    """Return an empty deferred buffer with the settings of another buffer."""
    return BUFFERS[type(buffer)](
        buffer.buffer_size,
        buffer.observation_space,
        buffer.action_space,
        buffer.device,
        gae_lambda=buffer.gae_lambda,
        gamma=buffer.gamma,
        n_envs=buffer.n_envs,
    )


def unexplained(gap: Gap) -> IncompatibleError:
    """Return the error for a NaN reward that has no pending evaluation."""
    return IncompatibleError(
        f"The reward of lane {gap.lane} at step {gap.step} is NaN without a pending evaluation. "
        "Learn inside `nas_env_agents.common.deferred.deferred_scoring`, with rewards as the "
        "environment gives them."
    )
