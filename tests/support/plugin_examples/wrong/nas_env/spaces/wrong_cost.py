"""`wrong-cost`: costs of decisions that do not add up to the parameters of the network."""

from functools import partial
from typing import Any

from nas_env.spaces.base import SPACES, SpaceFactory
from nas_env.spaces.mlp import MLPSpace


class WrongCost(MLPSpace):
    """Forgets one parameter of each decision."""

    def cost(self, state: Any, decision: int) -> int:
        """Return one less than a decision adds."""
        return super().cost(state, decision) - 1


SPACES.register("wrong-cost")(SpaceFactory(partial(WrongCost, "wrong-cost"), "wine", (13,)))
