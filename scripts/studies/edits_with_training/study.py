"""Compare agents that edit networks with agents that build them: docs/edits-with-training.md.

Every search trains the same number of networks of `chain-editable` on the digits. The same question
on a table, with more agents and seeds: docs/edits-on-table.md, by `nas-env benchmark`.

Example: python -m scripts.studies edits-with-training
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
from scipy.stats import binomtest

import nas_env  # noqa: F401 - registers the environments
from nas_env.registry import unknown_name
from nas_env.wrappers import Limits
from nas_env_cli.search.session import run_search
from nas_env_cli.spread import mean_sd
from scripts.studies.common.experiment import Experiment, Job, require_at_least
from scripts.studies.common.made_by import commands, versions_text
from scripts.studies.common.pages import save_page

ROOT = Path(__file__).resolve().parents[3]
BASELINE = "random search"
CONSTRUCT: dict[str, Any] = {"space": "chain-editable", "objective": "negative-loss"}


class Method(NamedTuple):
    """One row: an agent, its environment, and what differs from its stored hyper-parameters."""

    agent: str
    env: str
    observation: str
    settings: dict[str, Any]


TUTORIAL: dict[str, Any] = {
    "learning_rate": 0.1,
    "discount": 0.9,
    "initial_value": 0.0,
    "replay": 0,
}
TUTORIAL |= {"online": True, "schedule": [[0.1, 1.0]]}
METHODS = {
    BASELINE: Method("random", "NAS-v0", "state", {}),
    "random edits": Method("random", "NASEdit-v0", "tokens", {}),
    "hill climbing by edits": Method("hill-climbing", "NAS-v0", "tokens", {}),
    "tutorial Q-learning, loss bins, edit": Method("q-learning", "NASEdit-v0", "loss-bins", {}),
    "tutorial Q-learning, accuracy bins, edit": Method(
        "q-learning", "NASEdit-v0", "accuracy-bins", {}
    ),
    "tutorial Q-learning, last automaton state, edit": Method(
        "q-learning", "NASEdit-v0", "state", {}
    ),
    "tutorial Q-learning, automaton states, construct": Method(
        "q-learning", "NAS-v0", "state", TUTORIAL
    ),
    "MetaQNN's Q-learning, automaton states, construct": Method(
        "q-learning", "NAS-v0", "state", {"initial_value": "optimistic"}
    ),
    "masked PPO, edit": Method("maskable-ppo", "NASEdit-v0", "features", {}),
    "masked PPO, construct": Method("maskable-ppo", "NAS-v0", "tokens", {}),
}


@dataclass(frozen=True)
class Options:
    """Compare agents that edit networks with agents that build them."""

    seeds: int = 10
    """Search seeds 0, 1, ... of every method."""
    evaluations: int = 60
    """Trained networks of a search."""
    epochs: int = 4
    """Epochs each network is trained."""
    methods: tuple[str, ...] = tuple(METHODS)
    """Rows of the table; random search is always one of them."""
    evaluator: str = "training"
    """"training", or "synthetic" for a quick trial."""
    processes: int = 2
    """Searches at once."""
    store: Path = ROOT / "runs" / "edits.sqlite"
    """Store of all networks; an interrupted search resumes from it."""
    page: Path = ROOT / "docs" / "edits-with-training.md"
    """The page; results.jsonl goes into the folder of its name."""

    def shared(self) -> dict[str, Any]:
        """Return the settings that all results of one file share."""
        names = ("evaluations", "epochs", "evaluator")
        return {name: getattr(self, name) for name in names}


def run(settings: Options) -> int:
    """Play the searches that have no result yet, and write the page."""
    require_at_least(settings, seeds=1, evaluations=1, epochs=1, processes=1)
    for name in settings.methods:
        if name not in METHODS:
            raise unknown_name("method", name, METHODS)
    if BASELINE not in settings.methods:
        settings = replace(settings, methods=(BASELINE, *settings.methods))
    experiment = experiment_of(settings)
    settings.store.parent.mkdir(parents=True, exist_ok=True)
    experiment.play(jobs(settings), partial(search, settings), settings.processes)
    save_page(settings.page, page(experiment))
    return 0


def experiment_of(settings: Options) -> Experiment:
    """Return the results beside the page."""
    return Experiment.beside(settings.page, settings.shared())


def jobs(settings: Options) -> list[Job]:
    """Return all searches."""
    return [
        {"method": method, "seed": seed}
        for seed in range(settings.seeds)
        for method in settings.methods
    ]


def search(settings: Options, job: Job) -> dict[str, Any]:
    """Run one search and return the numbers of its row."""
    method = METHODS[job["method"]]
    env = gymnasium.make(
        method.env,
        observation=method.observation,
        evaluator=settings.evaluator,
        budget={"epochs": settings.epochs},
        store=settings.store,
        device="cpu",
        **(CONSTRUCT if method.env == "NAS-v0" else {}),
    )
    limits = Limits(evaluations=settings.evaluations)
    result = run_search(method.agent, env, limits, job["seed"], **method.settings)
    best = result.best
    return {
        "first_score": result.trials[0].score,
        "score": best.score,
        "accuracy": best.evaluation.metrics["accuracy"],
        "params": best.evaluation.metrics["params"],
        "found_after": best.evaluations,
        "evaluations": result.evaluations,
        "reason": result.reason,
    }


def page(experiment: Experiment) -> str:
    """Return the page of the results."""
    searches = [{**job, **result} for job, result in experiment.results()]
    by_method = {
        name: rows
        for name in METHODS
        if (rows := sorted((x for x in searches if x["method"] == name), key=lambda x: x["seed"]))
    }
    seeds, shared = len(by_method[BASELINE]), experiment.settings
    versions = versions_text(experiment.calls()[-1]["versions"], without=("commit",))
    lines = [
        "# Editing networks against building them: trained networks",
        "",
        "Made by `python -m scripts.studies edits-with-training`. The same question on a table, "
        "with more agents and more seeds: [edits-on-table.md](edits-on-table.md).",
        "",
        f"Best of {shared['evaluations']} trained networks of `chain-editable` on the digits, "
        f"{shared['epochs']} epochs each; the score is minus the validation loss. Mean ± standard "
        f"deviation over {seeds} search seeds (0 to {seeds - 1}). Selection and "
        "score are on the validation split; the test split was not opened.",
        "",
        f"- Command: `{commands(experiment)}`",
        f"- Versions: {versions}",
        "- Episodes that edit start from random networks. Hill climbing tries edits in random "
        "order and takes the first improvement; if no edit improves, it restarts.",
        "- Tutorial Q-learning: alpha 0.1, gamma 0.9, epsilon 0.1, a table of zeros; here with the "
        "mask. MetaQNN's Q-learning: alpha 0.01, gamma 1, its epsilon schedule, 100 replayed "
        "episodes, optimistic initial values.",
        "",
        "| method | best score | its accuracy, % | its parameters | found after | "
        "against random search |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [row(name, rows, by_method[BASELINE]) for name, rows in by_method.items()]
    lines += [""]
    others = [name for name in by_method if name != BASELINE]
    lines += [f"- {verdict(name, by_method[name], by_method[BASELINE])}" for name in others]
    return "\n".join(lines) + "\n"


def row(name: str, rows: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]]) -> str:
    """Return one line of the table."""
    columns = {key: mean_sd([x[key] for x in rows]) for key in rows[0] if key not in TEXT}
    accuracy = tuple(100 * x for x in columns["accuracy"])
    wins, losses, p = against(rows, baseline)
    cells = [
        name,
        "{:.4f} ± {:.4f}".format(*columns["score"]),
        "{:.2f} ± {:.2f}".format(*accuracy),
        "{:,.0f} ± {:,.0f}".format(*columns["params"]),
        "{:.0f}".format(columns["found_after"][0]),
        "" if name == BASELINE else f"{wins} won, {losses} lost, p = {p:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


TEXT = ("method", "reason")


def against(
    rows: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]]
) -> tuple[int, int, float]:
    """Return seeds won and lost, and the two-sided p-value of a sign test without ties."""
    others = {x["seed"]: x["score"] for x in baseline}
    pairs = [(x["score"], others[x["seed"]]) for x in rows if x["seed"] in others]
    wins, losses = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    p = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return wins, losses, p


def verdict(name: str, rows: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]]) -> str:
    """Return the sentence that says whether a method beats random search."""
    wins, losses, p = against(rows, baseline)
    count = f"{wins} won and {losses} lost of {len(rows)} seeds (sign test, p = {p:.2f})"
    if p < 0.05:
        return f"{name}: {'beats' if wins > losses else 'loses to'} random search, {count}."
    return f"{name}: no difference from random search is shown, {count}."
