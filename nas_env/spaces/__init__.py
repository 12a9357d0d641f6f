"""Search spaces: finite automata whose complete walks are architectures.

One file per space; a space registers its names with `@SPACES.register(name)`.
"""

from nas_env.spaces.automaton import Automaton
from nas_env.spaces.base import SPACES, Anchor, Choice, Option, SearchSpace, SpaceFactory, Walk
from nas_env.spaces.joint import Joint

__all__ = [
    "SPACES",
    "Anchor",
    "Automaton",
    "Choice",
    "Joint",
    "Option",
    "SearchSpace",
    "SpaceFactory",
    "Walk",
]
