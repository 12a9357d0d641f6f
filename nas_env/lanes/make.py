"""Selects the lanes for an MDP."""

from __future__ import annotations

from nas_env.lanes.base import Lanes, Parts
from nas_env.lanes.states import StateLanes
from nas_env.lanes.tree import TreeLanes
from nas_env.lanes.walks import WalkLanes
from nas_env.mdp import Construct

MOST_CELLS = 50_000_000  # nodes * actions * actions, needed while the look-up tables are built


def make_lanes(parts: Parts) -> Lanes:
    """Return the fastest lanes that are correct for an MDP.

    A subclass of `Construct` may override any method, so its lanes are stepped one by one.
    """
    mdp = parts.mdp
    if type(mdp) is not Construct:
        return StateLanes(parts)
    automaton = mdp.space.automaton()
    possible = automaton.allowed(0, 0, mdp.space.max_params).any()
    small = automaton.num_states * mdp.space.num_decisions**2 <= MOST_CELLS
    if mdp.illegal == "project" and automaton.is_tree and possible and small:
        return TreeLanes(parts)
    return WalkLanes(parts)
