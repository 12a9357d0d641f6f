"""`NASVecEnv`: the vector environment for Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from nas_env.errors import InvalidSettingError
from nas_env.vector import NASVectorEnv

Indices = int | Iterable[int] | None


class NASVecEnv(VecEnv):
    """A `NASVectorEnv` behind the interface of Stable-Baselines3's vector environments.

    PPO, A2C, DQN and sb3-contrib's MaskablePPO take it in place of a `DummyVecEnv` of single
    environments and make the same rollouts. `env_method("action_masks")` returns the masks.

    The info of a lane whose episode ended is complete, with `terminal_observation` and
    `TimeLimit.truncated`. All other infos are empty, because building them would cost more than the
    steps. `reset_infos` are complete.

    Example:
        >>> import gymnasium as gym, nas_env
        >>> envs = gym.make_vec(
        ...     "NAS-v0", num_envs=2, evaluator="synthetic", autoreset_mode="SameStep"
        ... )
        >>> vec_env = NASVecEnv(envs)
        >>> vec_env.reset().shape
        (2, 7)

    Args:
        envs: The vector environment, made with `autoreset_mode="SameStep"`, as
            Stable-Baselines3 expects.
        settings: Not accepted; give them to `gymnasium.make_vec`.

    Raises:
        InvalidSettingError: Not a `NASVectorEnv`, or another autoreset mode.
    """

    def __init__(self, envs: gymnasium.vector.VectorEnv[Any, Any, Any], **settings: Any) -> None:
        inner = getattr(envs, "unwrapped", envs)
        if settings or not isinstance(inner, NASVectorEnv):
            raise InvalidSettingError(
                f"The environment must be a NASVectorEnv, but is {type(inner).__name__}"
                f"{' with ' if settings else ''}{', '.join(settings)}. Write "
                'NASVecEnv(gymnasium.make_vec("NASBench201-v0", num_envs=8, '
                'autoreset_mode="SameStep")), with any id of this package.'
            )
        if inner.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise InvalidSettingError(
                f"The autoreset mode must be SameStep, but is {inner.autoreset_mode.value}. Give "
                "gymnasium.make_vec autoreset_mode='SameStep'."
            )
        self.envs = inner
        self._actions: NDArray[Any] = np.zeros(inner.num_envs, dtype=np.int64)
        super().__init__(inner.num_envs, inner.single_observation_space, inner.single_action_space)
        self.metadata = dict(inner.template.metadata)

    def reset(self) -> Any:
        """Start an episode in all lanes, with the seeds and options set before."""
        first, *others = self._options
        if any(options != first for options in others):
            raise InvalidSettingError(
                "Reset options differ between lanes. Give `set_options` one dict for all."
            )
        observations, infos = self.envs.reset(seed=self._seeds, options=first or None)
        self.reset_infos = [infos.of(lane) for lane in range(self.num_envs)]  # type: ignore[attr-defined]
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Take the actions; return observations, rewards (float32), dones and infos."""
        observations, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        dones = terminated | truncated
        lane_infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for lane in np.flatnonzero(dones).tolist():
            last, info = infos.final(lane)
            info["terminal_observation"] = last
            info["TimeLimit.truncated"] = bool(truncated[lane])
            lane_infos[lane] = info
        return observations, rewards.astype(np.float32), dones, lane_infos

    def close(self) -> None:
        """Close the vector environment."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of the environment, for each lane.

        Raises:
            AttributeError: A single environment has no such attribute.
        """
        lanes = self._lanes(indices)
        if attr_name == "spec":
            return [self.envs.spec] * len(lanes)
        if attr_name == "state":
            return [self.envs.state(lane) for lane in lanes]
        if attr_name == "action_masks":
            return [partial(self._masks_of, lane) for lane in lanes]
        return [getattr(self.envs.template, attr_name)] * len(lanes)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Return the result of a method for each lane: "action_masks" or "render".

        Raises:
            AttributeError: Lanes have no such method.
        """
        lanes = self._lanes(indices)
        methods: dict[str, Callable[[], Any]] = {
            "action_masks": self.envs.action_masks,
            "render": self.envs.render,
        }
        if method_name not in methods:
            raise AttributeError(
                f"Lanes have no method {method_name!r}. Known: {', '.join(methods)}."
            )
        values = methods[method_name]()
        return [None if values is None else values[lane] for lane in lanes]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Not supported, because lanes share one environment.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(
            f"Attribute {attr_name!r} cannot be set on single lanes. Give it to gymnasium.make_vec."
        )

    def env_is_wrapped(self, wrapper_class: Any, indices: Indices = None) -> list[bool]:
        """Return False for each lane: there are no wrappers around single lanes."""
        return [False for _ in self._lanes(indices)]

    def get_images(self) -> Sequence[Any]:
        """Return the drawing of each lane."""
        return self.envs.render() or [None] * self.num_envs

    def _masks_of(self, lane: int) -> NDArray[np.bool_]:
        masks: NDArray[np.bool_] = self.envs.action_masks()[lane]
        return masks

    def _lanes(self, indices: Indices) -> list[int]:
        return list(self._get_indices(indices))
