"""Agent `round-robin`; a module of its own, so that torch is loaded for agents only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.episodic import EpisodicAgent


@AGENTS.register("round-robin")
class RoundRobin(EpisodicAgent):
    """Takes the legal decisions of each state in turn; learns nothing."""

    def __init__(self, env: Any, seed: int = 0) -> None:
        super().__init__(env, seed)
        self.visits = np.zeros(env.observation_space.n, dtype=np.int64)

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return the next legal action of the state."""
        legal, state = np.flatnonzero(mask), int(observation)
        action = int(legal[self.visits[state] % len(legal)])
        if not greedy:
            self.visits[state] += 1
        return action

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `save` writes."""
        return {"visits": self.visits}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        self.visits = arrays["visits"]
