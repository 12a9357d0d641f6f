"""`masked-dqn`: Stable-Baselines3's deep Q-network with masks of legal actions.

Masks apply to exploration, to the greedy choice, and to the target: the value of the next state is
that of its best legal action.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import gymnasium
import numpy as np
import stable_baselines3
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.limits import FollowLimit


class MaskedSamples(NamedTuple):
    """A batch of transitions, with (batch, actions) bool masks of the next observations."""

    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    dones: Tensor
    rewards: Tensor
    next_masks: Tensor


class MaskedReplayBuffer(ReplayBuffer):
    """A replay buffer that also stores the mask of the next observation, `info["action_mask"]`.

    At the end of an episode this is the mask of its last state, although a vector environment has
    already moved on to the first state of the next episode.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        width = int(self.action_space.n)  # type: ignore[attr-defined]
        self.next_masks = np.zeros((self.buffer_size, self.n_envs, width), dtype=bool)

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Add a transition of each environment."""
        self.next_masks[self.pos] = [info["action_mask"] for info in infos]
        super().add(obs, next_obs, action, reward, done, infos)

    def _get_samples(  # type: ignore[override]
        self, batch_inds: NDArray[np.int64], env: Any = None
    ) -> MaskedSamples:
        at = batch_inds, np.random.randint(self.n_envs, size=len(batch_inds))
        ended = self.dones[at] * (1 - self.timeouts[at])
        arrays = (
            self._normalize_obs(self.observations[at], env),
            self.actions[at],
            self._normalize_obs(self.next_observations[at], env),
            ended[:, None],
            self._normalize_reward(self.rewards[at][:, None], env),
            self.next_masks[at],
        )
        return MaskedSamples(*map(self.to_torch, arrays))


@AGENTS.register("masked-dqn")
class MaskedDQN(FollowLimit, stable_baselines3.DQN):
    """Learns action values from a replay buffer and takes legal actions only.

    The environment must have `action_masks()` and, at least in the last info of an episode,
    `info["action_mask"]`.

    Reference: Mnih et al., "Human-level control through deep reinforcement learning", Nature 2015;
    Huang and Ontañón, "A Closer Look at Invalid Action Masking in Policy Gradient Algorithms",
    2022, for masks.

    Raises:
        IncompatibleError: The environment has no `action_masks()`.
        InvalidSettingError: `optimize_memory_usage` is set: the buffer keeps next observations.
    """

    observation: ClassVar[str] = "tokens"

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("replay_buffer_class", MaskedReplayBuffer)
        super().__init__(*arguments, **settings)

    @classmethod
    def create(cls, env: gymnasium.Env[Any, Any], seed: int, device: str, **settings: Any) -> Self:
        """Return an agent with a multi-layer perceptron over the one-hot tokens."""
        return cls("MlpPolicy", env, seed=seed, device=device, **settings)

    def _setup_model(self) -> None:
        if self.optimize_memory_usage:
            raise InvalidSettingError(
                "Setting optimize_memory_usage must be False, but is True. Leave it out."
            )
        if self.env is not None and not self.env.has_attr("action_masks"):
            raise IncompatibleError(
                "Agent masked-dqn needs an environment with action_masks(), which this one lacks. "
                "Use dqn."
            )
        super()._setup_model()

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        action_masks: NDArray[Any] | None = None,
    ) -> tuple[NDArray[Any], Any]:
        """Return the best action, or a random one with the exploration rate.

        Args:
            observation: One observation, or one for each environment.
            state: Returned unchanged.
            episode_start: Not used.
            deterministic: If True, never explore.
            action_masks: (actions,) or (environments, actions) legal actions; None for all.
        """
        if action_masks is None:
            return super().predict(observation, state, episode_start, deterministic)
        masks = np.atleast_2d(np.asarray(action_masks, dtype=bool))
        vectorized = self.policy.is_vectorized_observation(observation)
        if not deterministic and np.random.rand() < self.exploration_rate:
            actions = self._random(masks)
        else:
            with torch.no_grad():
                values = self.q_net(self.policy.obs_to_tensor(observation)[0])
            actions = best_legal(values, torch.from_numpy(masks)).cpu().numpy()
        return (actions if vectorized else actions[0]), state

    def targets(self, batch: MaskedSamples) -> Tensor:
        """Return (batch, 1) rewards plus the discounted value of the best legal next action."""
        with torch.no_grad():
            values: Tensor = self.q_net_target(batch.next_observations)
            best = values.gather(1, best_legal(values, batch.next_masks)[:, None])
        return batch.rewards + (1 - batch.dones) * self.gamma * best

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Fit the network to the targets of batches from the replay buffer."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses = []
        for _ in range(gradient_steps):
            batch: Any = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)  # type: ignore[union-attr]
            values = self.q_net(batch.observations).gather(1, batch.actions.long())
            loss = torch.nn.functional.smooth_l1_loss(values, self.targets(batch))
            self.policy.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
            losses.append(loss.item())
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(np.mean(losses)))

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return legal actions as taken and as stored (both are equal)."""
        masks = np.stack(self.env.env_method("action_masks"))
        if self.num_timesteps < learning_starts:
            actions = self._random(masks)
        else:
            actions, _ = self.predict(self._last_obs, action_masks=masks)
        return actions, actions

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: Any,
        reward: NDArray[Any],
        dones: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Store a step, adding the masks that `NASVecEnv` omits from infos within an episode."""
        if not all("action_mask" in info for info in infos):
            masks = self.env.env_method("action_masks")
            for info, mask in zip(infos, masks, strict=True):
                info.setdefault("action_mask", mask)
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)

    def _random(self, masks: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.array([self.action_space.sample(mask) for mask in masks.astype(np.int8)])


def best_legal(values: Tensor, masks: Tensor) -> Tensor:
    """Return (batch,) the legal action with the highest value; 0 if none is legal."""
    return values.masked_fill(~masks.to(values.device), -torch.inf).argmax(dim=1)
