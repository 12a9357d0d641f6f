"""`async-regularized-evolution`: evolution that keeps every slot of the evaluator busy."""

from __future__ import annotations

from nas_env_agents.common.asynchronous import Asynchronous
from nas_env_agents.common.base import AGENTS
from nas_env_agents.regularized_evolution import RegularizedEvolution


@AGENTS.register("async-regularized-evolution")
class AsyncRegularizedEvolution(Asynchronous, RegularizedEvolution):
    """Regularized evolution over all slots: makes a child when a slot becomes free.

    Members join the population in the order in which their evaluations end, as with the paper's
    asynchronous workers. See `Asynchronous` and `RegularizedEvolution`.

    Reference: Real, Aggarwal, Huang, Le, "Regularized Evolution for Image Classifier Architecture
    Search", AAAI 2019, section 3.
    """
