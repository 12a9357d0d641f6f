"""The infos of many lanes, built on access."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gymnasium.vector import VectorEnv

from nas_env.lanes.base import Turn

KEYS = (
    "action_mask",
    "decision",
    "illegal_action",
    "evaluation",
    "architecture",
    "final_obs",
    "final_info",
)
FINAL = frozenset(("final_obs", "_final_obs", "final_info", "_final_info"))
KNOWN = frozenset((*KEYS, *(f"_{key}" for key in KEYS)))


class LaneInfos(dict[str, Any]):
    """A dict with the content of the infos of Gymnasium's `SyncVectorEnv`, built on first access.

    It keeps the arrays of its own step, so it stays correct if it is read later. "action_mask" is
    built separately, with one look-up, and whether "final_info" and "final_obs" exist is known
    without building. Access to any other key builds all keys, which costs much more than the step.
    Copies and pickles are plain dicts.

    Args:
        env: The vector environment; only its number of lanes and Gymnasium's merging are used.
        turn: The step or reset that the infos describe.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], turn: Turn) -> None:
        super().__init__()
        self._env = env
        self._turn: Turn | None = turn
        self._story = turn

    def of(self, lane: int) -> dict[str, Any]:
        """Return the last info that a single environment in place of this lane would return.

        If an episode ended and the next one started in the same step, it is the info of the new
        episode.
        """
        return self._story.info(lane)

    def final(self, lane: int) -> tuple[Any, dict[str, Any]] | None:
        """Return the final observation and info if an episode ended and the next one started."""
        return self._story.final(lane)

    def __missing__(self, key: str) -> Any:
        if self._turn is None or not self._possible(key):
            raise KeyError(key)
        if key == "action_mask":
            mask = self._turn.masks()
            dict.__setitem__(self, key, mask)
            return mask
        self._fill()
        if not dict.__contains__(self, key):
            raise KeyError(key)
        return dict.__getitem__(self, key)

    def __contains__(self, key: object) -> bool:
        if dict.__contains__(self, key):
            return True
        if self._turn is None or not self._possible(key):
            return False
        self._fill()
        return dict.__contains__(self, key)

    def _possible(self, key: object) -> bool:
        """Return False if a key is known to be missing, without building all keys."""
        if key in FINAL and self._turn is not None:
            return self._turn.ended_and_begun
        return key in KNOWN

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def _fill(self) -> None:
        """Build all missing keys; values set by the caller stay."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        built: dict[str, Any] = {}
        for lane in range(self._env.num_envs):
            if (final := turn.final(lane)) is not None:
                ended = dict(zip(("final_obs", "final_info"), final, strict=True))
                built = VectorEnv._add_info(self._env, built, ended, lane)
            built = VectorEnv._add_info(self._env, built, turn.info(lane), lane)
        for key, value in built.items():
            dict.setdefault(self, key, value)


def _after_filling(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    @functools.wraps(method)
    def call(self: LaneInfos, *arguments: Any, **keywords: Any) -> Any:
        self._fill()
        return method(self, *arguments, **keywords)

    return call


for _name in (
    "__iter__", "__len__", "__eq__", "__ne__", "__repr__", "__or__", "__ror__", "__delitem__",
    "__reversed__", "keys", "values", "items", "pop", "popitem", "copy", "clear", "setdefault",
):  # fmt: skip
    setattr(LaneInfos, _name, _after_filling(_name))
