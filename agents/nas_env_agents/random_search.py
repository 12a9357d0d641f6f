"""`random`: random search, the baseline of all other agents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.episodic import EpisodicAgent, random_legal


@AGENTS.register("random")
class RandomSearch(EpisodicAgent):
    """Chooses each legal decision with equal probability; learns nothing."""

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return a random legal action."""
        return random_legal(self.rng, mask)
