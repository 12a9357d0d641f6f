"""Compare agents that edit networks with agents that build them, and write docs/edits.md.

Every search trains the same number of networks of `chain-editable` on the digits. Searches that
were finished before are read from the results; networks come from one store, so an interrupted run
goes on where it stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import torch
from scipy.stats import binomtest

import nas_env  # noqa: F401 - registers the environments
from nas_env.wrappers import Limits
from nas_env_cli.search.provenance import versions
from nas_env_cli.search.session import run_search
from nas_env_cli.spread import mean_sd
from scripts.studies.common.command import typed_command

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
    methods: tuple[str, ...] = field(default_factory=lambda: tuple(METHODS))
    """Rows; all if left out."""
    evaluator: str = "training"
    """training, or synthetic to see that it works."""
    workers: int = 2
    """Searches at once."""
    store: Path = ROOT / "runs" / "edits.sqlite"
    """Every trained network."""
    output: Path = ROOT / "docs" / "edits"
    """The page (.md) and the results (.json)."""


def search(name: str, seed: int, settings: Options) -> dict[str, Any]:
    """Run one search and return what its row needs."""
    torch.set_num_threads(1)
    method = METHODS[name]
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
    result = run_search(method.agent, env, limits, seed, **method.settings)
    best = result.best
    return {
        "method": name,
        "seed": seed,
        "first_score": result.trials[0].score,
        "score": best.score,
        "accuracy": best.evaluation.metrics["accuracy"],
        "params": best.evaluation.metrics["params"],
        "found_after": best.evaluations,
        "evaluations": result.evaluations,
        "reason": result.reason,
    }


def run(settings: Options) -> int:
    """Run every search that is missing and write the page."""
    file = settings.output.with_suffix(".json")
    shape = {"evaluations": settings.evaluations, "epochs": settings.epochs}
    shape["evaluator"] = settings.evaluator  # type: ignore[assignment]
    known = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    found = known.get("searches", []) if known.get("settings") == shape else []
    have = {(x["method"], x["seed"]) for x in found}
    if BASELINE not in settings.methods:
        settings = replace(settings, methods=(BASELINE, *settings.methods))
    todo = [(m, s) for s in range(settings.seeds) for m in settings.methods if (m, s) not in have]
    settings.store.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(settings.workers) as pool:
        jobs = [pool.submit(search, name, seed, settings) for name, seed in todo]
        for number, job in enumerate(as_completed(jobs), start=1):
            found.append(job.result())
            data = {"settings": shape, "versions": versions(), "searches": found}
            write(file, json.dumps(data, indent=1))
            row = found[-1]
            print(f"{number}/{len(jobs)}: {row['method']}, seed {row['seed']}: {row['score']:.4f}")
    write(settings.output.with_suffix(".md"), page(found, settings))
    print(settings.output.with_suffix(".md").read_text("utf-8"))
    return 0


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, path)


def page(found: Sequence[dict[str, Any]], settings: Options) -> str:
    """Return the page."""
    by_method = {
        name: sorted((x for x in found if x["method"] == name), key=lambda x: x["seed"])
        for name in settings.methods
    }
    command = typed_command()
    lines = [
        "# Editing networks against building them",
        "",
        f"Best of {settings.evaluations} trained networks of `chain-editable` on the digits, "
        f"{settings.epochs} epochs each; the score is minus the validation loss. Mean ± standard "
        f"deviation over {settings.seeds} search seeds (0 to {settings.seeds - 1}). Selection and "
        "score are on the validation split; the test split was not opened.",
        "",
        f"- Command: `{command}`",
        f"- Versions: {', '.join(f'{k} {v}' for k, v in versions().items() if k != 'commit')}",
        "- Episodes that edit begin from random networks. Hill climbing takes the first edit that "
        "helps, in random order, and begins anew where none does.",
        "- Tutorial Q-learning: alpha 0.1, gamma 0.9, epsilon 0.1, a table of zeros; here with the "
        "mask. MetaQNN's: alpha 0.01, gamma 1, its epsilon schedule, 100 replayed episodes, an "
        "optimistic start.",
        "",
        "| method | best score | its accuracy, % | its parameters | found after | "
        "against random search |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [row(name, rows, by_method[BASELINE]) for name, rows in by_method.items()]
    lines += [""]
    others = [name for name in by_method if name != BASELINE]
    lines += [f"- {verdict(name, by_method[name], by_method[BASELINE])}" for name in others]
    return "\n".join(lines)


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
    pairs = [(a["score"], b["score"]) for a, b in zip(rows, baseline, strict=True)]
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
