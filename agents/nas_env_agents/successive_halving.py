"""`successive-halving`: trains many walks for a few epochs and the best of them for more."""

from __future__ import annotations

import json
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import is_count
from nas_env.evaluators.halving import rungs_of
from nas_env.spaces import Walk
from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.rules import check_rules
from nas_env_agents.common.walks import WalkAgent


@AGENTS.register("successive-halving")
class SuccessiveHalving(WalkAgent):
    """Evaluates a bracket of random walks at the lowest rung and the best of them at the next.

    One in `eta` walks, at least one, is promoted to the next rung, up to the environment's own
    fidelity; then a new bracket starts. Rungs are fidelities (epochs) of the environment's
    evaluator, chosen from the top such that each is at most 1/eta of the one above
    (`nas_env.evaluators.halving.rungs_of`), and requested by
    `env.reset(options={"fidelity": epochs})`. With fewer than two rungs this is random search.
    Scores of different fidelities are not compared: the best walk is the best at the highest rung
    reached.

    Reference: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016; Li et al., "Hyperband", JMLR 2018, for `eta`.

    Args:
        env: One environment.
        seed: Seed of the agent.
        bracket_size: Walks of a bracket at the lowest fidelity.
        eta: Reduction factor: one in `eta` walks is promoted.

    Raises:
        InvalidSettingError: A setting is out of its range.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], seed: int = 0, bracket_size: int = 27, eta: int = 3
    ) -> None:
        super().__init__(env, seed)
        check_rules(
            ("bracket_size", bracket_size, is_count(bracket_size), "an integer >= 1"),
            ("eta", eta, is_count(eta) and eta >= 2, "an integer >= 2"),
        )
        inner: Any = env.unwrapped
        fidelities = getattr(inner.evaluator, "fidelities", ()) or ()
        self.fidelities = rungs_of([x for x in fidelities if x <= inner.budget.epochs], eta)
        self.bracket_size, self.eta = bracket_size, eta
        self.rung = self.best_rung = 0
        self.waiting: list[Walk] = []
        self.scores: list[tuple[float, Walk]] = []  # of this rung
        self.drawn: set[Walk] = set()

    def propose(self) -> Walk:
        """Return the next walk of this rung, of the next, or of a new bracket."""
        if not self.waiting:
            self._advance()
        return self.waiting.pop()

    def options(self) -> dict[str, Any]:
        """Return the fidelity of this rung as reset option."""
        if len(self.fidelities) < 2:
            return {}
        return {"fidelity": self.fidelities[self.rung]}

    def tell(self, walk: Walk, score: float) -> None:
        """Store the score for the promotion to the next rung."""
        self.scores.append((score, walk))

    def keep(self, walk: Walk, score: float) -> None:
        """Keep the walk if it is the best at the highest fidelity so far."""
        if (self.rung, score) > (self.best_rung, self.best_score):
            self.best, self.best_score, self.best_rung = walk, score, self.rung

    def _advance(self) -> None:
        if self.scores and self.rung + 1 < len(self.fidelities):
            survivors = max(1, len(self.scores) // self.eta)
            self.rung += 1
            ranked = sorted(self.scores, key=lambda scored: -scored[0])  # the earlier of equals
            self.waiting = [walk for _, walk in ranked[:survivors]][::-1]
        else:
            self.rung = 0
            self.waiting = [self._new() for _ in range(self.bracket_size)]
        self.scores = []

    def _new(self) -> Walk:
        walk = self.fresh(self.drawn)
        self.drawn.add(walk)
        return walk

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        return {**super().settings(), "bracket_size": self.bracket_size, "eta": self.eta}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the best walk and the state of the bracket."""
        rungs, drawn = [self.rung, self.best_rung], sorted(self.drawn)
        place = json.dumps([rungs, self.waiting, self.scores, drawn])
        return {**super().arrays(), "place": np.array(place)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        super().restore(arrays)
        rungs, waiting, scores, drawn = json.loads(str(arrays["place"]))
        self.rung, self.best_rung = rungs
        self.waiting = [tuple(walk) for walk in waiting]
        self.scores = [(score, tuple(walk)) for score, walk in scores]
        self.drawn = {tuple(walk) for walk in drawn}
