"""The common part of agents that are not neural networks: one environment, whole episodes."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from agents.limits import share_used
from nas_env.errors import IncompatibleError, InvalidDataError
from nas_env.tables.base import DAMAGES


class Step(NamedTuple):
    """One step of an episode; the mask is that of `after`, `done` says that it terminated."""

    state: int
    action: int
    reward: float
    after: int
    mask: NDArray[np.bool_]
    done: bool


class EpisodicAgent(ABC):
    """Plays whole episodes with legal actions and learns after each.

    Args:
        env: One environment whose `info` has an "action_mask".
        seed: Seed of the agent; the environment is reset with it once.

    Raises:
        IncompatibleError: It is a vector of environments.
    """

    observation: ClassVar[str] = "state"

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        given: Any = env
        if isinstance(given, VecEnv | gymnasium.vector.VectorEnv):
            raise IncompatibleError(
                f"Agent {type(self).__name__} plays one environment, but was given "
                f"{given.num_envs} lanes. Make one by gymnasium.make, or use an agent of "
                "Stable-Baselines3, such as ppo."
            )
        self.env = env
        self.seed = seed
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
        """Share of the search's limit that is used, or of the steps asked for outside a search."""
        used = share_used(self.env)
        return min(1.0, self.num_timesteps / self._total_timesteps) if used is None else used

    def learn(
        self,
        total_timesteps: int,
        callback: BaseCallback | list[BaseCallback] | None = None,
        *,
        progress_bar: bool = False,
    ) -> Self:
        """Play and learn for so many steps, or until the callback returns False.

        Args:
            total_timesteps: Environment steps; the episode in which they run out is played on.
            callback: A Stable-Baselines3 callback, or a list of them.
            progress_bar: Show steps on the terminal.
        """
        self._total_timesteps = self.num_timesteps + total_timesteps
        listed = _listed(callback, progress_bar)
        callbacks = listed[0] if len(listed) == 1 else CallbackList(listed)
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
        """Return the action for an observation; without masks, the environment's present one."""
        mask = action_masks
        if mask is None:
            mask = self.env.get_wrapper_attr("action_masks")()
        action = self.act(observation, np.asarray(mask, dtype=bool).ravel(), greedy=deterministic)
        return np.int64(action), None

    def get_env(self) -> VecEnv:
        """Return the environment as a vector of one, for Stable-Baselines3's callbacks."""
        if self._vector is None:
            self._vector = DummyVecEnv([lambda: self.env])
        return self._vector

    def set_logger(self, logger: Logger) -> None:
        """Take a Stable-Baselines3 logger."""
        self.logger = logger

    def save(self, path: str | Path) -> None:
        """Write the agent to an `.npz` file."""
        state = json.dumps({"rng": self.rng.bit_generator.state, **self.settings()})
        arrays: dict[str, Any] = {"settings": np.array(state), **self.arrays()}
        np.savez_compressed(_npz(path), **arrays)

    @classmethod
    def load(cls, path: str | Path, env: gymnasium.Env[Any, Any]) -> Self:
        """Return the agent that `save` wrote, for an environment of the same spaces.

        Raises:
            InvalidDataError: The file does not exist or is not such a file.
        """
        try:
            with np.load(_npz(path), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            saved = json.loads(str(arrays.pop("settings")))
            settings = {name: value for name, value in saved.items() if name != "rng"}
            inspect.signature(cls).bind(env, **settings)  # a TypeError for another agent's
            rng = saved["rng"]
        except DAMAGES as error:
            raise InvalidDataError(
                f"{_npz(path)}: not a {cls.__name__} that was saved ({error}). Give a path that "
                "its save wrote."
            ) from None
        agent = cls(env, **settings)
        agent.rng.bit_generator.state = rng
        agent.restore(arrays)
        return agent

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        return {"seed": self.seed}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned as arrays."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:  # noqa: B027 - nothing to restore
        """Take back what `arrays` returned."""

    def _play(self, callbacks: BaseCallback) -> None:
        """Play episodes until the steps are used up or the callback says stop."""
        while self._episode(callbacks) and self.num_timesteps < self._total_timesteps:
            pass

    def _episode(self, callbacks: BaseCallback) -> bool:
        """Play one episode; return whether to go on."""
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
            taken = action if decision < 0 else decision
            legal = info["action_mask"].astype(bool)
            steps.append(Step(observation, taken, float(reward), after, legal, terminated))
            self.end_step(steps[-1])
            observation = after
            self.num_timesteps += 1
            if done:
                self.end_episode(steps)
            if not callbacks.on_step():
                return False
        return True


def random_legal(rng: np.random.Generator, mask: NDArray[np.bool_]) -> int:
    """Return a legal action, each with the same chance. `mask` is (actions,) bool."""
    legal = mask.nonzero()[0]
    return int(legal[rng.integers(len(legal))])  # what rng.choice draws, five times faster


def _listed(
    callback: BaseCallback | list[BaseCallback] | None, progress_bar: bool
) -> list[BaseCallback]:
    from stable_baselines3.common.callbacks import ProgressBarCallback

    bar: list[BaseCallback] = [ProgressBarCallback()] if progress_bar else []
    if callback is None:
        return bar
    return [*callback, *bar] if isinstance(callback, list) else [callback, *bar]


def _npz(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz")
