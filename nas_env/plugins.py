"""Plug-ins: modules of other distributions, found by entry points and imported when needed.

A distribution declares an entry point in the group `nas_env.plugins`; its value is a module that
registers spaces, tasks, objectives, ... when it is imported. Modules that register agents can use
the group `nas_env_agents.plugins`; they are imported at the first look-up of an agent.
"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import gymnasium

GROUP = "nas_env.plugins"
AGENTS_GROUP = "nas_env_agents.plugins"

_loaded: set[str] = set()  # groups
_undo: list[Callable[[], None]] | None = None  # while a plug-in is imported
_environments: dict[str, str] = {}


def load_plugins(group: str = GROUP) -> None:
    """Import all modules of a group; a second call does nothing.

    If a plug-in cannot be imported, a `RuntimeWarning` names it, and its registrations are removed.

    Args:
        group: `GROUP` or `AGENTS_GROUP`.
    """
    if group in _loaded:
        return
    _loaded.add(group)
    for point in dict.fromkeys(entry_points(group=group)):
        _load(point)


def plugin_environments() -> dict[str, str]:
    """Return the environment ids that plug-ins registered in Gymnasium, and their plug-ins.

    Includes only plug-ins that are already imported; see `load_plugins`.
    """
    return dict(_environments)


def on_failure(undo: Callable[[], None]) -> None:
    """Record how to undo a registration, if a plug-in is being imported."""
    if _undo is not None:
        _undo.append(undo)


def _load(point: EntryPoint) -> None:
    global _undo
    before, _undo = _undo, []
    registered = set(gymnasium.registry)
    try:
        point.load()
    except (Exception, SystemExit) as error:
        for undo in reversed(_undo):
            undo()
        for name in set(gymnasium.registry) - registered:
            del gymnasium.registry[name]
        _warn(point, error)
    else:
        new = set(gymnasium.registry) - registered
        _environments.update(dict.fromkeys(new, point.name))
    finally:
        _undo = before


def _warn(point: EntryPoint, error: BaseException) -> None:
    """Warn about a broken plug-in, only in the main process: workers import it again."""
    if multiprocessing.parent_process() is not None:
        return
    owner = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    message = (
        f"Plug-in {point.name!r} ({point.value}){owner} cannot be loaded and is left out: "
        f"{type(error).__name__}: {error}"
    )
    warnings.warn(message, RuntimeWarning, stacklevel=2)
