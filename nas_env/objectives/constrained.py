"""`constrained`: another objective under hard limits."""

from __future__ import annotations

from collections.abc import Mapping

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective

LIMITS = {"params": 10_000.0}


@OBJECTIVES.register("constrained")
class Constrained(Objective):
    """The score of another objective; a network over a limit is worse than any under it.

    Of two networks over a limit the one that is less over it is better: the score is the least of
    the objective less v / (1 + v), where v is by how many times of the limit the worst metric is
    over. The range grows by 1 below. `max_params` of an environment is sharper: such networks are
    never offered.

    Args:
        limits: Greatest value of each metric, such as params, macs, latency_ms, activation_bytes.
        objective: An objective, or its name.

    Raises:
        InvalidSettingError: There is no limit, or one is not positive.

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
        """Return the score under the limits, or how far the network is over one."""
        metrics = evaluation.metrics
        over = max(float(metrics[name]) / limit - 1.0 for name, limit in self.limits.items())
        if over <= 0:
            return self.objective.score(evaluation)
        return self.objective.bounds[0] - over / (1.0 + over)

    def describe(self) -> str:
        """Return a text that is equal for objectives with equal scores."""
        return f"Constrained({sorted(self.limits.items())}, {self.objective.describe()})"
