"""`info` of many lanes, built when it is looked at."""

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
    """A dict that holds what Gymnasium's `SyncVectorEnv` would return, built on first access.

    It keeps the arrays of its own step, so it stays right whenever it is read. The action mask is
    built alone, at the price of one look-up, and whether there are "final_info" and "final_obs" is
    known without building. Any other key builds everything, which costs far more than the step.
    It is copied and pickled as a plain dict.

    Args:
        env: The vector environment; only its number of lanes and Gymnasium's merging are used.
        turn: What happened.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], turn: Turn) -> None:
        super().__init__()
        self._env = env
        self._turn: Turn | None = turn
        self._story = turn

    def of(self, lane: int) -> dict[str, Any]:
        """Return what a single environment in place of this lane returned last.

        Where an episode ended and the next began in one step, that is the info of the new one.
        """
        return self._story.info(lane)

    def final(self, lane: int) -> tuple[Any, dict[str, Any]] | None:
        """Return last observation and info of an episode that ended where the next began."""
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
        """Return False where a key is not there, as far as can be said without building all."""
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
        """Build every key that is not there yet; what the caller has put in stays."""
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
    def call(self: LaneInfos, *arguments: Any, **named: Any) -> Any:
        self._fill()
        return method(self, *arguments, **named)

    return call


for _name in (
    "__iter__", "__len__", "__eq__", "__ne__", "__repr__", "__or__", "__ror__", "__delitem__",
    "__reversed__", "keys", "values", "items", "pop", "popitem", "copy", "clear", "setdefault",
):  # fmt: skip
    setattr(LaneInfos, _name, _after_filling(_name))
