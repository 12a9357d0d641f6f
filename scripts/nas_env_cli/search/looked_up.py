"""Notes of the summary for networks from a table or a surrogate."""

from __future__ import annotations

from nas_env.env import NASEnv
from nas_env.evaluators.surrogate import SurrogateEvaluator
from nas_env.evaluators.tabular import Tabular
from nas_env.surrogates.base import Surrogate


def notes_on(env: NASEnv) -> list[str]:
    """Return notes on the source of the numbers; empty if networks are trained."""
    evaluator = env.evaluator
    if isinstance(evaluator, Tabular):
        return [
            f"Networks were looked up in table {evaluator.table.name!r} after "
            f"{env.budget.epochs} epochs; none was trained. Report: column {evaluator.report!r}. "
            "Regret: the difference to the best value of the table, for reward and report."
        ]
    if isinstance(evaluator, SurrogateEvaluator):
        wanted = {"accuracy", *env.objective.needs}
        return _notes_on_surrogate(evaluator.surrogate, wanted)
    return []


def _notes_on_surrogate(surrogate: Surrogate, wanted: set[str]) -> list[str]:
    """Return notes on the held-out errors of a surrogate for the wanted metrics."""
    notes = [
        f"Networks were scored by surrogate {surrogate.name!r}, fitted to {surrogate.networks:,} "
        "networks; none was trained. The optimum is unknown, so there is no regret."
    ]
    for name in sorted(wanted & surrogate.errors.keys()):
        error = surrogate.errors[name]
        notes.append(
            f"Held-out error of {name}: R2 {error.r2:.4f}, Kendall's tau {error.tau:.4f}, median "
            f"relative error {100 * error.relative:.2f} %."
        )
    notes.append(
        "For the best predicted hundredth of the held-out networks, the predicted accuracy is "
        f"{100 * surrogate.excess:.2f} points too high on average."
    )
    return notes
