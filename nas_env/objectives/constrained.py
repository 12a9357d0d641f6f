"""`constrained`: another objective under hard limits."""

from __future__ import annotations

from collections.abc import Mapping

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective

LIMITS = {"params": 10_000.0}


@OBJECTIVES.register("constrained")
class Constrained(Objective):
    """The score of another objective; networks that violate a limit score below all others.

    Among networks that violate a limit, a smaller violation is better. The score is the lower bound
    of the objective minus v / (1 + v), where v is the largest relative excess over a limit. The
    lower bound decreases by 1. `max_params` of an environment is stricter: it masks such networks.

    Args:
        limits: Maximum of each metric, such as params, macs, latency_ms, activation_bytes.
        objective: An objective, or its name.

    Raises:
        InvalidSettingError: There are no limits, or one is not positive.

    Reference: Deb, "An efficient constraint handling method for genetic algorithms", 2000: the
        three rules of feasibility.
    """

    def __init__(
        self,
        limits: Mapping[str, float] | None = None,
        objective: Objective | str = "accuracy",
    ) -> None:
        self.limits = dict(LIMITS if limits is None else limits)
        if not self.limits or not all(limit > 0 for limit in self.limits.values()):
            raise InvalidSettingError(
                f"Objective setting limits must hold numbers > 0, got {self.limits}."
            )
        inner = OBJECTIVES.get(objective)() if isinstance(objective, str) else objective
        self.objective = inner
        self.bounds = (inner.bounds[0] - 1.0, inner.bounds[1])
        self.failure = self.bounds[0]
        self.needs = tuple(dict.fromkeys((*inner.needs, *self.limits)))

    def value(self, evaluation: Evaluation) -> float:
        """Return the objective's score, or a lower one if the network violates a limit."""
        metrics = evaluation.metrics
        over = max(float(metrics[name]) / limit - 1.0 for name, limit in self.limits.items())
        if over <= 0:
            return self.objective.score(evaluation)
        return self.objective.bounds[0] - over / (1.0 + over)

    def describe(self) -> str:
        """Return a text that is equal for objectives that give equal scores."""
        return f"Constrained({sorted(self.limits.items())}, {self.objective.describe()})"
