"""Which lanes suit a process."""

from __future__ import annotations

from nas_env.lanes.base import Lanes, Parts
from nas_env.lanes.states import StateLanes
from nas_env.lanes.tree import TreeLanes
from nas_env.lanes.walks import WalkLanes
from nas_env.mdp import Construct


def make_lanes(parts: Parts) -> Lanes:
    """Return the fastest lanes that are right for a process.

    A subclass of `Construct` may have changed anything, so it is asked lane by lane.
    """
    mdp = parts.mdp
    if type(mdp) is not Construct:
        return StateLanes(parts)
    automaton = mdp.space.automaton()
    possible = automaton.allowed(0, 0, mdp.space.max_params).any()
    if mdp.illegal == "project" and automaton.is_tree and possible:
        return TreeLanes(parts)
    return WalkLanes(parts)
