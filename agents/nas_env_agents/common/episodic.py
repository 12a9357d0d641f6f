"""Base class of agents without a neural network: one environment, whole episodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from nas_env.errors import IncompatibleError
from nas_env.tables.base import DAMAGES
from nas_env_agents.common import saving
from nas_env_agents.common.callbacks import Given, after_step, one_callback
from nas_env_agents.common.limits import share_used
from nas_env_agents.common.rules import check_rules


class Step(NamedTuple):
    """One step of an episode; the mask is that of `after`, `done` says that it terminated."""

    state: int
    action: int
    reward: float
    after: int
    mask: NDArray[np.bool_]
    done: bool


class EpisodicAgent(ABC):
    """Plays whole episodes with legal actions and learns after each one.

    Args:
        env: One environment whose `info` has an "action_mask".
        seed: Seed of the agent; the environment is reset with it once.

    Raises:
        IncompatibleError: A vector of environments was given.
        InvalidSettingError: The seed is not an integer of at least 0.
    """

    observation: ClassVar[str] = "state"

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        untyped_env: Any = env
        if isinstance(untyped_env, VecEnv | gymnasium.vector.VectorEnv):
            raise IncompatibleError(
                f"Agent {type(self).__name__} plays one environment, but was given "
                f"{untyped_env.num_envs} lanes. Make one by gymnasium.make, or use an agent of "
                "Stable-Baselines3, such as ppo."
            )
        check_rules(("seed", seed, _is_whole(seed, 0), "an integer >= 0"))
        self.env = env
        self.seed = seed = int(seed)
        self.rng = np.random.default_rng(seed)
        self.num_timesteps = 0
        self.logger = Logger(folder=None, output_formats=[])
        self._total_timesteps = 1
        self._seeded = False
        self._vector: VecEnv | None = None

    @classmethod
    def create(cls, env: gymnasium.Env[Any, Any], seed: int, device: str, **settings: Any) -> Self:
        """Return an agent for an environment; the device is not used."""
        return cls(env, seed=seed, **settings)

    @abstractmethod
    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return a legal action. `mask` is (actions,) bool."""

    def begin_episode(self, mask: NDArray[np.bool_]) -> None:  # noqa: B027 - most need nothing
        """Prepare for an episode; `mask` is that of its first action."""

    def end_step(self, step: Step) -> None:  # noqa: B027 - most learn from whole episodes
        """Learn from a step."""

    def end_episode(self, steps: list[Step]) -> None:  # noqa: B027 - random search learns nothing
        """Learn from a finished episode."""

    @property
    def share(self) -> float:
        """Share used of the search's limit; outside a search, of the requested steps."""
        used = share_used(self.env)
        return min(1.0, self.num_timesteps / self._total_timesteps) if used is None else used

    def learn(
        self,
        total_timesteps: int,
        callback: Given = None,
        *,
        log_interval: int | None = None,
        tb_log_name: str = "run",
        reset_num_timesteps: bool = False,
        progress_bar: bool = False,
    ) -> Self:
        """Learn for a number of steps, or until the callback returns False.

        Args:
            total_timesteps: Environment steps; the last episode is played to its end.
            callback: A Stable-Baselines3 callback, a list of them, or a function.
            log_interval: Accepted for compatibility with Stable-Baselines3; not used.
            tb_log_name: Accepted for compatibility; use `set_logger` instead.
            reset_num_timesteps: Whether to reset `num_timesteps` to 0.
            progress_bar: Show steps on the terminal.

        Raises:
            IncompatibleError: The callback evaluates in another environment.
            InvalidSettingError: The steps are not an integer of at least 1.
        """
        steps = ("total_timesteps", total_timesteps, _is_whole(total_timesteps, 1))
        check_rules((*steps, "an integer >= 1"))
        if reset_num_timesteps:
            self.num_timesteps = 0
        total_timesteps = self._total_timesteps = self.num_timesteps + int(total_timesteps)
        callbacks = one_callback(callback, progress_bar)
        callbacks.init_callback(self)  # type: ignore[arg-type]
        callbacks.on_training_start(locals(), globals())
        self._play(callbacks)
        callbacks.on_training_end()
        return self

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> tuple[Any, None]:
        """Return the action for an observation, or (1,) that of a batch of one.

        Without `action_masks`, the mask comes from the agent's own environment, and so does, for
        most agents, the position in the episode. Evaluate there:
        `evaluate_policy(agent, agent.env)`.

        Raises:
            IncompatibleError: The batch holds several observations, or no action is legal.
        """
        mask = action_masks
        if mask is None:
            mask = self.env.get_wrapper_attr("action_masks")()
        if not np.any(mask):
            raise IncompatibleError(
                f"No action is legal: the episode of this {type(self).__name__}'s environment is "
                "over. Reset it (agent.env.reset()); predict plays no other environment."
            )
        batched = np.ndim(observation) == len(self.env.observation_space.shape or ()) + 1
        if batched and len(observation) != 1:
            raise IncompatibleError(
                f"Agent {type(self).__name__} plays one environment, but was given "
                f"{len(observation)} observations. Give one."
            )
        unbatched = observation[0] if batched else observation
        action = np.int64(self.act(unbatched, np.asarray(mask, dtype=bool).ravel(), deterministic))
        return (np.array([action]) if batched else action), None

    def get_env(self) -> VecEnv:
        """Return the environment as a vector of one, for Stable-Baselines3's callbacks."""
        if self._vector is None:
            self._vector = DummyVecEnv([lambda: self.env])
        return self._vector

    def set_logger(self, logger: Logger) -> None:
        """Set the Stable-Baselines3 logger."""
        self.logger = logger

    def save(self, path: str | Path) -> None:
        """Write the agent to a file, `.npz` unless its name ends in `.zip`."""
        state = {
            "rng": self.rng.bit_generator.state,
            "agent": type(self).__name__,
            "num_timesteps": self.num_timesteps,
            "spaces": self.spaces(),
        }
        saving.write(path, saving.Saved(self.settings(), state, self.arrays()))

    @classmethod
    def load(cls, path: str | Path, env: gymnasium.Env[Any, Any]) -> Self:
        """Return the agent that `save` wrote, for an environment of the same spaces.

        Raises:
            InvalidDataError: The file does not exist or is not such a file, or the spaces differ.
        """
        saved = saving.read(path, cls)
        agent = cls(env, **saved.settings)
        for name, here in agent.spaces().items():
            there = saved.state["spaces"][name]
            if there != here:
                raise saving.unusable(path, cls, f"its {name}: {there}; here: {here}")
        try:
            agent.rng.bit_generator.state = saved.state["rng"]
            agent.restore(saved.arrays)
        except (*DAMAGES, IndexError) as error:
            raise saving.unusable(path, cls, str(error)) from None
        agent.num_timesteps = int(saved.state["num_timesteps"])
        return agent

    def spaces(self) -> dict[str, str]:
        """Return the properties that an environment must share with the training one."""
        return {
            "actions": str(self.env.action_space),
            "observations": str(self.env.observation_space),
        }

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        return {"seed": self.seed}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned as arrays."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:  # noqa: B027 - nothing to restore
        """Take back what `arrays` returned."""

    def _play(self, callbacks: BaseCallback) -> None:
        """Play episodes until the steps are used up or the callback returns False."""
        while self._episode(callbacks) and self.num_timesteps < self._total_timesteps:
            pass

    def _episode(self, callbacks: BaseCallback) -> bool:
        """Play one episode; return whether to continue."""
        observation, info = self.env.reset(seed=None if self._seeded else self.seed)
        self._seeded = True
        steps: list[Step] = []
        done = False
        legal = info["action_mask"].astype(bool)
        self.begin_episode(legal)
        while not done:
            mask = legal
            action = self.act(observation, mask)
            after, reward, terminated, truncated, info = self.env.step(action)
            done = terminated or truncated
            decision = int(info.get("decision", action))
            executed = action if decision < 0 else decision
            legal = info["action_mask"].astype(bool)
            steps.append(Step(observation, executed, float(reward), after, legal, terminated))
            self.end_step(steps[-1])
            observation = after
            self.num_timesteps += 1
            if done:
                self.end_episode(steps)
            if not after_step(callbacks, done, float(reward), info):
                return False
        return True


def random_legal(rng: np.random.Generator, mask: NDArray[np.bool_]) -> int:
    """Return a legal action drawn uniformly. `mask` is (actions,) bool."""
    legal = mask.nonzero()[0]
    return int(legal[rng.integers(len(legal))])  # what rng.choice draws, five times faster


def _is_whole(value: object, least: int) -> bool:
    """Return whether a value is an integer of at least another, of Python or numpy."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least
