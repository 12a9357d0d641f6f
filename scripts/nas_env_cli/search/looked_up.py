"""What the summary says where networks are looked up in a table, or predicted by a surrogate."""

from __future__ import annotations

from nas_env.env import NASEnv
from nas_env.evaluators.surrogate import SurrogateEvaluator
from nas_env.evaluators.tabular import Tabular
from nas_env.surrogates.base import Surrogate


def notes_on(env: NASEnv) -> list[str]:
    """Return where the numbers of an environment come from; nothing where networks are trained."""
    evaluator = env.evaluator
    if isinstance(evaluator, Tabular):
        return [
            f"Networks were looked up in table {evaluator.table.name!r} after "
            f"{env.budget.epochs} epochs; none was trained. Report: column {evaluator.report!r}. "
            "Regret: how far below the best of the table, of the reward and of the report."
        ]
    if isinstance(evaluator, SurrogateEvaluator):
        wanted = {"accuracy", *env.objective.needs}
        return _notes_on_surrogate(evaluator.surrogate, wanted)
    return []


def _notes_on_surrogate(surrogate: Surrogate, wanted: set[str]) -> list[str]:
    """Return how well a surrogate predicts the wanted numbers of held-out networks."""
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
        "Of the held-out networks predicted best (one hundredth), the accuracy is predicted "
        f"{100 * surrogate.excess:.2f} points too high on average."
    )
    return notes
