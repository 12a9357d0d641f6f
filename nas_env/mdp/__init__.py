"""Markov decision processes over a search space: they define actions and rewards.

One file per MDP; it registers itself with `@MDPS.register(name)`.
"""

from nas_env.mdp.base import ILLEGAL_MODES, MDP, MDPS, Move
from nas_env.mdp.construct import Construct
from nas_env.mdp.edit import Edit
from nas_env.states import BaseState, EditState, State

__all__ = [
    "ILLEGAL_MODES",
    "MDP",
    "MDPS",
    "BaseState",
    "Construct",
    "Edit",
    "EditState",
    "Move",
    "State",
]
